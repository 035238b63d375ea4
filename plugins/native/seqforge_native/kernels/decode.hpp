// Generation: reads a symbol, draws the next one, and so on, without leaving the kernels.
//
// There is one row a sample, and often a single row in all, so that weights are read once a symbol and their way from
// memory is what takes the time. Threads share the columns of every product, and meet after each layer.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <sched.h>
#include <vector>

#include "gru.hpp"
#include "int8.hpp"
#include "lstm.hpp"
#include "rnn.hpp"

namespace seqforge {

// By which Python names a cell.
enum CellIndex : std::int64_t { lstm, gru, rnn_tanh, rnn_relu };

template <class Weight> struct Layer {
    using Element = typename Inputs<Weight>::Element;
    std::int64_t cell, units, input_units;
    const Element *table;           // the lowest layer's: [symbols, gates] of every symbol; else null
    const Weight *input_weight;     // packed; of the other layers
    const float *input_bias;        // [gates]; of the other layers
    const Weight *recurrent_weight;
    const float *recurrent_bias;    // GRU
    Element *gates;                 // [rows, gates], scratch
    Element *hidden;                // [2, rows, hidden]: before and after the step
    float *carried;                 // LSTM: cells [2, rows, hidden]; else [rows, hidden]
    float *last_hidden;             // LSTM: [rows, hidden]
};

enum class Rule : std::int64_t { temperature, top_k, top_p, min_p, greedy };

template <class Weight> struct Decode {
    std::int64_t rows, steps, layer_count, symbols, symbol_vectors, rule_count, threads;
    const Layer<Weight> *layers;
    const Weight *head_weight;      // packed
    const float *head_bias;
    const std::int64_t *rules;
    const float *rule_values;
    const float *uniforms;          // [steps, rows], in [0, 1)
    float *logits;                  // [rows, symbol_vectors · lanes], scratch
    std::int64_t *tokens;           // [steps + 1, rows]; the first are given
    // A pushdown automaton whose states forbid symbols, or null.
    std::int32_t *states;           // [rows]; -1 - state where nothing is known of what follows
    const std::int32_t *following;  // [states, symbols]: a state; -1 where it is not known; -2 - an action
    const std::int32_t *actions;    // [actions, 3]: how many to pop, what to push or -1, where to go or -1 for the popped
    const std::int8_t *costs;       // [states, symbols], what each symbol adds to what a row owes; 127 is forbidden
    const std::int32_t *weights;    // [states], symbols that end what a state has begun
    std::int32_t *stacks;           // [rows, depth]
    std::int32_t *heights;          // [rows]
    std::int64_t depth, left, most; // symbols that are left to draw for each row; and that a row may owe
};

// All threads wait for the last. A thread that waits long lets others have the processor.
class Barrier {
  public:
    explicit Barrier(int count) : count_(count) {}
    void wait() {
        if (count_ == 1) return;
        int round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int turns = 0; round_.load(std::memory_order_acquire) == round; turns++)
            if (turns < 4000) _mm_pause();
            else sched_yield();
    }

  private:
    const int count_;
    std::atomic<int> arrived_{0}, round_{0};
};

// The blocks of a product's columns that are a thread's own.
template <int group, class Block>
inline void for_own_blocks(std::int64_t vectors, std::int64_t thread, std::int64_t threads, Block block) {
    std::int64_t groups = vectors / group, blocks = groups + vectors % group;
    for (std::int64_t index = blocks * thread / threads; index < blocks * (thread + 1) / threads; index++) {
        if (index < groups) block.template operator()<group>(index * group);
        else if constexpr (group > 1) block.template operator()<1>(groups * group + index - groups);
    }
}

// What a thread's products read.
template <class Weight> struct Operands {
    Inputs<Weight> below, hidden;
};

template <class Weight, class Cell>
void decode_layer(const Decode<Weight> &call, const Layer<Weight> &layer, Operands<Weight> &operands,
                  const typename Inputs<Weight>::Element *inputs, const std::int64_t *symbols, std::int64_t thread) {
    using Element = typename Inputs<Weight>::Element;
    const std::int64_t width = layer.units * Cell::gates;
    constexpr int most = tile_registers / Cell::group;
    Forward<Element> step{};
    step.sizes = {1, call.rows, layer.units, 1};
    step.recurrent_bias = layer.recurrent_bias;
    step.hidden = layer.hidden;
    step.carried = layer.carried;
    step.last_hidden = layer.last_hidden;
    if (!layer.table) operands.below.read(inputs, call.rows, layer.input_units * lanes);
    operands.hidden.read(layer.hidden, call.rows, layer.units * lanes);
    for_own_blocks<Cell::group>(width, thread, call.threads, [&]<int vectors>(std::int64_t first) {
        for_row_groups<most>(0, call.rows, [&]<int rows>(std::int64_t row) {
            const Element *gates[rows];
            if (layer.table) {
                for (int r = 0; r < rows; r++) gates[r] = layer.table + (symbols[row + r] * width + first) * lanes;
            } else {
                Tile<rows, vectors> sums;
                for (int r = 0; r < rows; r++)
                    for (int v = 0; v < vectors; v++) sums[r][v] = load(layer.input_bias + (first + v) * lanes);
                operands.below.template multiply<rows, vectors>(sums, row, layer.input_weight, first);
                for (int r = 0; r < rows; r++) {
                    Element *to = layer.gates + ((row + r) * width + first) * lanes;
                    for (int v = 0; v < vectors; v++) store(to + v * lanes, sums[r][v]);
                    gates[r] = to;
                }
            }
            Tile<rows, vectors> sums;
            Cell::template begin<Element, rows, vectors>(step, gates, first, sums);
            operands.hidden.template multiply<rows, vectors>(sums, row, layer.recurrent_weight, first);
            Cell::template finish<Element, rows, vectors>(step, gates, 0, row, first, sums);
        });
    });
}

