// Generation: computes the logits, draws a symbol and reads it, for many steps in one call.
//
// Each sample is one row, and often there is only one row. Every symbol then reads all weights once, and the time is that
// of reading them from memory. Threads share the columns of every product, and synchronize after each layer.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "gru.hpp"
#include "int8.hpp"
#include "lstm.hpp"
#include "rnn.hpp"
#include "rules.hpp"
#include "threads.hpp"

namespace seqforge {

// Index of a cell, as `built_in_kernel` in sequence.py passes it.
enum CellIndex : std::int64_t { lstm, gru, rnn_tanh, rnn_relu };

template <class Weight> struct Layer {
    using Element = typename Inputs<Weight>::Element;
    std::int64_t cell, units, input_units;
    const Element *table;           // [symbols, gates] of the lowest layer; null in other layers
    const Weight *input_weight;     // packed; null in the lowest layer
    const float *input_bias;        // [gates]; null in the lowest layer
    const Weight *recurrent_weight;
    const float *parameters;        // [registers of parameters, hidden], such as a GRU's recurrent bias
    Element *gates;                 // [rows, gates], scratch
    Element *hidden;                // [2, rows, hidden]: before and after the step
    float *carried;                 // [rows, hidden]: the hidden state in float32
    float *others;                  // [2, rows, hidden]: an LSTM's cell states before and after the step; null in other cells
};

template <class Weight> struct Decode {
    std::int64_t rows, steps, layer_count, symbols, symbol_vectors, rule_count, threads;
    const Layer<Weight> *layers;
    const Weight *head_weight;      // packed
    const float *head_bias;
    const std::int64_t *rules;
    const float *rule_values;
    const float *uniforms;          // [steps, rows], in [0, 1)
    float *logits;                  // [rows, symbol_vectors · lanes], scratch
    std::int64_t *tokens;           // [steps + 1, rows]; the first step is an input
};

// As `for_column_blocks`, for the blocks that belong to a thread.
template <int gates, class Block>
inline void for_own_blocks(std::int64_t vectors, std::int64_t thread, std::int64_t threads, Block block) {
    constexpr int width = block_width(gates);
    const std::int64_t full = vectors / width, blocks = full + vectors % width;
    for (std::int64_t index = blocks * thread / threads; index < blocks * (thread + 1) / threads; index++) {
        if (index < full) block.template operator()<width>(index * width);
        else if constexpr (gates == 1) block.template operator()<1>(full * width + index - full);
    }
}

// Inputs of a thread's products.
template <class Weight> struct Operands {
    Inputs<Weight> below, hidden;
};

template <class Weight, class Cell>
void decode_layer(const Decode<Weight> &call, const Layer<Weight> &layer, Operands<Weight> &operands,
                  const typename Inputs<Weight>::Element *inputs, const std::int64_t *symbols, std::int64_t thread) {
    using Element = typename Inputs<Weight>::Element;
    const std::int64_t width = layer.units * Cell::gates;
    Forward<Element> step{};
    step.sizes = {1, call.rows, layer.units, 1};
    step.parameters = layer.parameters;
    step.hidden = layer.hidden;
    step.carried = layer.carried;
    step.others = layer.others;
    if (!layer.table) operands.below.read(inputs, call.rows, layer.input_units * lanes);
    operands.hidden.read(layer.hidden, call.rows, layer.units * lanes);
    for_own_blocks<Cell::gates>(width, thread, call.threads, [&]<int vectors>(std::int64_t first) {
        if (!layer.table) operands.below.template prepare<vectors>(layer.input_weight, first, 0, call.rows);
        operands.hidden.template prepare<vectors>(layer.recurrent_weight, first, 0, call.rows);
        for_row_groups<rows_at_once<Cell::gates>>(0, call.rows, [&]<int rows>(std::int64_t row) {
            const Element *gates[rows];
            if (layer.table) {
                for (int r = 0; r < rows; r++) gates[r] = layer.table + (symbols[row + r] * width + first) * lanes;
            } else {
                Tile<rows, vectors> sums;
                for (int r = 0; r < rows; r++)
                    for (int v = 0; v < vectors; v++) sums[r][v] = load(layer.input_bias + (first + v) * lanes);
                operands.below.template multiply_streamed<rows, vectors>(sums, row, layer.input_weight, first);
                for (int r = 0; r < rows; r++) {
                    Element *to = layer.gates + ((row + r) * width + first) * lanes;
                    for (int v = 0; v < vectors; v++) store(to + v * lanes, sums[r][v]);
                    gates[r] = to;
                }
            }
            Tile<rows, vectors> sums;
            Cell::template begin<Element, rows, vectors>(step, gates, first, sums);
            operands.hidden.template multiply_streamed<rows, vectors>(sums, row, layer.recurrent_weight, first);
            Cell::template finish<Element, rows, vectors>(step, gates, 0, row, first, sums);
        });
    });
}

// Computes the columns of the logits that belong to a thread.
template <class Weight>
void compute_logits(const Decode<Weight> &call, Operands<Weight> &operands, const typename Inputs<Weight>::Element *inputs,
                    std::int64_t thread) {
    operands.below.read(inputs, call.rows, call.layers[call.layer_count - 1].units * lanes);
    for_own_blocks<1>(call.symbol_vectors, thread, call.threads, [&]<int vectors>(std::int64_t first) {
        operands.below.template prepare<vectors>(call.head_weight, first, 0, call.rows);
        for_row_groups<rows_at_once<1>>(0, call.rows, [&]<int rows>(std::int64_t row) {
            Tile<rows, vectors> sums;
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < vectors; v++) sums[r][v] = load(call.head_bias + (first + v) * lanes);
            operands.below.template multiply_streamed<rows, vectors>(sums, row, call.head_weight, first);
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < vectors; v++)
                    store(call.logits + ((row + r) * call.symbol_vectors + first + v) * lanes, sums[r][v]);
        });
    });
}

