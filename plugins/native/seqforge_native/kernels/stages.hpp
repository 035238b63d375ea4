// The recurrence of a traced cell whose hidden units exchange numbers within a step: by further products, or by
// reductions such as a norm. The source that `seqforge_native.traced.stages` generates includes this.
//
// A step is a sequence of stages. Each computes the elementwise part up to the next exchange for all rows of a thread.
#pragma once

#include <memory>
#include <vector>

#include "traced.hpp"

namespace seqforge {

// The fields of one direction; those of the other direction are null.
template <class Element> struct Stages {
    Sizes sizes;
    const Element *input_gates;  // [steps, rows, gates], or with symbols a table [symbols, gates]
    const std::int64_t *symbols; // [steps, rows], or null
    const Element *weights;      // packed weights of all products of this direction
    const float *parameters;     // [registers of parameters, hidden]
    float *states;               // [parts of the state, steps + 1, rows, hidden]; the first step is an input
    Element *activations;        // [steps, rows, units, saved, lanes], or null if no gradient is needed
    float *totals;               // [steps, rows, reductions of the forward pass]
    Element *operands;           // inputs of the products of this direction, each [steps, rows, inputs]
    Element *outputs;            // [steps, rows, hidden]
    const Element *output_gradient;
    Element *input_gradient;     // [steps, rows, gates]
    float *state_gradients;      // [parts of the state, rows, hidden]: input for the last state, output for the first
    float *parameter_gradients;  // [threads, registers of parameters, hidden]
    const float *filled;         // [lanes]: 1 for each unit of the last register, 0 for padding
    std::int64_t parameter_count;
};

// Returns the place of a number of an input of a product: of `index` among the `count` numbers of a hidden unit.
// `before` is the number of numbers of a hidden unit in the inputs before this one.
template <class Element>
inline Element *operand(const Stages<Element> &call, const Place &at, int before, int count, int index) {
    return call.operands + part(call.sizes, before, call.sizes.steps * call.sizes.rows) + at.before * count + index * lanes;
}

enum class Reduction { sum, largest };

// What a stage reads and writes in addition to the tensors of a call.
template <class Element> struct StageMemory {
    const Element *gates;        // gates of this register of units
    const float *forward_totals; // reductions of the forward pass, for this row
    float *slots;                // registers for later stages: results of products and of earlier stages
    const float *totals;         // reductions of earlier stages, for this row
    Vector *partial;             // reductions of this stage
};

// The rows of one thread. `Direction` has the number of slots and of reductions, and whether it is the forward pass.
template <class Element, class Direction> class OwnRows {
  public:
    OwnRows(const Stages<Element> &call, std::int64_t first_row, std::int64_t last_row)
        : call_(call), first_row_(first_row), last_row_(last_row),
          slots_(std::make_unique_for_overwrite<float[]>((last_row - first_row) * call.sizes.units * Direction::slots * lanes)),
          totals_(Direction::is_forward ? 0 : (last_row - first_row) * Direction::totals) {}

    void start(std::int64_t step) { step_ = step; }

    // Calls `stage` for each register of hidden units of each row. Its reductions are stored from `first` on.
    template <Reduction... reductions, class Stage> void compute(int first, Stage stage) {
        constexpr int count = sizeof...(reductions);
        constexpr Reduction kinds[count + 1] = {reductions...};
        const Sizes &sizes = call_.sizes;
        for (std::int64_t row = first_row_; row < last_row_; row++) {
            const std::int64_t index = step_ * sizes.rows + row;
            const float *forward_totals = call_.totals + index * Direction::forward_totals;
            float *totals = Direction::is_forward ? call_.totals + index * Direction::forward_totals
                                                  : totals_.data() + (row - first_row_) * Direction::totals;
            Vector partial[count + 1];
            for (int k = 0; k < count; k++) partial[k] = kinds[k] == Reduction::sum ? zero() : broadcast(-INFINITY);
            const std::int64_t source = call_.symbols ? call_.symbols[index] : index;
            for (std::int64_t unit = 0; unit < sizes.units; unit++) {
                const Element *gates = call_.input_gates + (source * sizes.units + unit) * Direction::gates * lanes;
                stage(Place(sizes, step_, row, unit),
                      StageMemory<Element>{gates, forward_totals, slots(row, unit), totals, partial});
            }
            for (int k = 0; k < count; k++)
                totals[first + k] = kinds[k] == Reduction::sum ? sum(partial[k]) : largest_number(partial[k]);
        }
    }

    // Multiplies one number of each unit by `count` transposed blocks of a weight (`spreads`), or `count` numbers by
    // as many blocks. `before` as in `operand`, `blocks` is the number of blocks packed before these, and the results
    // are stored in the slots from `slot` on.
    template <int count, bool spreads> void multiply(int before, int blocks, int slot) {
        constexpr int results = spreads ? count : 1, inputs = spreads ? 1 : count;
        const Sizes &sizes = call_.sizes;
        const Element *numbers = call_.operands + part(sizes, before, sizes.steps * sizes.rows);
        inputs_.read(numbers + place(sizes, step_, 0, 0) * inputs, sizes.rows, sizes.units * inputs * lanes);
        const Element *weight = call_.weights + sizes.units * sizes.units * lanes * lanes * blocks;
        for_column_blocks<results>(sizes.units * results, [&]<int vectors>(std::int64_t first) {
            inputs_.template prepare<vectors>(weight, first, first_row_, last_row_);
            for_row_groups<rows_at_once<results>>(first_row_, last_row_, [&]<int rows>(std::int64_t row) {
                Tile<rows, vectors> sums;
                for (int r = 0; r < rows; r++)
                    for (int v = 0; v < vectors; v++) sums[r][v] = zero();
                inputs_.template multiply<rows, vectors>(sums, row, weight, first);
                for (int r = 0; r < rows; r++)
                    for (int v = 0; v < vectors; v++)
                        store(slots(row + r, (first + v) / results) + (slot + v % results) * lanes, sums[r][v]);
            });
        });
    }

  private:
    float *slots(std::int64_t row, std::int64_t unit) {
        return slots_.get() + ((row - first_row_) * call_.sizes.units + unit) * Direction::slots * lanes;
    }

    // NaN if any number is NaN.
    static float largest_number(Vector x) {
        const float of_nan = sum(unless_number(x, zero()));
        return of_nan != of_nan ? of_nan : largest(x);
    }

    const Stages<Element> &call_;
    std::int64_t first_row_, last_row_, step_ = 0;
    std::unique_ptr<float[]> slots_;
    std::vector<float> totals_;
    Inputs<Element> inputs_;
};

template <class Element, class Direction> void run_stages(const Stages<Element> &call) {
    on_own_rows(call.sizes.rows, call.sizes.threads, [&](std::int64_t first_row, std::int64_t last_row) {
        OwnRows<Element, Direction> rows(call, first_row, last_row);
        for (std::int64_t index = 0; index < call.sizes.steps; index++) {
            rows.start(Direction::is_forward ? index : call.sizes.steps - 1 - index);
            Direction::compute(call, rows);
        }
    });
}

} // namespace seqforge

// C functions with the names of those in library.cpp. The index of the cell is the number of blocks of a weight.
#define STAGED_FUNCTIONS(Program, Element, suffix)                                                                      \
    void seqforge_pack_##suffix(std::int64_t blocks, const float *weight, std::int64_t hidden, std::int64_t inputs,     \
                                std::int64_t threads, Element *spreading, Element *gathering) {                         \
        const int count = static_cast<int>(blocks);                                                                     \
        if (spreading) seqforge::pack_forward(weight, hidden, inputs, count, threads, spreading);                       \
        if (gathering) seqforge::pack_backward(weight, hidden, count, threads, gathering);                              \
    }                                                                                                                   \
    void seqforge_forward_stages_##suffix(const seqforge::Stages<Element> *call) {                                      \
        seqforge::run_stages<Element, Program::Forwards>(*call);                                                        \
    }                                                                                                                   \
    void seqforge_backward_stages_##suffix(const seqforge::Stages<Element> *call) {                                     \
        seqforge::run_stages<Element, Program::Backwards>(*call);                                                       \
    }                                                                                                                   \
    SUM_ROWS_FUNCTION(Element, suffix)
