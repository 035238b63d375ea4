// The recurrence over a whole sequence, forward and backward, for RNN, GRU and LSTM.
//
// The rows of a batch are independent, so each thread computes its own rows from the first step to the last without
// synchronization. Hidden units are padded to whole registers; a padded unit is and stays zero. Gates are interleaved:
// for each register of units, there is one register per gate. A tile of the product thus contains all gates of its
// units, and the elementwise part is computed while they are in registers.
//
// A cell is a class with these members:
//   gates           number of gates of a unit
//   saved_vectors   registers of a unit that the forward pass stores at each step for the backward pass
//   other_parts     number of parts of the state in addition to the hidden state
//   carries_hidden  whether the hidden state before a step is also read outside of the product; `backward` then stores
//                   the gradient of this in `hidden_gradient`
//   begin           sets the sums of a unit, one for each gate, to what is added to the product
//   finish          computes the state after a step from the sums
//   backward        computes the gradients of the gates from the gradient of the hidden state after a step
#pragma once

#include "product.hpp"
#include "threads.hpp"

namespace seqforge {

struct Sizes {
    std::int64_t steps, rows, units, threads; // units: registers of hidden units
};

template <class Element> struct Forward {
    Sizes sizes;
    const Element *input_gates;  // [steps, rows, gates], or with symbols a table [symbols, gates]
    const std::int64_t *symbols; // [steps, rows], or null
    const Element *weight;       // packed by pack_forward
    const float *recurrent_bias; // [hidden]: what a GRU adds to the product of the candidate; null for other cells
    Element *hidden;             // [steps + 1, rows, hidden]; the first step is an input
    float *carried;              // [rows, hidden]: the hidden state in float32, updated in place
    float *others;               // other parts of the state, each [steps + 1, rows, hidden]; the first step is an input
    Element *activations;        // [steps, rows, units, saved, lanes], or null if no gradient is needed
};

template <class Element> struct Backward {
    Sizes sizes;
    const Element *output_gradient; // [steps, rows, hidden]
    const Element *weight;          // packed by pack_backward
    const Element *hidden;          // from the forward pass
    const float *others;            // from the forward pass
    const Element *activations;
    Element *input_gradient;        // [steps, rows, gates]
    Element *recurrent_gradient;    // [steps, rows, gates]; the same memory if a cell only adds both sides
    float *hidden_gradient;         // [rows, hidden]: input for the last state; output for the first state, if `first_wanted`
    float *other_gradients;         // each [rows, hidden]: input for the last state; output for the first state
    std::int64_t first_wanted;      // whether the gradient of the first hidden state is needed
};

// Returns the offset of a register of hidden units in [steps, rows, hidden].
inline std::int64_t place(const Sizes &sizes, std::int64_t step, std::int64_t row, std::int64_t unit) {
    return ((step * sizes.rows + row) * sizes.units + unit) * lanes;
}

// Base of cells that only add both sides of the gates: the sums start from W x + b.
template <int count> struct StartsFromInputGates {
    static constexpr int gates = count;

    template <class Element>
    static void begin(const Forward<Element> &, const Element *gates_in, std::int64_t, Vector *sums) {
        for (int gate = 0; gate < gates; gate++) sums[gate] = load(gates_in + gate * lanes);
    }
};

// Prefetches the next block of a row of gates. This helps for a sequence, whose rows are read once, but not for a table,
// which is in the cache.
template <int vectors, class Element> inline void prefetch_next_block(const Element *gates) {
    constexpr int together = 64 / sizeof(Element) / lanes;
    for (int v = 0; v < vectors; v += together) __builtin_prefetch(gates + (vectors + v) * lanes);
}

// Inlines all that a function calls, except for the products: the compiler inlines less the more the library contains.
#define FLATTENED __attribute__((flatten))

template <class Element, class Cell, class Call> void run_forward(const Call &call) {
    const Sizes &sizes = call.sizes;
    const std::int64_t width = sizes.units * Cell::gates, depth = sizes.units * lanes;
    on_own_rows(sizes.rows, sizes.threads, [&](std::int64_t first_row, std::int64_t last_row) FLATTENED {
        Inputs<Element> inputs;
        for (std::int64_t step = 0; step < sizes.steps; step++) {
            inputs.read(call.hidden + place(sizes, step, 0, 0), sizes.rows, depth);
            for_column_blocks<Cell::gates>(width, [&]<int vectors>(std::int64_t first) {
                inputs.template prepare<vectors>(call.weight, first, first_row, last_row);
                constexpr int most = rows_at_once<vectors>;
                for_row_groups(most, first_row, last_row, [&](std::int64_t row, int rows) {
                    const Element *gates[most];
                    Sums<vectors> sums[most];
                    for (int r = 0; r < rows; r++) {
                        std::int64_t index = step * sizes.rows + row + r;
                        gates[r] = call.input_gates + ((call.symbols ? call.symbols[index] : index) * width + first) * lanes;
                        for (int v = 0; v < vectors; v += Cell::gates)
                            Cell::begin(call, gates[r] + v * lanes, (first + v) / Cell::gates, sums[r] + v);
                        if (!call.symbols) prefetch_next_block<vectors>(gates[r]);
                    }
                    inputs.template multiply<vectors>(sums, row, rows, call.weight, first);
                    for (int r = 0; r < rows; r++)
                        for (int v = 0; v < vectors; v += Cell::gates)
                            Cell::finish(call, gates[r] + v * lanes, step, row + r, (first + v) / Cell::gates, sums[r] + v);
                });
            });
        }
    });
}

// Prefetches some registers into the L2 cache.
template <int registers, class Element> inline void prefetch(const Element *from) {
    constexpr int line = 64 / sizeof(Element);
    for (int at = 0; at < registers * lanes; at += line) __builtin_prefetch(from + at, 0, 2);
}

// Prefetches what the backward pass reads and writes at a step. The sequence is too large for the L2 cache, and the
// processor does not prefetch it, because its steps are read in descending and its rows in ascending order.
template <class Cell, class Call>
inline void prefetch_step(const Call &call, std::int64_t step, std::int64_t row, std::int64_t unit) {
    const std::int64_t at = place(call.sizes, step, row, unit);
    prefetch<1>(call.output_gradient + at);
    prefetch<Cell::saved_vectors>(call.activations + at * Cell::saved_vectors);
    prefetch<Cell::gates>(call.input_gradient + at * Cell::gates);
    for (int part = 0; part < Cell::other_parts; part++)
        prefetch<1>(call.others + place(call.sizes, part * (call.sizes.steps + 1) + step, row, unit));
}

template <class Element, class Cell, class Call> void run_backward(const Call &call) {
    const Sizes &sizes = call.sizes;
    const std::int64_t width = sizes.units * Cell::gates, depth = width * lanes, last = sizes.steps - 1;
    on_own_rows(sizes.rows, sizes.threads, [&](std::int64_t first_row, std::int64_t last_row) FLATTENED {
        Inputs<Element> inputs;
        for (std::int64_t step = last; step >= (call.first_wanted ? -1 : 0); step--) {
            if (step < last) inputs.read(call.recurrent_gradient + (step + 1) * sizes.rows * depth, sizes.rows, depth);
            for_column_blocks<1>(sizes.units, [&]<int vectors>(std::int64_t first) {
                if (step < last) inputs.template prepare<vectors>(call.weight, first, first_row, last_row);
                constexpr int most = rows_at_once<vectors>;
                for_row_groups(most, first_row, last_row, [&](std::int64_t row, int rows) {
                    Sums<vectors> sums[most];
                    for (int r = 0; r < rows; r++)
                        for (int v = 0; v < vectors; v++) {
                            float *carried = call.hidden_gradient + place(sizes, 0, row + r, first + v);
                            sums[r][v] = step == last || Cell::carries_hidden ? load(carried) : zero();
                            if (step >= 0)
                                sums[r][v] = sums[r][v] + load(call.output_gradient + place(sizes, step, row + r, first + v));
                        }
                    if (step < last) inputs.template multiply<vectors>(sums, row, rows, call.weight, first);
                    for (int r = 0; r < rows; r++)
                        for (int v = 0; v < vectors; v++) {
                            if (step > 0) prefetch_step<Cell>(call, step - 1, row + r, first + v);
                            if (step >= 0) Cell::backward(call, step, row + r, first + v, sums[r][v]);
                            else store(call.hidden_gradient + place(sizes, 0, row + r, first + v), sums[r][v]);
                        }
                });
            });
        }
    });
}

} // namespace seqforge
