// A pushdown automaton that forbids symbols in each row: `ConstraintAutomaton` of seqforge.kinds.
#pragma once

#include <algorithm>
#include <cstdint>

#include "rules.hpp"

namespace seqforge {

struct Guide {
    std::int32_t *states;           // [rows]; -1 - state if the next state is not in the table; null without an automaton
    const std::int32_t *next_states;  // [states, symbols]: next state; -1 if not in the table; -2 - index of an action
    const std::int32_t *actions;    // [actions, 3]: number of states to pop; state to push, or -1; next state, or -1 for the popped one
    const std::int8_t *costs;       // [states, symbols]: how many more symbols a row owes after each symbol; 127 is forbidden
    const std::int32_t *weights;    // [states]: number of symbols that close what a state has opened
    std::int32_t *stacks;           // [rows, depth]
    std::int32_t *heights;          // [rows]
    // number of states in the tables; size of a stack; symbols that remain to be drawn for each row; largest debt of a row;
    // remaining symbols at which the automaton stops
    std::int64_t state_count, depth, remaining, largest_debt, valid_until;
    // Continues the automaton of the rows after a number of steps, and updates this structure. Returns 0 if it cannot.
    std::int64_t (*resume)(std::int64_t steps);
};

// Returns whether the automaton stops after a number of steps even if every next state is in its table.
inline bool expires(const Guide &guide, std::int64_t steps) {
    const std::int64_t left = guide.remaining - steps;
    return 0 < left && left <= guide.valid_until;
}

// Returns whether the states, stacks and heights of all rows are in range.
inline bool is_valid(const Guide &guide, std::int64_t rows) {
    const auto is_state = [&](std::int32_t number) { return 0 <= number && number < guide.state_count; };
    for (std::int64_t row = 0; row < rows; row++) {
        const std::int32_t *stack = guide.stacks + row * guide.depth, height = guide.heights[row];
        if (!is_state(guide.states[row]) || height < 0 || height > guide.depth) return false;
        if (!std::all_of(stack, stack + height, is_state)) return false;
    }
    return true;
}

// Returns how many symbols a row owes: those that close what its states have opened.
inline std::int64_t count_owed(const Guide &guide, std::int64_t row) {
    std::int64_t sum = guide.weights[guide.states[row]];
    for (std::int64_t index = 0; index < guide.heights[row]; index++)
        sum += guide.weights[guide.stacks[row * guide.depth + index]];
    return sum;
}

// Forbids the symbols after which a row would owe more than it may.
inline void forbid(const Guide &guide, std::int64_t symbols, std::int64_t row, std::int64_t remaining, std::int64_t owed,
                   float *logits) {
    const std::int8_t *costs = guide.costs + guide.states[row] * symbols;
    std::int64_t room = remaining - 1 - owed;
    if (room < -1) room = 0;
    room = std::min(room, std::max<std::int64_t>(guide.largest_debt - owed, 0));
    // At least one symbol stays allowed.
    if (room < 126) room = std::max<std::int64_t>(room, *std::min_element(costs, costs + symbols));
    const std::int8_t bound = static_cast<std::int8_t>(std::min<std::int64_t>(room, 126));
    for (std::int64_t j = 0; j < symbols; j++) logits[j] += costs[j] > bound ? forbidden : 0.0f;
}

// Advances the automaton of a row. Returns false if the next state is not in the table.
inline bool advance(const Guide &guide, std::int64_t symbols, std::int64_t row, std::int64_t token, std::int64_t &owed) {
    std::int32_t &state = guide.states[row], &height = guide.heights[row];
    std::int32_t *stack = guide.stacks + row * guide.depth;
    const std::int32_t next = guide.next_states[state * symbols + token];
    if (next >= 0) {
        owed += guide.weights[next] - guide.weights[state];
        state = next;
        return true;
    }
    const std::int32_t *action = next == -1 ? nullptr : guide.actions + 3 * (-2 - next);
    if (!action || height < action[0] || (action[1] >= 0 && height - action[0] >= guide.depth)) {
        state = -1 - state;
        return false;
    }
    height -= action[0];
    state = action[2] < 0 ? stack[height] : action[2];
    if (action[1] >= 0) stack[height++] = action[1];
    owed = count_owed(guide, row);
    return true;
}

} // namespace seqforge
