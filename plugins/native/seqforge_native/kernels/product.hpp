// The product of a recurrence: a few rows of inputs times a block of columns of packed weights.
//
// A block is `vectors` registers wide. Its weights are stored in the order in which they are read, by depth. For
// bfloat16, whose instruction adds two products at once, two depths are stored together.
#pragma once

#include <algorithm>
#include <concepts>
#include <vector>

#include "tile_product.hpp"
#include "vector.hpp"

namespace seqforge {

// Depths that one instruction multiplies.
template <class Element> constexpr int depth_step = sizeof(Element) == 2 ? 2 : 1;

// The sums of a row of a tile.
template <int vectors> using Sums = Vector[vectors];

// Largest number of rows of a tile whose sums fit in registers; at most 8, as in `with_rows`.
template <int vectors> constexpr int rows_at_once = std::min(tile_registers / vectors, 8);

// Calls `use.operator()<rows>()` for a number of rows, of which there are at least 1 and at most `most`.
template <int most, class Use> inline void with_rows(int rows, Use use) {
    switch (rows) {
    case 8: if constexpr (most >= 8) use.template operator()<8>(); break;
    case 7: if constexpr (most >= 7) use.template operator()<7>(); break;
    case 6: if constexpr (most >= 6) use.template operator()<6>(); break;
    case 5: if constexpr (most >= 5) use.template operator()<5>(); break;
    case 4: if constexpr (most >= 4) use.template operator()<4>(); break;
    case 3: use.template operator()<3>(); break;
    case 2: use.template operator()<2>(); break;
    default: use.template operator()<1>(); break;
    }
}

// sums[r][v] += Σ_k inputs[r][k] weights[k][v]. Steps are the distances between two depths.
template <int rows, int vectors>
inline void accumulate(Vector (&sums)[rows][vectors], const float *inputs, std::int64_t stride, const float *weights,
                       std::int64_t depth, std::int64_t input_step = 1, std::int64_t weight_step = vectors * lanes) {
    for (std::int64_t k = 0; k < depth; k++, inputs += input_step, weights += weight_step) {
        Vector weight[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) weight[v] = load(weights + v * lanes);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            Vector input = broadcast(inputs[r * stride]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) sums[r][v] = multiply_add(weight[v], input, sums[r][v]);
        }
    }
}

// Number of partial sums of a single row: in a single sum, every addition would wait for the one before.
constexpr int chains = 4;

#if defined(__AVX512BF16__)

template <int rows, int vectors>
inline void accumulate(Vector (&sums)[rows][vectors], const bfloat16 *inputs, std::int64_t stride,
                       const bfloat16 *weights, std::int64_t depth) {
    for (std::int64_t k = 0; k < depth; k += 2, weights += vectors * lanes * 2) {
        __m512i weight[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) weight[v] = _mm512_loadu_si512(weights + v * lanes * 2);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            int pair;
            std::memcpy(&pair, inputs + r * stride + k, sizeof pair);
            __m512i input = _mm512_set1_epi32(pair);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                sums[r][v].value = _mm512_dpbf16_ps(sums[r][v].value, reinterpret_cast<__m512bh>(weight[v]),
                                                    reinterpret_cast<__m512bh>(input));
        }
    }
}

#endif

// The same for sums in memory. It is never inlined: otherwise each pass of each cell would contain the loop for each number
// of rows, and the library would take twice as long to compile.
template <int rows, int vectors, class Element>
[[gnu::noinline]] void add_products_of_rows(Sums<vectors> *sums, const Element *inputs, std::int64_t stride,
                                            const Element *weights, std::int64_t depth) {
    Vector own[rows][vectors];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) own[r][v] = sums[r][v];
    accumulate<rows, vectors>(own, inputs, stride, weights, depth);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[r][v] = own[r][v];
}

// The same for a number of rows, of which there are at most `rows_at_once`.
template <int vectors, class Element>
inline void add_products(Sums<vectors> *sums, int rows, const Element *inputs, std::int64_t stride, const Element *weights,
                         std::int64_t depth) {
    with_rows<rows_at_once<vectors>>(rows, [&]<int count>() {
        add_products_of_rows<count, vectors>(sums, inputs, stride, weights, depth);
    });
}

