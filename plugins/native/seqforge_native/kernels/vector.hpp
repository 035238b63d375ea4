// A register of floats, of the instruction set that this file is compiled for: AVX-512 or AVX2.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

namespace seqforge {

// The bits of a bfloat16, which are the upper half of those of a float32.
using bfloat16 = std::uint16_t;

#if defined(__AVX512F__)

constexpr int lanes = 16;
// Registers for the sums of a tile, of 32; the others are for weights and inputs.
constexpr int tile_registers = 24;
// A power n for which `scaled_by_power` returns 0, if x is about 1.
constexpr float power_without_weight = -200.0f;

struct Vector {
    __m512 value;
};

inline Vector zero() { return {_mm512_setzero_ps()}; }
inline Vector broadcast(float x) { return {_mm512_set1_ps(x)}; }
inline Vector load(const float *from) { return {_mm512_loadu_ps(from)}; }
inline void store(float *to, Vector x) { _mm512_storeu_ps(to, x.value); }
inline Vector operator+(Vector a, Vector b) { return {_mm512_add_ps(a.value, b.value)}; }
inline Vector operator-(Vector a, Vector b) { return {_mm512_sub_ps(a.value, b.value)}; }
inline Vector operator*(Vector a, Vector b) { return {_mm512_mul_ps(a.value, b.value)}; }
// a b + c
inline Vector multiply_add(Vector a, Vector b, Vector c) { return {_mm512_fmadd_ps(a.value, b.value, c.value)}; }
// c - a b
inline Vector subtract_product(Vector a, Vector b, Vector c) { return {_mm512_fnmadd_ps(a.value, b.value, c.value)}; }
// The instruction returns its second operand if either is NaN: a NaN in x is kept.
inline Vector at_least(Vector bound, Vector x) { return {_mm512_max_ps(bound.value, x.value)}; }
inline Vector at_most(Vector bound, Vector x) { return {_mm512_min_ps(bound.value, x.value)}; }
inline Vector rounded(Vector x) { return {_mm512_roundscale_ps(x.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
// x 2^n for whole n
inline Vector scaled_by_power(Vector x, Vector n) { return {_mm512_scalef_ps(x.value, n.value)}; }
// 1 / x for finite x: an estimate of 14 bits, improved by one Newton step.
inline Vector reciprocal(Vector x) {
    __m512 estimate = _mm512_rcp14_ps(x.value);
    return {_mm512_mul_ps(estimate, _mm512_fnmadd_ps(x.value, estimate, _mm512_set1_ps(2.0f)))};
}
inline Vector operator/(Vector a, Vector b) { return {_mm512_div_ps(a.value, b.value)}; }
inline Vector square_root(Vector x) { return {_mm512_sqrt_ps(x.value)}; }
// 1 where the relation holds, else 0
inline Vector is_greater(Vector a, Vector b) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.value, b.value, _CMP_GT_OQ), _mm512_set1_ps(1.0f))};
}
inline Vector is_at_least(Vector a, Vector b) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.value, b.value, _CMP_GE_OQ), _mm512_set1_ps(1.0f))};
}
// a where the condition is not 0, else b
inline Vector where(Vector condition, Vector a, Vector b) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(condition.value, _mm512_setzero_ps(), _CMP_NEQ_UQ), b.value, a.value)};
}
// a where it is NaN, else b
inline Vector unless_number(Vector a, Vector b) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.value, a.value, _CMP_UNORD_Q), b.value, a.value)};
}
inline float sum(Vector x) { return _mm512_reduce_add_ps(x.value); }
inline float largest(Vector x) { return _mm512_reduce_max_ps(x.value); }
// The sums of the first, the first two, … numbers.
inline Vector running_sums(Vector x) {
    const auto add_shifted = [&]<int by>() {
        __m512i shifted = _mm512_alignr_epi32(_mm512_castps_si512(x.value), _mm512_setzero_si512(), lanes - by);
        x = x + Vector{_mm512_castsi512_ps(shifted)};
    };
    add_shifted.template operator()<1>();
    add_shifted.template operator()<2>();
    add_shifted.template operator()<4>();
    add_shifted.template operator()<8>();
    return x;
}
// The sums of neighbours: those of a, then those of b.
inline Vector sums_of_pairs(Vector a, Vector b) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    return {_mm512_add_ps(_mm512_permutex2var_ps(a.value, even, b.value), _mm512_permutex2var_ps(a.value, odd, b.value))};
}
// How many numbers are at most a bound.
inline int count_at_most(Vector x, float bound) {
    return __builtin_popcount(_mm512_cmp_ps_mask(_mm512_set1_ps(bound), x.value, _CMP_GE_OQ));
}

