// Products in tile registers: of all rows of a thread with a block of columns, before the elementwise part of the block.
//
// Packed weights are used as they are. A tile of them holds 64 bytes of depth for one register of columns: each row is a
// register of the block, and rows are the width of the block apart. The sums pass through a buffer that stays in the cache.
#pragma once

#include <algorithm>
#include <type_traits>
#include <utility>
#include <vector>

#include "tiles.hpp"
#include "vector.hpp"

namespace seqforge {

// The part of a product that is computed in tile registers: nothing, without such registers or for float32.
template <class Weight> class TileSums {
  public:
    template <int vectors> void compute(const void *, std::int64_t, const Weight *, std::int64_t, std::int64_t) {}
    static constexpr std::int64_t depth() { return 0; }
    template <int vectors> static constexpr const void *row(std::int64_t) { return nullptr; }
};

#if defined(SEQFORGE_TILES)

// Fewer rows are multiplied as fast in ordinary registers.
constexpr std::int64_t fewest_tile_rows = 8;

// The number of rows for which this thread has configured its tiles, or 0.
inline thread_local std::int64_t configured_rows = 0;

// Configures the tiles of this thread: sums are in tiles 0 to 3, inputs in 4 and 5, weights in 6 and 7.
inline void configure_tiles_for(std::int64_t rows) {
    if (rows == configured_rows) return;
    TileShapes shapes;
    for (int tile = 0; tile < 8; tile++) {
        shapes.bytes_in_row[tile] = tile_bytes;
        shapes.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : tile_rows);
    }
    configure_tiles(shapes);
    configured_rows = rows;
}

// Calls `use.operator()<index>()` for each index below `count`.
template <int count, class Use> inline void unrolled(Use use) {
    [&]<int... index>(std::integer_sequence<int, index...>) {
        (use.template operator()<index>(), ...);
    }(std::make_integer_sequence<int, count>());
}

// Calls `use.operator()<2>()` if at least two are left, else `use.operator()<1>()`.
template <class Use> inline void with_one_or_two(std::int64_t left, Use use) {
    if (left > 1) use.template operator()<2>();
    else use.template operator()<1>();
}

template <class Weight>
    requires(sizeof(Weight) < sizeof(float))
class TileSums<Weight> {
  public:
    TileSums() = default;
    // oneDNN configures the tiles of the same threads. Besides, tiles in use make switches between threads slow.
    ~TileSums() {
        if (configured_rows) release_tiles();
        configured_rows = 0;
    }
    TileSums(const TileSums &) = delete;
    TileSums &operator=(const TileSums &) = delete;

    // Computes Σ_k inputs[row][k] weights[k][column] for some rows and a block of columns, over the depth that fills
    // whole tiles. Inputs have as many bytes as weights.
    template <int vectors>
    void compute(const void *inputs, std::int64_t depth, const Weight *weights, std::int64_t first_row,
                 std::int64_t last_row) {
        constexpr std::int64_t chunk = tile_bytes / sizeof(Weight);
        const std::int64_t rows = last_row - first_row, chunks = rows < fewest_tile_rows ? 0 : depth / chunk;
        first_row_ = first_row;
        depth_ = chunks * chunk;
        if (!chunks) return;
        sums_.resize(std::max<std::size_t>(sums_.size(), rows * vectors));
        // Groups of rows have one size, so that tiles are configured once; the last group may overlap the one before.
        const std::int64_t groups = (rows + tile_rows - 1) / tile_rows, size = (rows + groups - 1) / groups;
        configure_tiles_for(size);
        const std::int64_t stride = depth * sizeof(Weight), width = vectors * tile_bytes;
        for (std::int64_t column = 0; column < vectors; column += 2)
            for (std::int64_t group = 0; group < groups; group += 2) {
                const char *from[2];
                Line *to[2];
                for (int g = 0; g < 2; g++) {
                    const std::int64_t row = std::min((group + g) * size, rows - size);
                    from[g] = static_cast<const char *>(inputs) + (first_row + row) * stride;
                    to[g] = sums_.data() + row * vectors + column;
                }
                const char *block = reinterpret_cast<const char *>(weights) + column * tile_bytes;
                with_one_or_two(groups - group, [&]<int group_count>() {
                    with_one_or_two(vectors - column, [&]<int column_count>() {
                        multiply<group_count, column_count>(from, stride, block, width, chunks, to);
                    });
                });
            }
    }

    // The depth that the sums include.
    std::int64_t depth() const { return depth_; }

    // The sums of a row, which are float32, or int32 for int8 weights.
    template <int vectors> const void *row(std::int64_t row) const { return sums_.data() + (row - first_row_) * vectors; }

  private:
    struct alignas(64) Line {
        char bytes[tile_bytes];
    };

    // Multiplies one or two groups of rows by one or two registers of columns.
    template <int groups, int columns>
    static void multiply(const char *const (&inputs)[2], std::int64_t stride, const char *weights, std::int64_t width,
                         std::int64_t chunks, Line *const (&sums)[2]) {
        unrolled<groups>([]<int g>() { unrolled<columns>([]<int c>() { zero_tile<2 * g + c>(); }); });
        for (std::int64_t chunk = 0; chunk < chunks; chunk++, weights += tile_rows * width) {
            unrolled<groups>([&]<int g>() { load_tile<4 + g>(inputs[g] + chunk * tile_bytes, stride); });
            unrolled<columns>([&]<int c>() {
                load_tile<6 + c>(weights + c * tile_bytes, width);
                unrolled<groups>([]<int g>() { multiply_tiles<Weight, 2 * g + c, 4 + g, 6 + c>(); });
            });
        }
        unrolled<groups>([&]<int g>() {
            unrolled<columns>([&]<int c>() { store_tile<2 * g + c>(sums[g] + c, width); });
        });
    }

    std::vector<Line> sums_;
    std::int64_t first_row_ = 0, depth_ = 0;
};

#endif

} // namespace seqforge
