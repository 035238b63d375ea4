// Packing: copies weights into the order in which the products read them, rounded to the type of the products.
#pragma once

#include <algorithm>
#include <omp.h>

#include "product.hpp"

namespace seqforge {

// Calls `block(first, count)` for the same blocks of columns as `for_column_blocks`, on some threads.
template <class Block> void for_blocks(std::int64_t vectors, int gates, std::int64_t threads, Block block) {
    const int width = block_width(gates);
    const std::int64_t full = vectors / width, blocks = full + vectors % width;
#pragma omp parallel for num_threads(static_cast<int>(threads)) if (threads > 1)
    for (std::int64_t index = 0; index < blocks; index++) {
        if (index < full) block(index * width, width);
        else block(full * width + index - full, 1);
    }
}

// Loads the first `count` numbers, which may be fewer or more than fit, then zeros.
inline Vector load_up_to(const float *from, std::int64_t count) {
    if (count >= lanes) return load(from);
    float copies[lanes] = {};
    if (count > 0) std::copy_n(from, count, copies);
    return load(copies);
}

// Some numbers of a matrix: `count` of them, beginning at an address.
struct Neighbours {
    const float *first;
    std::int64_t count;
};

// Packs a matrix whose columns are neighbours. `columns(k, vector)` returns the numbers at depth k of the columns of a
// register.
template <class Element, class Columns>
void pack(std::int64_t vectors, int gates, std::int64_t depth, std::int64_t threads, Element *packed, Columns columns) {
    constexpr int together = depth_step<Element>;
    for_blocks(vectors, gates, threads, [=](std::int64_t first, int count) {
        Element *to = packed + first * lanes * depth;
        const auto loaded = [=](std::int64_t k, std::int64_t v) {
            const Neighbours numbers = columns(k, v);
            return load_up_to(numbers.first, numbers.count);
        };
        for (std::int64_t k = 0; k < depth; k += together)
            for (std::int64_t v = first; v < first + count; v++, to += together * lanes) {
                if constexpr (together == 1) store(to, loaded(k, v));
                else store_pairs(to, loaded(k, v), loaded(k + 1, v));
            }
    });
}

// Packs a matrix whose neighbours follow each other along the depth. `column(vector, lane)` returns a column. A square is
// transposed at a time, because a register of columns is far apart in memory.
template <class Element, class Column>
void pack_transposed(std::int64_t vectors, int gates, std::int64_t depth, std::int64_t threads, Element *packed,
                     Column column) {
    constexpr int together = depth_step<Element>, wide = together * lanes;
    for_blocks(vectors, gates, threads, [=](std::int64_t first, int count) {
        for (std::int64_t v = first; v < first + count; v++)
            for (std::int64_t k = 0; k < depth; k += wide) {
                Element square[lanes][wide];
                for (int lane = 0; lane < lanes; lane++) {
                    const Neighbours numbers = column(v, lane);
                    for (int part = 0; part < wide; part += lanes)
                        store(square[lane] + part, load_up_to(numbers.first + k + part, numbers.count - k - part));
                }
                Element *to = packed + first * lanes * depth + (k * count + (v - first) * together) * lanes;
                for (int at = 0; at < wide && k + at < depth; at += together, to += count * wide)
                    for (int lane = 0; lane < lanes; lane++)
                        std::memcpy(to + lane * together, square[lane] + at, together * sizeof(Element));
            }
    });
}

// Packs weights [gates · hidden, inputs] for products with inputs: columns are interleaved gates, depth is inputs.
template <class Element>
void pack_forward(const float *weight, std::int64_t hidden, std::int64_t inputs, int gates, std::int64_t threads,
                  Element *packed) {
    const std::int64_t vectors = (hidden + lanes - 1) / lanes * gates, depth = (inputs + lanes - 1) / lanes * lanes;
    pack_transposed(vectors, gates, depth, threads, packed, [=](std::int64_t vector, int lane) {
        const std::int64_t unit = vector / gates * lanes + lane, gate = vector % gates;
        return Neighbours{weight + (gate * hidden + unit) * inputs, unit < hidden ? inputs : 0};
    });
}

// Packs the same weights for products with gradients of gates: columns are hidden units, depth is interleaved gates.
template <class Element>
void pack_backward(const float *weight, std::int64_t hidden, int gates, std::int64_t threads, Element *packed) {
    const std::int64_t units = (hidden + lanes - 1) / lanes;
    pack(units, 1, units * gates * lanes, threads, packed, [=](std::int64_t k, std::int64_t vector) {
        const std::int64_t column = vector * lanes, gate = k / lanes % gates, unit = k / lanes / gates * lanes + k % lanes;
        return Neighbours{weight + (gate * hidden + unit) * hidden + column, unit < hidden ? hidden - column : 0};
    });
}

} // namespace seqforge
