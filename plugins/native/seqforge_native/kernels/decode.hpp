// Generation: reads a symbol, computes the logits of the next one and draws it, for many steps in one call.
//
// A step of the model is a row program in phases. Each phase ends with products, which are computed for all rows at once.
// Each sample is one row, and often there is only one row. Every symbol then reads all weights once, and the time is that
// of reading them from memory. Threads share the rows of the program and the columns of every product, and synchronize
// between the two.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "int8.hpp"
#include "row_products.hpp"
#include "row_program.hpp"
#include "rules.hpp"
#include "threads.hpp"

namespace seqforge {

template <class Weight> struct Decode {
    std::int64_t rows, steps, phase_count, symbols, symbol_vectors, rule_count, threads;
    std::int64_t row_size, temporary_size, input, input_size, logits;
    const Phase *phases;
    const Instruction *instructions;
    const Product<Weight> *products;
    float *parameters;
    const float *table;             // [symbols, input_size]: what the program reads of each symbol
    const std::int64_t *rules;
    const float *rule_values;
    const float *uniforms;          // [steps, rows], in [0, 1)
    float *memory;                  // [rows, row_size]: among others, the states
    std::int64_t *tokens;           // [steps + 1, rows]; the first step is an input
};

// Memory of a thread.
template <class Weight> struct DecodeMemory {
    std::vector<float> temporary;
    Inputs<Weight> inputs;
    std::vector<std::int64_t> order;
    std::vector<float> parts;
};

// Draws a symbol from the logits of a row. Returns -1 if they are not finite.
template <class Weight>
std::int64_t draw_for(const Decode<Weight> &call, std::int64_t row, std::int64_t step, DecodeMemory<Weight> &memory) {
    float *logits = call.memory + row * call.row_size + call.logits;
    if (!are_finite(logits, call.symbol_vectors)) return -1;
    for (std::int64_t rule = 0; rule < call.rule_count; rule++)
        apply_rule(static_cast<Rule>(call.rules[rule]), call.rule_values[rule], logits, call.symbols, memory.order);
    return draw(logits, call.symbols, call.symbol_vectors, call.uniforms[step * call.rows + row], memory.parts);
}

// Computes a step: the own rows and columns of a thread. `meet` waits for the other threads.
template <class Weight>
void compute_step(const Decode<Weight> &call, std::int64_t step, std::int64_t thread, DecodeMemory<Weight> &memory,
                  Barrier &meet) {
    std::int64_t instruction = 0, product = 0;
    for (std::int64_t index = 0; index < call.phase_count; index++) {
        const Phase &phase = call.phases[index];
        for (std::int64_t row = thread; row < call.rows; row += call.threads) {
            float *own = call.memory + row * call.row_size;
            if (!index)
                std::copy_n(call.table + call.tokens[step * call.rows + row] * call.input_size, call.input_size,
                            own + call.input);
            run_program(call.instructions + instruction, call.instructions + phase.instructions_end,
                        {memory.temporary.data(), own, call.parameters, nullptr});
        }
        instruction = phase.instructions_end;
        if (product == phase.products_end) continue;
        meet.wait();
        for (std::int64_t read = -1; product < phase.products_end; product++) {
            const Product<Weight> &each = call.products[product];
            if (each.input != read)
                memory.inputs.read_float32(call.memory + each.input, call.rows, each.depth, call.row_size);
            read = each.input;
            multiply(each, call.memory, call.rows, call.row_size, thread, call.threads, memory.inputs);
        }
        meet.wait();
    }
}

// Returns the number of steps drawn: fewer than requested if a logit is not finite.
template <class Weight> std::int64_t decode(const Decode<Weight> &call) {
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
            DecodeMemory<Weight> memory;
            memory.temporary.resize(own.temporary_size);
            for (std::int64_t step = 0; step < own.steps && !failed.load(std::memory_order_relaxed); step++) {
                compute_step(own, step, thread, memory, meet);
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
