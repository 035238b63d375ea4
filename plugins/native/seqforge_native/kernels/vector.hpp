// A register of floats of the instruction set that the kernels are compiled for, and what is the same in all of them.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include "vector_avx512.hpp"
#elif defined(__AVX2__)
#include "vector_avx2.hpp"
#else
#include "vector_neon.hpp"
#endif

namespace seqforge {

// The bits of a bfloat16, which are the upper half of those of a float32.
using bfloat16 = std::uint16_t;

#if defined(__AVX512BF16__)

inline Vector load(const bfloat16 *from) {
    __m512i halves = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(halves, 16))};
}
inline void store(bfloat16 *to, Vector x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.value)));
}
// Stores two registers in turns: the first number of each, the second of each, and so on.
inline void store_pairs(bfloat16 *to, Vector even, Vector odd) {
    const auto widened = [](Vector x) { return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x.value))); };
    _mm512_storeu_si512(to, _mm512_or_si512(widened(even), _mm512_slli_epi32(widened(odd), 16)));
}

#endif

// The sum of each of as many registers as a register has numbers, in their order.
inline Vector sums_of_each(std::array<Vector, lanes> registers) {
    for (int count = lanes; count > 1; count /= 2)
        for (int index = 0; index < count / 2; index++)
            registers[index] = sums_of_pairs(registers[2 * index], registers[2 * index + 1]);
    return registers[0];
}

// Loads numbers of an axis, which may all be the same. Numbers beyond its end have no meaning.
inline Vector load_from(const float *from, std::int64_t index, bool moves) {
    return moves ? load(from + index) : broadcast(*from);
}
// The same, with 0 beyond the end.
inline Vector load_part(const float *from, std::int64_t index, std::int64_t end, bool moves) {
    if (index + lanes <= end) return load_from(from, index, moves);
    float numbers[lanes] = {};
    for (std::int64_t k = index; k < end; k++) numbers[k - index] = from[moves ? k : 0];
    return load(numbers);
}
inline void store_part(float *to, std::int64_t index, std::int64_t end, Vector x) {
    if (index + lanes <= end) return store(to + index, x);
    float numbers[lanes];
    store(numbers, x);
    std::copy_n(numbers, end - index, to + index);
}

// Loads and stores consecutive registers, such as the gates of a unit.
template <int count, class Element> inline std::array<Vector, count> load_each(const Element *from) {
    std::array<Vector, count> registers;
    for (int index = 0; index < count; index++) registers[index] = load(from + index * lanes);
    return registers;
}
template <class Element> inline void store_each(Element *to, std::same_as<Vector> auto... registers) {
    ((store(to, registers), to += lanes), ...);
}

// The greater and the lesser of two numbers; NaN if either is NaN.
inline Vector greater_of(Vector a, Vector b) { return unless_number(a, at_least(a, b)); }
inline Vector lesser_of(Vector a, Vector b) { return unless_number(a, at_most(a, b)); }

inline void store_element(float *to, float x) { *to = x; }

// Rounds to the nearest, ties to even; NaN stays NaN.
inline void store_element(bfloat16 *to, float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    *to = x != x ? 0x7fc0 : static_cast<bfloat16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

} // namespace seqforge