// The same for a single row, with several partial sums. The weights are read once, and reading them from memory takes
// longer than the products, so they are prefetched.
template <int vectors, class Element>
[[gnu::noinline]] void add_products_of_row(Sums<vectors> &sums, const Element *inputs, const Element *weights,
                                           std::int64_t depth) {
    constexpr std::int64_t step = depth_step<Element>, turn = chains * step, width = vectors * lanes;
    constexpr std::int64_t line = 64 / sizeof(Element), ahead = 4096 / sizeof(Element);
    Vector partial[chains][vectors];
    for (int c = 0; c < chains; c++)
        for (int v = 0; v < vectors; v++) partial[c][v] = c ? zero() : sums[v];
    std::int64_t k = 0;
    for (; k + turn <= depth; k += turn) {
        for (std::int64_t at = 0; at < turn * width; at += line)
            __builtin_prefetch(weights + k * width + ahead + at);
#pragma GCC unroll 4
        for (int c = 0; c < chains; c++) {
            Vector one[1][vectors];
            for (int v = 0; v < vectors; v++) one[0][v] = partial[c][v];
            accumulate<1, vectors>(one, inputs + k + c * step, 0, weights + (k + c * step) * width, step);
            for (int v = 0; v < vectors; v++) partial[c][v] = one[0][v];
        }
    }
    for (int v = 0; v < vectors; v++) sums[v] = (partial[0][v] + partial[1][v]) + (partial[2][v] + partial[3][v]);
    add_products_of_rows<1, vectors>(&sums, inputs + k, 0, weights + k * width, depth - k);
}

// Rows of inputs for products with weights of a type. For float and bfloat16, the inputs are used as they are.
template <class Weight> class Inputs {
  public:
    using Element = Weight;

    void read(const Element *numbers, std::int64_t, std::int64_t depth) {
        numbers_ = numbers;
        depth_ = distance_ = depth;
    }

    // The same for rows of float32 that are a distance apart.
    void read_float32(const float *numbers, std::int64_t rows, std::int64_t depth, std::int64_t distance) {
        if constexpr (std::same_as<Weight, float>) {
            numbers_ = numbers;
            depth_ = depth;
            distance_ = distance;
        } else {
            rounded_.resize(rows * depth);
            for (std::int64_t row = 0; row < rows; row++)
                for (std::int64_t k = 0; k < depth; k += lanes)
                    store(rounded_.data() + row * depth + k, load(numbers + row * distance + k));
            read(rounded_.data(), rows, depth);
        }
    }

    // To be called before `multiply` with rows of a range and a block of columns of packed weights.
    template <int vectors>
    void prepare(const Weight *weights, std::int64_t first, std::int64_t first_row, std::int64_t last_row) {
        tiles_.template compute<vectors>(numbers_, depth_, weights + first * lanes * depth_, first_row, last_row);
    }

    // sums[r][v] += Σ_k inputs[row + r][k] weights[k][first + v] for each r below `rows`
    template <int vectors>
    void multiply(Sums<vectors> *sums, std::int64_t row, int rows, const Weight *weights, std::int64_t first) const {
        const std::int64_t done = tiles_.depth();
        if (done)
            for (int r = 0; r < rows; r++) {
                const float *from = static_cast<const float *>(tiles_.template row<vectors>(row + r));
                for (int v = 0; v < vectors; v++) sums[r][v] = sums[r][v] + load(from + v * lanes);
            }
        const Element *inputs = numbers_ + row * distance_ + done;
        const Weight *block = weights + (first * depth_ + done * vectors) * lanes;
        add_products<vectors>(sums, rows, inputs, distance_, block, depth_ - done);
    }

    // The same for weights that are read from memory.
    template <int vectors>
    void multiply_streamed(Sums<vectors> *sums, std::int64_t row, int rows, const Weight *weights,
                           std::int64_t first) const {
        const Weight *block = weights + first * depth_ * lanes;
        if (rows == 1) add_products_of_row<vectors>(*sums, numbers_ + row * distance_, block, depth_);
        else multiply<vectors>(sums, row, rows, weights, first);
    }

  private:
    const Element *numbers_ = nullptr;
    std::int64_t depth_ = 0, distance_ = 0; // between two rows
    std::vector<Element> rounded_;
    TileSums<Weight> tiles_;
};

// Width of a block in registers: all gates of a unit. If a unit has one gate, a block has four units, so that a tile uses
// all registers of the processor.
constexpr int block_width(int gates) { return gates > 1 ? gates : 4; }

// Calls `block.operator()<vectors>(first)` for each block of a product's columns: blocks of the full width, then, if a unit
// has one gate, single registers.
template <int gates, class Block> inline void for_column_blocks(std::int64_t vectors, Block block) {
    constexpr int width = block_width(gates);
    std::int64_t first = 0;
    for (; first + width <= vectors; first += width) block.template operator()<width>(first);
    if constexpr (gates == 1)
        for (; first < vectors; first++) block.template operator()<1>(first);
}

// Calls `tile(row, rows)` for consecutive groups of at most `most` rows, of nearly equal size: a last group of one row
// would leave most of the processor idle.
template <class Tile> inline void for_row_groups(int most, std::int64_t first, std::int64_t last, Tile tile) {
    for (std::int64_t row = first; row < last;) {
        const std::int64_t left = last - row, groups = (left + most - 1) / most, rows = (left + groups - 1) / groups;
        tile(row, static_cast<int>(rows));
        row += rows;
    }
}

} // namespace seqforge
