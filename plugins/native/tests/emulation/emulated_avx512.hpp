// The intrinsics of AVX-512 that the kernels use, in C++, for processors without them. The compiler reads this first.
//
// The kernels are in the same namespace, and a name there hides the global name of <immintrin.h>.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <immintrin.h>

#define __AVX512F__ 1
#define __AVX512VNNI__ 1
#define __AVX512BF16__ 1

// A function that stands for an instruction. The compiler would take half as long again to put it in place of each call.
#define INTRINSIC [[gnu::noinline]] inline

namespace seqforge {

// The numbers of a register of 64 bytes.
template <class Number> struct Numbers {
    static constexpr int count = 64 / sizeof(Number);
    Number at[count];
    Numbers() = default;
    template <class Register> explicit Numbers(Register from) { std::memcpy(at, &from, sizeof at); }
    template <class Register> Register as() const {
        Register to;
        std::memcpy(&to, at, sizeof to);
        return to;
    }
    operator __m512() const { return as<__m512>(); }
    operator __m512i() const { return as<__m512i>(); }
};

using Floats = Numbers<float>;
using Integers = Numbers<std::int32_t>;
using Words = Numbers<std::uint32_t>;

template <class Result, class Compute> inline Numbers<Result> each(Compute compute) {
    Numbers<Result> results;
    for (int index = 0; index < results.count; index++) results.at[index] = compute(index);
    return results;
}
template <class To, class From> inline To same_bits(From from) {
    To to;
    static_assert(sizeof to == sizeof from);
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Memory
template <class Register> inline Register load_bytes(const void *from) {
    Register to;
    std::memcpy(&to, from, sizeof to);
    return to;
}
INTRINSIC __m512 _mm512_loadu_ps(const float *from) { return load_bytes<__m512>(from); }
INTRINSIC __m512i _mm512_loadu_si512(const void *from) { return load_bytes<__m512i>(from); }
INTRINSIC void _mm512_storeu_ps(float *to, __m512 x) { std::memcpy(to, &x, sizeof x); }
INTRINSIC void _mm512_storeu_si512(void *to, __m512i x) { std::memcpy(to, &x, sizeof x); }

// float32
INTRINSIC __m512 _mm512_set1_ps(float x) { return each<float>([=](int) { return x; }); }
INTRINSIC __m512 _mm512_setzero_ps() { return _mm512_set1_ps(0); }
INTRINSIC __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
INTRINSIC __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
INTRINSIC __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
INTRINSIC __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
INTRINSIC __m512 _mm512_sqrt_ps(__m512 a) {
    Floats x(a);
    return each<float>([&](int index) { return std::sqrt(x.at[index]); });
}
INTRINSIC __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
    Floats x(a), y(b), z(c);
    return each<float>([&](int index) { return std::fma(x.at[index], y.at[index], z.at[index]); });
}
INTRINSIC __m512 _mm512_fnmadd_ps(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(-a, b, c); }
// The second operand if either is NaN.
INTRINSIC __m512 _mm512_max_ps(__m512 a, __m512 b) {
    Floats x(a), y(b);
    return each<float>([&](int index) { return x.at[index] > y.at[index] ? x.at[index] : y.at[index]; });
}
INTRINSIC __m512 _mm512_min_ps(__m512 a, __m512 b) {
    Floats x(a), y(b);
    return each<float>([&](int index) { return x.at[index] < y.at[index] ? x.at[index] : y.at[index]; });
}
INTRINSIC __m512 _mm512_roundscale_ps(__m512 a, int) {
    Floats x(a);
    return each<float>([&](int index) { return std::nearbyint(x.at[index]); });
}
INTRINSIC __m512 _mm512_scalef_ps(__m512 a, __m512 b) {
    Floats x(a), n(b);
    return each<float>([&](int index) { return x.at[index] * std::exp2(std::floor(n.at[index])); });
}
// Halves are added to each other until one number is left.
template <class Number, class Combine> inline Number reduced(Numbers<Number> x, Combine combine) {
    for (int half = 8; half; half /= 2)
        for (int index = 0; index < half; index++) x.at[index] = combine(x.at[index], x.at[index + half]);
    return x.at[0];
}
INTRINSIC float _mm512_reduce_add_ps(__m512 a) { return reduced(Floats(a), [](float x, float y) { return x + y; }); }
INTRINSIC float _mm512_reduce_max_ps(__m512 a) {
    return reduced(Floats(a), [](float x, float y) { return x > y ? x : y; });
}

// Masks
INTRINSIC __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int relation) {
    Floats x(a), y(b);
    __mmask16 mask = 0;
    for (int index = 0; index < 16; index++) {
        const float left = x.at[index], right = y.at[index];
        const bool holds = relation == _CMP_GT_OQ     ? left > right
                           : relation == _CMP_GE_OQ   ? left >= right
                           : relation == _CMP_UNORD_Q ? std::isunordered(left, right)
                                                      : !(left == right); // _CMP_NEQ_UQ
        mask |= static_cast<__mmask16>(holds << index);
    }
    return mask;
}
INTRINSIC __m512 _mm512_mask_blend_ps(__mmask16 mask, __m512 a, __m512 b) {
    Floats x(a), y(b);
    return each<float>([&](int index) { return mask >> index & 1 ? y.at[index] : x.at[index]; });
}
INTRINSIC __m512 _mm512_maskz_mov_ps(__mmask16 mask, __m512 a) {
    return _mm512_mask_blend_ps(mask, _mm512_setzero_ps(), a);
}

