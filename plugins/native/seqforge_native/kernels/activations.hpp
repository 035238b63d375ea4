// The nonlinearities of gates, on registers.
#pragma once

#include <cmath>

#include "vector.hpp"

namespace seqforge {

// e^x, with x limited to ±60, which is enough for a sigmoid in float32: Cody and Waite's reduction to
// [-ln 2 / 2, ln 2 / 2] and the polynomial of Cephes (Moshier), with a relative error of about 2e-7.
inline Vector exponential(Vector x) {
    x = at_most(broadcast(60.0f), at_least(broadcast(-60.0f), x));
    Vector n = rounded(x * broadcast(1.44269504088896341f));
    Vector r = subtract_product(n, broadcast(0.693359375f), x);
    r = subtract_product(n, broadcast(-2.12194440e-4f), r);
    Vector p = broadcast(1.9875691500e-4f);
    p = multiply_add(p, r, broadcast(1.3981999507e-3f));
    p = multiply_add(p, r, broadcast(8.3334519073e-3f));
    p = multiply_add(p, r, broadcast(4.1665795894e-2f));
    p = multiply_add(p, r, broadcast(1.6666665459e-1f));
    p = multiply_add(p, r, broadcast(5.0000001201e-1f));
    p = multiply_add(p, r * r, r + broadcast(1.0f));
    return scaled_by_power(p, n);
}

// e^x for any x, as the square of e^(x/2), so that the result can reach infinity and zero.
inline Vector exponential_of_any(Vector x) {
    Vector root = exponential(x * broadcast(0.5f));
    return root * root;
}

// 2^r for r in [-1/2, 1/2], with a relative error of at most 9e-8: the minimax polynomial with a constant term of 1.
inline Vector power_of_2_near_0(Vector r) {
    Vector p = broadcast(1.3264727e-3f);
    p = multiply_add(p, r, broadcast(9.6715130e-3f));
    p = multiply_add(p, r, broadcast(5.5507336e-2f));
    p = multiply_add(p, r, broadcast(2.4022242e-1f));
    p = multiply_add(p, r, broadcast(6.9314700e-1f));
    return multiply_add(p, r, broadcast(1.0f));
}

// 2^t for t ≤ 0, which is 0 for t = -∞.
inline Vector power_of_2(Vector t) {
    t = at_least(broadcast(power_without_weight), t);
    Vector n = rounded(t);
    return scaled_by_power(power_of_2_near_0(t - n), n);
}

// 1 / (1 + 2^t), with t limited to ±126.
inline Vector logistic_of_base_2(Vector t) {
    t = at_most(broadcast(126.0f), at_least(broadcast(-126.0f), t));
    Vector n = rounded(t);
    return reciprocal(broadcast(1.0f) + scaled_by_power(power_of_2_near_0(t - n), n));
}

// The rounding of x log₂ e changes σ by less than 1e-7, because σ is flat where x is large.
inline Vector sigmoid(Vector x) { return logistic_of_base_2(x * broadcast(-1.44269504088896341f)); }

// tanh x = 2 σ(2x) - 1, whose absolute error is about 1e-7.
inline Vector hyperbolic_tangent(Vector x) {
    Vector s = logistic_of_base_2(x * broadcast(-2.88539008177792682f));
    return s + s - broadcast(1.0f);
}

// Derivatives as functions of the value: σ' = s (1 - s), tanh' = 1 - t².
inline Vector sigmoid_slope(Vector s) { return subtract_product(s, s, s); }
inline Vector tangent_slope(Vector t) { return subtract_product(t, t, broadcast(1.0f)); }

// ln x for normal x > 0: x = 2^n m with m in [√½, √2), and the polynomial of Cephes (Moshier) for ln m, with a relative
// error of about 1e-7. Zero and denormal numbers become -∞, negative numbers and NaN become NaN, and ∞ stays ∞.
inline Vector logarithm(Vector x) {
    alignas(64) std::uint32_t bits[lanes];
    alignas(64) float mantissa[lanes], exponent[lanes];
    std::memcpy(bits, &x, sizeof bits);
    for (int lane = 0; lane < lanes; lane++) {
        std::uint32_t shifted = bits[lane] - 0x3f3504f3; // the bits of √½
        exponent[lane] = static_cast<float>(static_cast<std::int32_t>(shifted) >> 23);
        std::uint32_t own = (shifted & 0x7fffff) + 0x3f3504f3;
        std::memcpy(mantissa + lane, &own, sizeof own);
    }
    Vector n = load(exponent), m = load(mantissa) - broadcast(1.0f), square = m * m;
    Vector p = broadcast(7.0376836292e-2f);
    p = multiply_add(p, m, broadcast(-1.1514610310e-1f));
    p = multiply_add(p, m, broadcast(1.1676998740e-1f));
    p = multiply_add(p, m, broadcast(-1.2420140846e-1f));
    p = multiply_add(p, m, broadcast(1.4249322787e-1f));
    p = multiply_add(p, m, broadcast(-1.6668057665e-1f));
    p = multiply_add(p, m, broadcast(2.0000714765e-1f));
    p = multiply_add(p, m, broadcast(-2.4999993993e-1f));
    p = multiply_add(p, m, broadcast(3.3333331174e-1f));
    Vector tail = multiply_add(p * m, square, n * broadcast(-2.12194440e-4f));
    Vector found = multiply_add(n, broadcast(0.693359375f), m + subtract_product(broadcast(0.5f), square, tail));
    found = where(is_greater(x, broadcast(3.402823466e38f)), x, found);
    found = where(is_greater(broadcast(1.17549435e-38f), x), broadcast(-INFINITY), found);
    return where(is_at_least(x, zero()), found, broadcast(NAN));
}

// ln(1 + x), accurate for small x: the rounding error of 1 + x = u is corrected by the factor x / (u - 1).
inline Vector logarithm_of_one_plus(Vector x) {
    Vector u = broadcast(1.0f) + x, rest = u - broadcast(1.0f);
    Vector found = logarithm(u);
    Vector corrected = where(is_greater(u, broadcast(1e30f)), found, found * (x / rest));
    return where(rest, corrected, x);
}

// erf x, with an absolute error of about 2e-7: formula 7.1.26 of Abramowitz and Stegun. NaN stays NaN.
inline Vector error_function(Vector x) {
    const Vector size = at_least(zero() - x, x);
    const Vector t = broadcast(1.0f) / multiply_add(broadcast(0.3275911f), size, broadcast(1.0f));
    Vector p = broadcast(1.061405429f);
    p = multiply_add(p, t, broadcast(-1.453152027f));
    p = multiply_add(p, t, broadcast(1.421413741f));
    p = multiply_add(p, t, broadcast(-0.284496736f));
    p = multiply_add(p, t, broadcast(0.254829592f)) * t;
    const Vector found = broadcast(1.0f) - p * exponential_of_any(zero() - x * x);
    return where(is_greater(zero(), x), zero() - found, found);
}

} // namespace seqforge
