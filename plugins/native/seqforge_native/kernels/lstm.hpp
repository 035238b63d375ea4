// Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000): gates i, f, g, o.
//
// With s = W x + b + U h: i = σ(s_i), f = σ(s_f), g = tanh s_g, o = σ(s_o), c' = f c + i g, h' = o tanh c'.
#pragma once

#include "activations.hpp"
#include "recurrence.hpp"

namespace seqforge {

struct LSTM : StartsFromInputGates<4> {
    static constexpr int saved_vectors = 4, other_parts = 1;
    static constexpr bool carries_hidden = false;

    template <class Element>
    static void finish(const Forward<Element> &call, const Element *, std::int64_t step, std::int64_t row, std::int64_t unit,
                       const Vector *sums) {
        std::int64_t before = place(call.sizes, step, row, unit), after = place(call.sizes, step + 1, row, unit);
        Vector i = sigmoid(sums[0]), f = sigmoid(sums[1]), g = hyperbolic_tangent(sums[2]), o = sigmoid(sums[3]);
        Vector c = multiply_add(f, load(call.others + before), i * g);
        Vector h = o * hyperbolic_tangent(c);
        store(call.others + after, c);
        store(call.hidden + after, h);
        if (step == call.sizes.steps - 1) store(call.carried + place(call.sizes, 0, row, unit), h);
        if (call.activations) store_each(call.activations + before * gates, i, f, g, o);
    }

    template <class Element>
    static void backward(const Backward<Element> &call, std::int64_t step, std::int64_t row, std::int64_t unit, Vector dh) {
        std::int64_t before = place(call.sizes, step, row, unit), after = place(call.sizes, step + 1, row, unit);
        const auto [i, f, g, o] = load_each<gates>(call.activations + before * gates);
        Vector t = hyperbolic_tangent(load(call.others + after));
        float *carried = call.other_gradients + place(call.sizes, 0, row, unit);
        Vector dc = multiply_add(dh * o, tangent_slope(t), load(carried));
        Vector di = dc * g * sigmoid_slope(i), df = dc * load(call.others + before) * sigmoid_slope(f);
        Vector dg = dc * i * tangent_slope(g), d_o = dh * t * sigmoid_slope(o);
        store_each(call.input_gradient + before * gates, di, df, dg, d_o);
        store(carried, dc * f);
    }
};

} // namespace seqforge
