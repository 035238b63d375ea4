// The simple recurrent layer (Elman 1990): h' = φ(a + U h), with φ = tanh or max(0, x).
#pragma once

#include "activations.hpp"
#include "recurrence.hpp"

namespace seqforge {

enum class Nonlinearity { tanh, relu };

template <Nonlinearity nonlinearity> struct RNN : StartsFromInputGates<1> {
    static constexpr int saved_vectors = 0, other_parts = 0;
    static constexpr bool carries_hidden = false;

    template <class Element>
    static void finish(const Forward<Element> &call, const Element *, std::int64_t step, std::int64_t row, std::int64_t unit,
                       const Vector *sums) {
        Vector h = nonlinearity == Nonlinearity::tanh ? hyperbolic_tangent(sums[0]) : at_least(zero(), sums[0]);
        store(call.hidden + place(call.sizes, step + 1, row, unit), h);
        if (step == call.sizes.steps - 1) store(call.carried + place(call.sizes, 0, row, unit), h);
    }

    // The derivative is a function of the output, so no activations are stored.
    template <class Element>
    static void backward(const Backward<Element> &call, std::int64_t step, std::int64_t row, std::int64_t unit, Vector dh) {
        Vector h = load(call.hidden + place(call.sizes, step + 1, row, unit));
        Vector slope = nonlinearity == Nonlinearity::tanh ? tangent_slope(h) : is_greater(h, zero());
        store(call.input_gradient + place(call.sizes, step, row, unit), dh * slope);
    }
};

} // namespace seqforge
