// The products between two phases of a row program, for several rows at once.
#pragma once

#include "product.hpp"

namespace seqforge {

// A product of numbers of a row with a weight. Places are those in the memory of a row.
template <class Weight> struct Product {
    const Weight *weight; // packed
    const float *bias;    // [vectors · lanes]
    std::int64_t input, depth, result, vectors; // the depth fills whole registers
    std::int64_t added; // place of what is added to the product, or -1
};

// The instructions and the products of a phase, by the number of those before its end.
struct Phase {
    std::int64_t instructions_end, products_end;
};

// As `for_column_blocks`, for the blocks that belong to a thread.
template <class Block>
inline void for_own_blocks(std::int64_t vectors, std::int64_t thread, std::int64_t threads, Block block) {
    constexpr int width = block_width(1);
    const std::int64_t full = vectors / width, blocks = full + vectors % width;
    for (std::int64_t index = blocks * thread / threads; index < blocks * (thread + 1) / threads; index++) {
        if (index < full) block.template operator()<width>(index * width);
        else block.template operator()<1>(full * width + index - full);
    }
}

// Computes the columns of a product that belong to a thread, for rows whose memories are `row_size` numbers apart.
template <class Weight>
void multiply(const Product<Weight> &product, float *memory, std::int64_t row_count, std::int64_t row_size,
              std::int64_t thread, std::int64_t threads, Inputs<Weight> &inputs) {
    for_own_blocks(product.vectors, thread, threads, [&]<int vectors>(std::int64_t first) {
        inputs.template prepare<vectors>(product.weight, first, 0, row_count);
        constexpr int most = rows_at_once<vectors>;
        for_row_groups(most, 0, row_count, [&](std::int64_t row, int rows) {
            Sums<vectors> sums[most];
            for (int r = 0; r < rows; r++) {
                const float *added = memory + (row + r) * row_size + product.added + first * lanes;
                for (int v = 0; v < vectors; v++) {
                    sums[r][v] = load(product.bias + (first + v) * lanes);
                    if (product.added >= 0) sums[r][v] = sums[r][v] + load(added + v * lanes);
                }
            }
            inputs.template multiply_streamed<vectors>(sums, row, rows, product.weight, first);
            for (int r = 0; r < rows; r++) {
                float *to = memory + (row + r) * row_size + product.result + first * lanes;
                for (int v = 0; v < vectors; v++) store(to + v * lanes, sums[r][v]);
            }
        });
    });
}

} // namespace seqforge
