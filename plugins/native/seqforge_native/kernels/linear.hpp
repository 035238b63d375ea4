// The product of all rows of a sequence with a weight.
#pragma once

#include <algorithm>

#include "packing.hpp"
#include "threads.hpp"

// With AMX, oneDNN multiplies in tile registers, which is faster.
#if defined(__AVX512BF16__) && !defined(SEQFORGE_TILES)
#define SEQFORGE_LINEAR

namespace seqforge {

// Bytes of inputs that stay in the L2 cache while all columns of the weight are multiplied by them.
constexpr std::int64_t part_bytes = 1 << 18;

// Packs a matrix for `linear`. Its columns are neighbours if `transposed` is 0; otherwise each column is a row in memory.
inline void pack_matrix(const float *matrix, std::int64_t depth, std::int64_t columns, std::int64_t stride,
                        std::int64_t transposed, std::int64_t threads, bfloat16 *packed) {
    const std::int64_t vectors = (columns + lanes - 1) / lanes, padded_depth = (depth + lanes - 1) / lanes * lanes;
    if (transposed)
        pack_transposed(vectors, 1, padded_depth, threads, packed, [=](std::int64_t vector, int lane) {
            const std::int64_t column = vector * lanes + lane;
            return Neighbours{matrix + column * stride, column < columns ? depth : 0};
        });
    else
        pack(vectors, 1, padded_depth, threads, packed, [=](std::int64_t k, std::int64_t vector) {
            return Neighbours{matrix + k * stride + vector * lanes, k < depth ? columns - vector * lanes : 0};
        });
}

// Stores the first `count` numbers of a register.
template <class Output> inline void store_up_to(Output *to, Vector x, std::int64_t count) {
    if (count >= lanes) return store(to, x);
    Output copies[lanes];
    store(copies, x);
    std::copy_n(copies, count, to);
}

// outputs[row][j] = bias[j] + Σ_k inputs[row][k] weights[k][j]. The bias may be null, or ends with zeros up to whole
// registers. Each thread computes its own rows.
template <class Output>
void linear(const bfloat16 *inputs, const bfloat16 *weights, const float *bias, std::int64_t rows, std::int64_t depth,
            std::int64_t columns, std::int64_t threads, Output *outputs) {
    const std::int64_t vectors = (columns + lanes - 1) / lanes;
    const std::int64_t part = std::max<std::int64_t>(part_bytes / (depth * std::int64_t{sizeof(bfloat16)}) / 6 * 6, 24);
    on_own_rows(rows, threads, [&](std::int64_t first_row, std::int64_t last_row) {
        for (std::int64_t start = first_row; start < last_row; start += part)
            for_column_blocks<1>(vectors, [&]<int width>(std::int64_t first) {
                const bfloat16 *block = weights + first * depth * lanes;
                constexpr int most = rows_at_once<width>;
                for_row_groups(most, start, std::min(start + part, last_row), [&](std::int64_t row, int count) {
                    Sums<width> sums[most];
                    for (int r = 0; r < count; r++)
                        for (int v = 0; v < width; v++) sums[r][v] = bias ? load(bias + (first + v) * lanes) : zero();
                    add_products<width>(sums, count, inputs + row * depth, depth, block, depth);
                    for (int r = 0; r < count; r++)
                        for (int v = 0; v < width; v++) {
                            const std::int64_t column = (first + v) * lanes;
                            store_up_to(outputs + (row + r) * columns + column, sums[r][v], columns - column);
                        }
                });
            });
    });
}

} // namespace seqforge

#endif