// What was after the step is before the next.
template <class Weight> void turn_over(const Decode<Weight> &call, const Layer<Weight> &layer, bool has_cells) {
    const std::int64_t size = call.rows * layer.units * lanes;
    std::copy_n(layer.hidden + size, size, layer.hidden);
    if (has_cells) std::copy_n(layer.carried + size, size, layer.carried);
}

constexpr float forbidden = -INFINITY;

inline void apply_rule(Rule rule, float value, float *logits, std::int64_t count, std::vector<std::int64_t> &order) {
    switch (rule) {
    case Rule::temperature:
        for (std::int64_t j = 0; j < count; j++) logits[j] /= value;
        break;
    case Rule::top_k: {
        std::int64_t k = static_cast<std::int64_t>(value);
        if (k >= count) break;
        std::vector<float> sorted(logits, logits + count);
        std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<float>());
        for (std::int64_t j = 0; j < count; j++)
            if (logits[j] < sorted[k - 1]) logits[j] = forbidden;
        break;
    }
    case Rule::top_p: {
        order.resize(count);
        for (std::int64_t j = 0; j < count; j++) order[j] = j;
        std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return logits[a] > logits[b]; });
        double total = 0;
        for (std::int64_t j = 0; j < count; j++) total += std::exp(static_cast<double>(logits[j] - logits[order[0]]));
        // Summed from the unlikely end, where the terms are small.
        double tail = 0;
        const double most = logits[order[0]];
        for (std::int64_t place = count - 1; place > 0; place--) {
            tail += std::exp(logits[order[place]] - most) / total;
            if (tail > 1 - value) break;
            logits[order[place]] = forbidden;
        }
        break;
    }
    case Rule::min_p: {
        float threshold = *std::max_element(logits, logits + count) + std::log(value);
        for (std::int64_t j = 0; j < count; j++)
            if (logits[j] < threshold) logits[j] = forbidden;
        break;
    }
    case Rule::greedy: {
        std::int64_t likeliest = std::max_element(logits, logits + count) - logits;
        for (std::int64_t j = 0; j < count; j++) logits[j] = j == likeliest ? 0.0f : forbidden;
        break;
    }
    }
}

// The symbol at which the distribution function passes a uniform number; -1 where a logit is not a number.
inline std::int64_t draw(float *logits, std::int64_t count, std::int64_t vectors, float uniform) {
    for (std::int64_t j = count; j < vectors * lanes; j++) logits[j] = forbidden;
    Vector best = load(logits);
    for (std::int64_t v = 1; v < vectors; v++) best = at_least(load(logits + v * lanes), best);
    const float most = largest(best);
    Vector totals = zero();
    for (std::int64_t v = 0; v < vectors; v++) {
        Vector x = load(logits + v * lanes) - broadcast(most);
        // `exponential` is flat below -40: what is far below is left out.
        Vector e = exponential(x) * is_positive(x + broadcast(80.0f));
        store(logits + v * lanes, e);
        totals = totals + e;
    }
    float total = sum(totals);
    if (!(total > 0 && total < INFINITY)) return -1;
    float left = uniform * total;
    std::int64_t last = 0;
    for (std::int64_t j = 0; j < count; j++) {
        if (logits[j] <= 0) continue;
        last = j;
        left -= logits[j];
        if (left < 0) break;
    }
    return last;
}

// Symbols that end what a row has begun.
template <class Weight> std::int64_t count_owed(const Decode<Weight> &call, std::int64_t row) {
    std::int64_t sum = call.weights[call.states[row]];
    for (std::int64_t index = 0; index < call.heights[row]; index++)
        sum += call.weights[call.stacks[row * call.depth + index]];
    return sum;
}

// Forbids what a row's automaton does: what would leave it owing more than it may.
template <class Weight>
void forbid(const Decode<Weight> &call, std::int64_t row, std::int64_t left, std::int64_t owed, float *logits) {
    const std::int8_t *costs = call.costs + call.states[row] * call.symbols;
    std::int64_t room = left - 1 - owed;
    if (room < -1) room = 0;
    room = std::min(room, std::max<std::int64_t>(call.most - owed, 0));
    // One symbol has to be left.
    if (room < 126) room = std::max<std::int64_t>(room, *std::min_element(costs, costs + call.symbols));
    const std::int8_t bound = static_cast<std::int8_t>(std::min<std::int64_t>(room, 126));
    // A sum, so that what is not finite stays so.
    for (std::int64_t j = 0; j < call.symbols; j++) logits[j] += costs[j] > bound ? forbidden : 0.0f;
}

