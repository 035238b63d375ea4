// The recurrence of a traced cell; the source that `seqforge_native.traced.program` generates includes this.
#pragma once

#include "activations.hpp"
#include "cell_weights.hpp"
#include "recurrence.hpp"
#include "rows.hpp"

namespace seqforge {

// Offsets of a register of hidden units: `before` and `after` a step in tensors with a time axis, `once` in tensors
// without one.
struct Place {
    std::int64_t before, after, once, unit, step;
    Place(const Sizes &sizes, std::int64_t step, std::int64_t row, std::int64_t unit)
        : before(place(sizes, step, row, unit)), after(place(sizes, step + 1, row, unit)), once(place(sizes, 0, row, unit)),
          unit(unit), step(step) {}
};

// Returns the offset of another part of the state, if each part has `each` rows.
inline std::int64_t part(const Sizes &sizes, std::int64_t index, std::int64_t each) {
    return place(sizes, 0, index * each, 0);
}

// Sets the units that pad the last register to a number.
template <class Call> inline Vector filled(const Call &call, const Place &at, Vector x, Vector padding = zero()) {
    return at.unit + 1 < call.sizes.units ? x : where(load(call.filled), x, padding);
}

template <class Program, class Element>
inline void keep_hidden(const Forward<Element> &call, const Place &at, Vector hidden) {
    hidden = filled(call, at, hidden);
    store(call.hidden + at.after, hidden);
    if (Program::reads_hidden || at.step == call.sizes.steps - 1) store(call.carried + at.once, hidden);
}

// Adapts a traced step to the interface of a cell in `run_forward` and `run_backward`.
template <class Program> struct Traced : Program {
    template <class Element, int rows, int vectors>
    static void begin(const Forward<Element> &, const Element *const (&gates_in)[rows], std::int64_t,
                      Tile<rows, vectors> &sums) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                sums[r][v] = Program::starts_from_input[v % Program::gates] ? load(gates_in[r] + v * lanes) : zero();
    }

    template <class Element, int rows, int vectors>
    static void finish(const Forward<Element> &call, const Element *const (&gates_in)[rows], std::int64_t step,
                       std::int64_t row, std::int64_t first, const Tile<rows, vectors> &sums) {
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v += Program::gates)
                Program::forward(call, Place(call.sizes, step, row + r, (first + v) / Program::gates), sums[r] + v,
                                 gates_in[r] + v * lanes);
    }

    template <class Element>
    static void backward(const Backward<Element> &call, std::int64_t step, std::int64_t row, std::int64_t unit,
                         Vector hidden_gradient) {
        Program::backward_at(call, Place(call.sizes, step, row, unit), hidden_gradient);
    }
};

template <class Program> constexpr bool outputs_hidden<Traced<Program>> = Program::outputs_hidden;

// A step without a product. Each row is read from the first step to the last, so that its state stays in the cache.
template <class Element, class Program> void run_elementwise_forward(const Forward<Element> &call) {
    const Sizes &sizes = call.sizes;
    on_own_rows(sizes.rows, sizes.threads, [&](std::int64_t first_row, std::int64_t last_row) {
        for (std::int64_t row = first_row; row < last_row; row++)
            for (std::int64_t step = 0; step < sizes.steps; step++) {
                std::int64_t index = step * sizes.rows + row;
                if (call.symbols) index = call.symbols[index];
                const Element *gates = call.input_gates + index * sizes.units * Program::gates * lanes;
                for (std::int64_t unit = 0; unit < sizes.units; unit++, gates += Program::gates * lanes)
                    Program::forward(call, Place(sizes, step, row, unit), nullptr, gates);
            }
    });
}

template <class Element, class Program> void run_elementwise_backward(const Backward<Element> &call) {
    const Sizes &sizes = call.sizes;
    on_own_rows(sizes.rows, sizes.threads, [&](std::int64_t first_row, std::int64_t last_row) {
        for (std::int64_t row = first_row; row < last_row; row++) {
            for (std::int64_t step = sizes.steps - 1; step >= 0; step--)
                for (std::int64_t unit = 0; unit < sizes.units; unit++) {
                    Place at(sizes, step, row, unit);
                    bool given = step == sizes.steps - 1 || Program::carries_hidden;
                    Vector gradient = given ? load(call.hidden_gradient + at.once) : zero();
                    if (Program::outputs_hidden) gradient = gradient + load(call.output_gradient + at.before);
                    Program::backward_at(call, at, gradient);
                }
            if (!Program::carries_hidden)
                for (std::int64_t unit = 0; unit < sizes.units; unit++)
                    store(call.hidden_gradient + place(sizes, 0, row, unit), zero());
        }
    });
}

} // namespace seqforge

// C functions with the names of those in library.cpp; they ignore the index of the cell.
#define TRACED_FUNCTIONS(Program, Element, suffix)                                                                      \
    void seqforge_pack_##suffix(std::int64_t, const float *weight, std::int64_t hidden, std::int64_t inputs,            \
                                std::int64_t threads, Element *for_forward, Element *for_backward) {                    \
        seqforge::pack_for<Program>(weight, hidden, inputs, threads, for_forward, for_backward);                        \
    }                                                                                                                   \
    void seqforge_forward_##suffix(std::int64_t, const seqforge::Forward<Element> *call) {                              \
        seqforge::run_forward<Element, seqforge::Traced<Program>>(*call);                                               \
    }                                                                                                                   \
    void seqforge_backward_##suffix(std::int64_t, const seqforge::Backward<Element> *call) {                            \
        seqforge::run_backward<Element, seqforge::Traced<Program>>(*call);                                              \
    }                                                                                                                   \
    SUM_ROWS_FUNCTION(Element, suffix)

// The same for a program without a product: there are no weights to pack.
#define ELEMENTWISE_FUNCTIONS(Program, Element, suffix)                                                                 \
    void seqforge_forward_##suffix(std::int64_t, const seqforge::Forward<Element> *call) {                              \
        seqforge::run_elementwise_forward<Element, Program>(*call);                                                     \
    }                                                                                                                   \
    void seqforge_backward_##suffix(std::int64_t, const seqforge::Backward<Element> *call) {                            \
        seqforge::run_elementwise_backward<Element, Program>(*call);                                                    \
    }                                                                                                                   \
    SUM_ROWS_FUNCTION(Element, suffix)