// Integers
INTRINSIC __m512i _mm512_set1_epi32(int x) { return each<std::int32_t>([=](int) { return x; }); }
INTRINSIC __m512i _mm512_setzero_si512() { return _mm512_set1_epi32(0); }
INTRINSIC __m512i _mm512_add_epi32(__m512i a, __m512i b) {
    Words x(a), y(b);
    return each<std::uint32_t>([&](int index) { return x.at[index] + y.at[index]; });
}
INTRINSIC __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
INTRINSIC __m512i _mm512_or_si512(__m512i a, __m512i b) { return a | b; }
INTRINSIC __m512i _mm512_slli_epi32(__m512i a, unsigned count) {
    Words x(a);
    return each<std::uint32_t>([&](int index) { return x.at[index] << count; });
}
INTRINSIC __m512i _mm512_max_epu32(__m512i a, __m512i b) {
    Words x(a), y(b);
    return each<std::uint32_t>([&](int index) { return std::max(x.at[index], y.at[index]); });
}
INTRINSIC std::uint32_t _mm512_reduce_max_epu32(__m512i a) {
    return reduced(Words(a), [](std::uint32_t x, std::uint32_t y) { return std::max(x, y); });
}
// The numbers from the last place to the first. `_mm512_setr_epi32` is a macro that reverses its arguments.
template <class... Number> INTRINSIC __m512i _mm512_set_epi32(Number... from_last) {
    const std::int32_t numbers[] = {from_last...};
    return each<std::int32_t>([&](int index) { return numbers[15 - index]; });
}
// The numbers of b, followed by those of a, from a place on.
INTRINSIC __m512i _mm512_alignr_epi32(__m512i a, __m512i b, int first) {
    Integers x(a), y(b);
    return each<std::int32_t>([&](int index) {
        const int place = index + first;
        return place < 16 ? y.at[place] : x.at[place - 16];
    });
}

// Numbers of a or, for places from 16 on, of b.
INTRINSIC __m512 _mm512_permutex2var_ps(__m512 a, __m512i places, __m512 b) {
    Floats x(a), y(b);
    Integers from(places);
    return each<float>([&](int index) {
        const int place = from.at[index] & 31;
        return place < 16 ? x.at[place] : y.at[place - 16];
    });
}

// Conversions
INTRINSIC __m512 _mm512_castsi512_ps(__m512i a) { return same_bits<__m512>(a); }
INTRINSIC __m512i _mm512_castps_si512(__m512 a) { return same_bits<__m512i>(a); }
INTRINSIC __m512i _mm512_cvtepu16_epi32(__m256i a) {
    std::uint16_t numbers[16];
    std::memcpy(numbers, &a, sizeof numbers);
    return each<std::int32_t>([&](int index) { return numbers[index]; });
}
INTRINSIC __m512 _mm512_cvtepi32_ps(__m512i a) {
    Integers x(a);
    return each<float>([&](int index) { return static_cast<float>(x.at[index]); });
}
// Rounds to the nearest; what does not fit, and NaN, is the least integer.
INTRINSIC __m512i _mm512_cvtps_epi32(__m512 a) {
    Floats x(a);
    return each<std::int32_t>([&](int index) { return _mm_cvtss_si32(_mm_set_ss(x.at[index])); });
}
INTRINSIC __m128i _mm512_cvtepi32_epi8(__m512i a) {
    Integers x(a);
    std::uint8_t bytes[16];
    for (int index = 0; index < 16; index++) bytes[index] = static_cast<std::uint8_t>(x.at[index]);
    return load_bytes<__m128i>(bytes);
}
// Rounds to the nearest, ties to even; a denormal number is zero.
INTRINSIC __m256i _mm512_cvtneps_pbh(__m512 a) {
    Words x(a);
    std::uint16_t halves[16];
    for (int index = 0; index < 16; index++) {
        const std::uint32_t bits = x.at[index], size = bits & 0x7fffffff;
        if (size < 0x00800000) halves[index] = static_cast<std::uint16_t>((bits & 0x80000000) >> 16);
        else if (size > 0x7f800000) halves[index] = static_cast<std::uint16_t>(bits >> 16 | 0x40);
        else halves[index] = static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    return load_bytes<__m256i>(halves);
}

// Products
// Intel's manual, VDPBF16PS: first the product of the odd numbers is added, then that of the even ones, each with one
// rounding.
INTRINSIC __m512 _mm512_dpbf16_ps(__m512 sums, __m512bh a, __m512bh b) {
    Floats totals(sums);
    Words x(a), y(b);
    return each<float>([&](int index) {
        const auto upper = [](std::uint32_t pair) { return same_bits<float>(pair & 0xffff0000); };
        const auto lower = [](std::uint32_t pair) { return same_bits<float>(pair << 16); };
        const float odd = std::fma(upper(x.at[index]), upper(y.at[index]), totals.at[index]);
        return std::fma(lower(x.at[index]), lower(y.at[index]), odd);
    });
}
INTRINSIC __m512i _mm512_dpbusd_epi32(__m512i sums, __m512i a, __m512i b) {
    Integers totals(sums);
    Numbers<std::uint8_t> x(a);
    Numbers<std::int8_t> y(b);
    return each<std::int32_t>([&](int index) {
        int total = totals.at[index];
        for (int byte = 4 * index; byte < 4 * index + 4; byte++) total += x.at[byte] * y.at[byte];
        return total;
    });
}

} // namespace seqforge
