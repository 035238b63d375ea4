// The simple recurrent layer (Elman 1990): h' = φ(a + U h), with φ = tanh or max(0, x).
#pragma once

#include "activations.hpp"
#include "recurrence.hpp"

namespace seqforge {

enum class Nonlinearity { tanh, relu };

template <Nonlinearity nonlinearity> struct RNN : StartsFromInputGates {
    static constexpr int gates = 1, saved_vectors = 0, other_parts = 0;
    static constexpr bool carries_hidden = false;

    template <class Element, int rows, int vectors>
    static void finish(const Forward<Element> &call, const Element *const (&)[rows], std::int64_t step, std::int64_t row,
                       std::int64_t first, const Tile<rows, vectors> &sums) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++) {
                Vector h = nonlinearity == Nonlinearity::tanh ? hyperbolic_tangent(sums[r][v]) : at_least(zero(), sums[r][v]);
                store(call.hidden + place(call.sizes, step + 1, row + r, first + v), h);
                if (step == call.sizes.steps - 1) store(call.carried + place(call.sizes, 0, row + r, first + v), h);
            }
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