#else

constexpr int lanes = 8;
constexpr int tile_registers = 12;
constexpr float power_without_weight = -127.0f; // The exponent's bits are then 0.

struct Vector {
    __m256 value;
};

inline Vector zero() { return {_mm256_setzero_ps()}; }
inline Vector broadcast(float x) { return {_mm256_set1_ps(x)}; }
inline Vector load(const float *from) { return {_mm256_loadu_ps(from)}; }
inline void store(float *to, Vector x) { _mm256_storeu_ps(to, x.value); }
inline Vector operator+(Vector a, Vector b) { return {_mm256_add_ps(a.value, b.value)}; }
inline Vector operator-(Vector a, Vector b) { return {_mm256_sub_ps(a.value, b.value)}; }
inline Vector operator*(Vector a, Vector b) { return {_mm256_mul_ps(a.value, b.value)}; }
inline Vector multiply_add(Vector a, Vector b, Vector c) { return {_mm256_fmadd_ps(a.value, b.value, c.value)}; }
inline Vector subtract_product(Vector a, Vector b, Vector c) { return {_mm256_fnmadd_ps(a.value, b.value, c.value)}; }
inline Vector at_least(Vector bound, Vector x) { return {_mm256_max_ps(bound.value, x.value)}; }
inline Vector at_most(Vector bound, Vector x) { return {_mm256_min_ps(bound.value, x.value)}; }
inline Vector rounded(Vector x) { return {_mm256_round_ps(x.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline Vector scaled_by_power(Vector x, Vector n) {
    __m256i exponent = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n.value), _mm256_set1_epi32(127)), 23);
    return {_mm256_mul_ps(x.value, _mm256_castsi256_ps(exponent))};
}
inline Vector reciprocal(Vector x) { return {_mm256_div_ps(_mm256_set1_ps(1.0f), x.value)}; }
inline Vector operator/(Vector a, Vector b) { return {_mm256_div_ps(a.value, b.value)}; }
inline Vector square_root(Vector x) { return {_mm256_sqrt_ps(x.value)}; }
inline Vector is_greater(Vector a, Vector b) {
    return {_mm256_and_ps(_mm256_cmp_ps(a.value, b.value, _CMP_GT_OQ), _mm256_set1_ps(1.0f))};
}
inline Vector is_at_least(Vector a, Vector b) {
    return {_mm256_and_ps(_mm256_cmp_ps(a.value, b.value, _CMP_GE_OQ), _mm256_set1_ps(1.0f))};
}
inline Vector where(Vector condition, Vector a, Vector b) {
    return {_mm256_blendv_ps(b.value, a.value, _mm256_cmp_ps(condition.value, _mm256_setzero_ps(), _CMP_NEQ_UQ))};
}
inline Vector unless_number(Vector a, Vector b) {
    return {_mm256_blendv_ps(b.value, a.value, _mm256_cmp_ps(a.value, a.value, _CMP_UNORD_Q))};
}
inline float sum(Vector x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x.value), _mm256_extractf128_ps(x.value, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline float largest(Vector x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x.value), _mm256_extractf128_ps(x.value, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
inline Vector running_sums(Vector x) {
    float numbers[lanes];
    _mm256_storeu_ps(numbers, x.value);
    for (int lane = 1; lane < lanes; lane++) numbers[lane] += numbers[lane - 1];
    return {_mm256_loadu_ps(numbers)};
}
inline Vector sums_of_pairs(Vector a, Vector b) {
    const __m256 swapped = _mm256_hadd_ps(a.value, b.value); // by halves of the registers
    return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(swapped), _MM_SHUFFLE(3, 1, 2, 0)))};
}
inline int count_at_most(Vector x, float bound) {
    return __builtin_popcount(_mm256_movemask_ps(_mm256_cmp_ps(x.value, _mm256_set1_ps(bound), _CMP_LE_OQ)));
}

#endif

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
