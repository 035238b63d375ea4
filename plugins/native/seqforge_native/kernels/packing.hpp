// Packing: copies weights into the order in which the products read them, rounded to the type of the products.
#pragma once

#include "recurrence.hpp"

namespace seqforge {

// Calls `block(first, count)` for each block of columns: blocks of `group` registers, then single registers.
template <class Block> void for_blocks(std::int64_t vectors, int group, std::int64_t threads, Block block) {
    const std::int64_t groups = vectors / group, blocks = groups + vectors % group;
#pragma omp parallel for num_threads(static_cast<int>(threads)) if (threads > 1)
    for (std::int64_t index = 0; index < blocks; index++) {
        if (index < groups) block(index * group, group);
        else block(groups * group + (index - groups), 1);
    }
}

// Packs the numbers of every block, ordered by depth. `number(k, vector, lane)` returns the number at depth k in the
// column of a register and a lane.
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

// Packs weights [gates · hidden, inputs] for products with inputs: columns are interleaved gates, depth is inputs.
template <class Element>
void pack_forward(const float *weight, std::int64_t hidden, std::int64_t inputs, int gates, int group,
                  std::int64_t threads, Element *packed) {
    const std::int64_t vectors = (hidden + lanes - 1) / lanes * gates, depth = (inputs + lanes - 1) / lanes * lanes;
    pack(vectors, group, depth, threads, packed, [=](std::int64_t k, std::int64_t vector, int lane) {
        std::int64_t unit = vector / gates * lanes + lane, gate = vector % gates;
        return unit < hidden && k < inputs ? weight[(gate * hidden + unit) * inputs + k] : 0.0f;
    });
}

// Packs the same weights for products with gradients of gates: columns are hidden units, depth is interleaved gates.
template <class Element>
void pack_backward(const float *weight, std::int64_t hidden, int gates, std::int64_t threads, Element *packed) {
    const std::int64_t units = (hidden + lanes - 1) / lanes;
    pack(units, 4, units * gates * lanes, threads, packed, [=](std::int64_t k, std::int64_t vector, int lane) {
        std::int64_t column = vector * lanes + lane, gate = k / lanes % gates, unit = k / lanes / gates * lanes + k % lanes;
        return unit < hidden && column < hidden ? weight[(gate * hidden + unit) * hidden + column] : 0.0f;
    });
}

} // namespace seqforge