// Moves a row's automaton on; tells whether it knew how.
template <class Weight>
bool move_on(const Decode<Weight> &call, std::int64_t row, std::int64_t token, std::int64_t &owed) {
    std::int32_t &state = call.states[row], &height = call.heights[row];
    std::int32_t *stack = call.stacks + row * call.depth;
    const std::int32_t next = call.following[state * call.symbols + token];
    if (next >= 0) {
        owed += call.weights[next] - call.weights[state];
        state = next;
        return true;
    }
    const std::int32_t *action = next == -1 ? nullptr : call.actions + 3 * (-2 - next);
    if (!action || height < action[0] || (action[1] >= 0 && height - action[0] >= call.depth)) {
        state = -1 - state;
        return false;
    }
    height -= action[0];
    state = action[2] < 0 ? stack[height] : action[2];
    if (action[1] >= 0) stack[height++] = action[1];
    owed = count_owed(call, row);
    return true;
}

// Gives the number of symbols a row drawn: fewer than asked for where a logit is not finite, and no state is then
// below 0, or where a row's automaton does not know what follows the last.
template <class Weight, class WithCell> std::int64_t decode(const Decode<Weight> &call, WithCell with_cell) {
    std::int64_t done = call.steps;
    std::atomic<bool> failed{false}, stopped{false};
    Barrier barrier(static_cast<int>(call.threads));
    std::int64_t arrived = 0;
#pragma omp parallel num_threads(static_cast<int>(call.threads)) if (call.threads > 1)
    {
#pragma omp single
        arrived = omp_get_num_threads();
        FlushToZero flush;
        const std::int64_t thread = omp_get_thread_num();
        // Where fewer threads came than the barrier counts, one does it all.
        if (arrived == call.threads || thread == 0) {
            Decode<Weight> own = call;
            Barrier alone(1);
            Barrier &meet = arrived == call.threads ? barrier : alone;
            if (arrived != call.threads) own.threads = 1;
            std::vector<std::int64_t> order, owing(own.states ? own.rows : 0);
            for (std::size_t row = 0; row < owing.size(); row++) owing[row] = count_owed(own, row);
            Operands<Weight> operands;
            const auto goes_on = [&] {
                return !failed.load(std::memory_order_relaxed) && !stopped.load(std::memory_order_relaxed);
            };
            for (std::int64_t step = 0; step < own.steps && goes_on(); step++) {
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
                const std::int64_t width = own.symbol_vectors * lanes;
                operands.below.read(inputs, own.rows, own.layers[own.layer_count - 1].units * lanes);
                for_own_blocks<4>(own.symbol_vectors, thread, own.threads, [&]<int vectors>(std::int64_t first) {
                    for_row_groups<tile_registers / 4>(0, own.rows, [&]<int rows>(std::int64_t row) {
                        Tile<rows, vectors> sums;
                        for (int r = 0; r < rows; r++)
                            for (int v = 0; v < vectors; v++) sums[r][v] = load(own.head_bias + (first + v) * lanes);
                        operands.below.template multiply<rows, vectors>(sums, row, own.head_weight, first);
                        for (int r = 0; r < rows; r++)
                            for (int v = 0; v < vectors; v++)
                                store(own.logits + (row + r) * width + (first + v) * lanes, sums[r][v]);
                    });
                });
                meet.wait();
                // Every thread turns some layers over, and draws for some rows.
                for (std::int64_t index = thread; index < own.layer_count; index += own.threads)
                    turn_over(own, own.layers[index], own.layers[index].cell == lstm);
                for (std::int64_t row = thread; row < own.rows; row += own.threads) {
                    float *logits = own.logits + row * width;
                    if (own.states) forbid(own, row, own.left - step, owing[row], logits);
                    for (std::int64_t rule = 0; rule < own.rule_count; rule++)
                        apply_rule(static_cast<Rule>(own.rules[rule]), own.rule_values[rule], logits, own.symbols, order);
                    std::int64_t token = draw(logits, own.symbols, own.symbol_vectors, own.uniforms[step * own.rows + row]);
                    if (token < 0) failed.store(true, std::memory_order_relaxed);
                    else if (own.states && !move_on(own, row, token, owing[row])) stopped.store(true, std::memory_order_relaxed);
                    own.tokens[(step + 1) * own.rows + row] = std::max<std::int64_t>(token, 0);
                }
                meet.wait();
                if (thread == 0 && !goes_on()) done = failed.load(std::memory_order_relaxed) ? step : step + 1;
            }
        }
    }
    if (failed.load(std::memory_order_relaxed) && call.states)
        for (std::int64_t row = 0; row < call.rows; row++) call.states[row] = std::max(call.states[row], 0);
    return done;
}

} // namespace seqforge
