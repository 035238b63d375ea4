// A register of 16 floats, of AVX-512.
#pragma once

#include <immintrin.h>

namespace seqforge {

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
// The first halves of two registers in turns, and the second halves.
inline Vector interleaved_low(Vector a, Vector b) {
    const __m512i places = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return {_mm512_permutex2var_ps(a.value, places, b.value)};
}
inline Vector interleaved_high(Vector a, Vector b) {
    const __m512i places = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return {_mm512_permutex2var_ps(a.value, places, b.value)};
}
// How many numbers are at most a bound.
inline int count_at_most(Vector x, float bound) {
    return __builtin_popcount(_mm512_cmp_ps_mask(_mm512_set1_ps(bound), x.value, _CMP_GE_OQ));
}

} // namespace seqforge
