// A register of 4 floats, of NEON. The comments in vector_avx512.hpp describe the functions.
#pragma once

#include <arm_neon.h>

namespace seqforge {

constexpr int lanes = 4;
constexpr int tile_registers = 24; // of 32
constexpr float power_without_weight = -127.0f; // The exponent's bits are then 0.

struct Vector {
    float32x4_t value;
};

inline Vector zero() { return {vdupq_n_f32(0)}; }
inline Vector broadcast(float x) { return {vdupq_n_f32(x)}; }
inline Vector load(const float *from) { return {vld1q_f32(from)}; }
inline void store(float *to, Vector x) { vst1q_f32(to, x.value); }
inline Vector operator+(Vector a, Vector b) { return {vaddq_f32(a.value, b.value)}; }
inline Vector operator-(Vector a, Vector b) { return {vsubq_f32(a.value, b.value)}; }
inline Vector operator*(Vector a, Vector b) { return {vmulq_f32(a.value, b.value)}; }
inline Vector multiply_add(Vector a, Vector b, Vector c) { return {vfmaq_f32(c.value, a.value, b.value)}; }
inline Vector subtract_product(Vector a, Vector b, Vector c) { return {vfmsq_f32(c.value, a.value, b.value)}; }
// NaN if either is NaN.
inline Vector at_least(Vector bound, Vector x) { return {vmaxq_f32(bound.value, x.value)}; }
inline Vector at_most(Vector bound, Vector x) { return {vminq_f32(bound.value, x.value)}; }
inline Vector rounded(Vector x) { return {vrndnq_f32(x.value)}; }
inline Vector scaled_by_power(Vector x, Vector n) {
    int32x4_t exponent = vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n.value), vdupq_n_s32(127)), 23);
    return {vmulq_f32(x.value, vreinterpretq_f32_s32(exponent))};
}
inline Vector reciprocal(Vector x) { return {vdivq_f32(vdupq_n_f32(1.0f), x.value)}; }
inline Vector operator/(Vector a, Vector b) { return {vdivq_f32(a.value, b.value)}; }
inline Vector square_root(Vector x) { return {vsqrtq_f32(x.value)}; }
inline Vector select_bits(uint32x4_t condition, Vector a, Vector b) { return {vbslq_f32(condition, a.value, b.value)}; }
inline Vector is_greater(Vector a, Vector b) { return select_bits(vcgtq_f32(a.value, b.value), broadcast(1.0f), zero()); }
inline Vector is_at_least(Vector a, Vector b) { return select_bits(vcgeq_f32(a.value, b.value), broadcast(1.0f), zero()); }
inline Vector where(Vector condition, Vector a, Vector b) { return select_bits(vceqzq_f32(condition.value), b, a); }
inline Vector unless_number(Vector a, Vector b) { return select_bits(vceqq_f32(a.value, a.value), b, a); }
inline float sum(Vector x) { return vaddvq_f32(x.value); }
inline float largest(Vector x) { return vmaxvq_f32(x.value); }
inline Vector running_sums(Vector x) {
    x.value = vaddq_f32(x.value, vextq_f32(zero().value, x.value, 3));
    x.value = vaddq_f32(x.value, vextq_f32(zero().value, x.value, 2));
    return x;
}
inline Vector sums_of_pairs(Vector a, Vector b) { return {vpaddq_f32(a.value, b.value)}; }
inline Vector interleaved_low(Vector a, Vector b) { return {vzip1q_f32(a.value, b.value)}; }
inline Vector interleaved_high(Vector a, Vector b) { return {vzip2q_f32(a.value, b.value)}; }
inline int count_at_most(Vector x, float bound) {
    return static_cast<int>(vaddvq_u32(vshrq_n_u32(vcleq_f32(x.value, vdupq_n_f32(bound)), 31)));
}

} // namespace seqforge
