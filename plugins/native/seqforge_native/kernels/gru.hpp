// The gated recurrent unit (Cho et al. 2014, first version): gates r, z, n; the reset gate acts after the product.
//
// With a = W x + b: r = σ(a_r + U_r h), z = σ(a_z + U_z h), m = U_n h + b', n = tanh(a_n + r m), h' = (1 - z) n + z h.
#pragma once

#include "activations.hpp"
#include "recurrence.hpp"

namespace seqforge {

struct GRU {
    static constexpr int gates = 3, other_parts = 0;
    static constexpr int saved_vectors = 4; // r, z, n, and the recurrent part m of the candidate, which r scales
    static constexpr bool carries_hidden = true;

    // The sums of the candidate start from the recurrent bias instead of its input side: the reset gate scales U h only.
    template <class Element>
    static void begin(const Forward<Element> &call, const Element *gates_in, std::int64_t unit, Vector *sums) {
        sums[0] = load(gates_in);
        sums[1] = load(gates_in + lanes);
        sums[2] = load(call.recurrent_bias + unit * lanes);
    }

    template <class Element>
    static void finish(const Forward<Element> &call, const Element *gates_in, std::int64_t step, std::int64_t row,
                       std::int64_t unit, const Vector *sums) {
        std::int64_t before = place(call.sizes, step, row, unit);
        Vector r = sigmoid(sums[0]), z = sigmoid(sums[1]), m = sums[2];
        Vector n = hyperbolic_tangent(multiply_add(r, m, load(gates_in + 2 * lanes)));
        float *carried = call.carried + place(call.sizes, 0, row, unit);
        Vector h = multiply_add(z, load(carried) - n, n);
        store(carried, h);
        store(call.hidden + place(call.sizes, step + 1, row, unit), h);
        if (call.activations) store_each(call.activations + before * saved_vectors, r, z, n, m);
    }

    template <class Element>
    static void backward(const Backward<Element> &call, std::int64_t step, std::int64_t row, std::int64_t unit, Vector dh) {
        std::int64_t before = place(call.sizes, step, row, unit);
        const auto [r, z, n, m] = load_each<saved_vectors>(call.activations + before * saved_vectors);
        Vector da = dh * (broadcast(1.0f) - z) * tangent_slope(n);
        Vector dr = da * m * sigmoid_slope(r), dz = dh * (load(call.hidden + before) - n) * sigmoid_slope(z);
        store_each(call.input_gradient + before * gates, dr, dz, da);
        store_each(call.recurrent_gradient + before * gates, dr, dz, da * r);
        store(call.hidden_gradient + place(call.sizes, 0, row, unit), dh * z);
    }
};

} // namespace seqforge
