// Weights in the order in which the products read them, rounded to their type.
#pragma once

#include "recurrence.hpp"

namespace seqforge {

// Calls `block(first, count)` for the registers of each block of columns: `group` of them, and then single ones.
template <class Block> void for_blocks(std::int64_t vectors, int group, std::int64_t threads, Block block) {
    const std::int64_t groups = vectors / group, blocks = groups + vectors % group;
#pragma omp parallel for num_threads(static_cast<int>(threads)) if (threads > 1)
    for (std::int64_t index = 0; index < blocks; index++) {
        if (index < groups) block(index * group, group);
        else block(groups * group + (index - groups), 1);
    }
}

// Within a block depth comes first. `number(k, vector, lane)` gives the number at depth k, in the column at a register
// and a lane of it.
template <class Element, class Number>
void pack(std::int64_t vectors, int group, std::int64_t depth, std::int64_t threads, Element *packed, Number number) {
    constexpr int together = depth_step<Element>;
    for_blocks(vectors, group, threads, [=](std::int64_t first, int count) {
        Element *to = packed + first * lanes * depth;
        for (std::int64_t k = 0; k < depth; k += together)
            for (std::int64_t v = first; v < first + count; v++)
                for (int lane = 0; lane < lanes; lane++)
                    for (int pair = 0; pair < together; pair++) store_element(to++, number(k + pair, v, lane));
    });
}

// Weights [gates · hidden, inputs] for inputs × gates: columns are interleaved gates, depth is inputs.
template <class Element>
void pack_forward(const float *weight, std::int64_t hidden, std::int64_t inputs, int gates, int group,
                  std::int64_t threads, Element *packed) {
    const std::int64_t vectors = (hidden + lanes - 1) / lanes * gates, depth = (inputs + lanes - 1) / lanes * lanes;
    pack(vectors, group, depth, threads, packed, [=](std::int64_t k, std::int64_t vector, int lane) {
        std::int64_t unit = vector / gates * lanes + lane, gate = vector % gates;
        return unit < hidden && k < inputs ? weight[(gate * hidden + unit) * inputs + k] : 0.0f;
    });
}

// The same weights for gates × hidden: columns are hidden units, depth is interleaved gates.
template <class Element>
void pack_backward(const float *weight, std::int64_t hidden, int gates, std::int64_t threads, Element *packed) {
    const std::int64_t units = (hidden + lanes - 1) / lanes;
    pack(units, 4, units * gates * lanes, threads, packed, [=](std::int64_t k, std::int64_t vector, int lane) {
        std::int64_t column = vector * lanes + lane, gate = k / lanes % gates, unit = k / lanes / gates * lanes + k % lanes;
        return unit < hidden && column < hidden ? weight[(gate * hidden + unit) * hidden + column] : 0.0f;
    });
}

} // namespace seqforge