// Makes the state after a step the state before the next step.
template <class Weight> void turn_over(const Decode<Weight> &call, const Layer<Weight> &layer) {
    const std::int64_t size = call.rows * layer.units * lanes;
    std::copy_n(layer.hidden + size, size, layer.hidden);
    if (layer.others) std::copy_n(layer.others + size, size, layer.others);
}

// Memory of a thread for its draws.
struct DrawMemory {
    std::vector<std::int64_t> order;
    std::vector<float> parts;
};

// Draws a symbol from the logits of a row. Returns -1 if they are not finite.
template <class Weight>
std::int64_t draw_for(const Decode<Weight> &call, std::int64_t row, std::int64_t step, DrawMemory &memory) {
    float *logits = call.logits + row * call.symbol_vectors * lanes;
    if (!are_finite(logits, call.symbol_vectors)) return -1;
    for (std::int64_t rule = 0; rule < call.rule_count; rule++)
        apply_rule(static_cast<Rule>(call.rules[rule]), call.rule_values[rule], logits, call.symbols, memory.order);
    return draw(logits, call.symbols, call.symbol_vectors, call.uniforms[step * call.rows + row], memory.parts);
}

// Returns the number of steps drawn: fewer than requested if a logit is not finite.
template <class Weight, class WithCell> std::int64_t decode(const Decode<Weight> &call, WithCell with_cell) {
    std::int64_t done = call.steps;
    std::atomic<bool> failed{false};
    Barrier barrier(static_cast<int>(call.threads));
    std::int64_t arrived = 0;
#pragma omp parallel num_threads(static_cast<int>(call.threads)) if (call.threads > 1)
    {
#pragma omp single
        arrived = omp_get_num_threads();
        FlushToZero flush;
        const std::int64_t thread = omp_get_thread_num();
        // If OpenMP started fewer threads than the barrier counts, one thread does all the work.
        if (arrived == call.threads || thread == 0) {
            Decode<Weight> own = call;
            Barrier alone(1);
            Barrier &meet = arrived == call.threads ? barrier : alone;
            if (arrived != call.threads) own.threads = 1;
            DrawMemory memory;
            Operands<Weight> operands;
            for (std::int64_t step = 0; step < own.steps && !failed.load(std::memory_order_relaxed); step++) {
                const std::int64_t *symbols = own.tokens + step * own.rows;
                const typename Inputs<Weight>::Element *inputs = nullptr;
                for (std::int64_t index = 0; index < own.layer_count; index++) {
                    const Layer<Weight> &layer = own.layers[index];
                    with_cell(layer.cell, [&]<class Cell>() {
                        decode_layer<Weight, Cell>(own, layer, operands, inputs, symbols, thread);
                    });
                    meet.wait();
                    inputs = layer.hidden + own.rows * layer.units * lanes;
                }
                compute_logits(own, operands, inputs, thread);
                meet.wait();
                // Every thread updates the states of some layers, and draws symbols for some rows.
                for (std::int64_t index = thread; index < own.layer_count; index += own.threads)
                    turn_over(own, own.layers[index]);
                for (std::int64_t row = thread; row < own.rows; row += own.threads) {
                    const std::int64_t token = draw_for(own, row, step, memory);
                    if (token < 0) failed.store(true, std::memory_order_relaxed);
                    own.tokens[(step + 1) * own.rows + row] = std::max<std::int64_t>(token, 0);
                }
                meet.wait();
                if (thread == 0 && failed.load(std::memory_order_relaxed)) done = step;
            }
        }
    }
    return done;
}

} // namespace seqforge
