// A register of 8 floats, of AVX2. The comments in vector_avx512.hpp describe the functions.
#pragma once

#include <immintrin.h>

namespace seqforge {

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
inline Vector interleaved_low(Vector a, Vector b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.value, b.value), _mm256_unpackhi_ps(a.value, b.value), 0x20)};
}
inline Vector interleaved_high(Vector a, Vector b) {
    return {_mm256_permute2f128_ps(_mm256_unpacklo_ps(a.value, b.value), _mm256_unpackhi_ps(a.value, b.value), 0x31)};
}
inline int count_at_most(Vector x, float bound) {
    return __builtin_popcount(_mm256_movemask_ps(_mm256_cmp_ps(x.value, _mm256_set1_ps(bound), _CMP_LE_OQ)));
}

} // namespace seqforge
