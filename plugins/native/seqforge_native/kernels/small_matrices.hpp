// Transposes and products of small matrices, which stay in the cache. Sizes of rows in memory are multiples of 16 numbers,
// which are whole registers in every instruction set.
#pragma once

#include "product.hpp"

namespace seqforge {

inline std::int64_t padded(std::int64_t size) { return (size + 15) / 16 * 16; }

// Transposes as many registers as a register has numbers, by perfect shuffles.
inline void transpose_registers(std::array<Vector, lanes> &rows) {
    for (int round = 1; round < lanes; round *= 2) {
        const std::array<Vector, lanes> before = rows;
#pragma GCC unroll 8
        for (int index = 0; index < lanes / 2; index++) {
            rows[2 * index] = interleaved_low(before[index], before[index + lanes / 2]);
            rows[2 * index + 1] = interleaved_high(before[index], before[index + lanes / 2]);
        }
    }
}

// Transposes a matrix [rows, columns] to [columns, rows].
inline void transpose(const float *from, std::int64_t rows, std::int64_t columns, float *to) {
    for (std::int64_t row = 0; row < rows; row += lanes)
        for (std::int64_t column = 0; column < columns; column += lanes) {
            std::array<Vector, lanes> block;
            for (int index = 0; index < lanes; index++) block[index] = load(from + (row + index) * columns + column);
            transpose_registers(block);
            for (int index = 0; index < lanes; index++) store(to + (column + index) * rows + row, block[index]);
        }
}

// The left matrix of a product: its numbers, and the distances between two of its rows and between two of its columns.
struct Left {
    const float *numbers;
    std::int64_t row, column;
};

// Which numbers of the left matrix are not zero.
enum class Shape { full, lower, upper };

// Calls `use.operator()<vectors>(first number)` for each block of at most `most` registers of some numbers.
template <int most, class Use> inline void for_blocks(std::int64_t count, Use use) {
    for (std::int64_t first = 0; first < count; first += most * lanes) {
        const std::int64_t vectors = std::min<std::int64_t>(most, (count - first + lanes - 1) / lanes);
        if (vectors == 1) use.template operator()<1>(first);
        else if (vectors == 2) use.template operator()<2>(first);
        else if (vectors == 3) use.template operator()<3>(first);
        else if constexpr (most > 3) use.template operator()<4>(first);
    }
}

// Calls `use(row, column, sums)` for each register of the product of two matrices, [rows, depth] and [depth, columns]. Rows
// and columns are whole tiles: multiples of 8 and 16.
template <Shape shape = Shape::full, class Use>
inline void multiply_matrices(std::int64_t rows, std::int64_t depth, std::int64_t columns, const Left &left,
                              const float *right, Use use) {
    for_blocks<std::min(4, tile_registers / 4)>(columns, [&]<int vectors>(std::int64_t column) {
        constexpr int tile = 8 * vectors <= tile_registers ? 8 : 4;
        for (std::int64_t row = 0; row < rows; row += tile) {
            const std::int64_t first = shape == Shape::upper ? row : 0;
            const std::int64_t last = shape == Shape::lower ? std::min(depth, row + tile) : depth;
            Vector sums[tile][vectors];
            for (auto &of_row : sums) std::fill_n(of_row, vectors, zero());
            accumulate(sums, left.numbers + row * left.row + first * left.column, left.row,
                       right + column + first * columns, last - first, left.column, columns);
#pragma GCC unroll 8
            for (int index = 0; index < tile; index++)
#pragma GCC unroll 4
                for (int j = 0; j < vectors; j++) use(row + index, column + j * lanes, sums[index][j]);
        }
    });
}

inline void scale(float *numbers, std::int64_t count, float factor) {
    for (std::int64_t k = 0; k < count; k += lanes) store(numbers + k, load(numbers + k) * broadcast(factor));
}

// Uses of the registers of a product: to store them, or to add them to what is there.
inline auto write_to(float *to, std::int64_t size) {
    return [=](std::int64_t row, std::int64_t column, Vector sums) { store(to + row * size + column, sums); };
}
inline auto add_to(float *to, std::int64_t size) {
    return [=](std::int64_t row, std::int64_t column, Vector sums) {
        float *place = to + row * size + column;
        store(place, load(place) + sums);
    };
}

} // namespace seqforge
