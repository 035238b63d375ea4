// The functions of kernels/tiles.hpp in C++, for processors without AMX. They give the same bits as the instructions.
#pragma once

#include <cmath>
#include <cstring>

namespace seqforge {

struct EmulatedTiles {
    TileShapes shapes;
    std::uint8_t bytes[8][tile_rows][tile_bytes];
};
inline thread_local EmulatedTiles tiles;

inline void configure_tiles(const TileShapes &shapes) {
    tiles = {};
    tiles.shapes = shapes;
}
// As on a processor, tiles have no rows until they are configured again.
inline void release_tiles() { tiles = {}; }

template <int tile> inline void zero_tile() { std::memset(tiles.bytes[tile], 0, sizeof tiles.bytes[tile]); }

template <int tile> inline void load_tile(const void *from, std::int64_t stride) {
    zero_tile<tile>();
    for (int row = 0; row < tiles.shapes.rows[tile]; row++)
        std::memcpy(tiles.bytes[tile][row], static_cast<const char *>(from) + row * stride,
                    tiles.shapes.bytes_in_row[tile]);
}

template <int tile> inline void store_tile(void *to, std::int64_t stride) {
    for (int row = 0; row < tiles.shapes.rows[tile]; row++)
        std::memcpy(static_cast<char *>(to) + row * stride, tiles.bytes[tile][row], tiles.shapes.bytes_in_row[tile]);
}

// A bfloat16 of a pair, as a float.
inline float lower_of(std::uint32_t pair) {
    pair <<= 16;
    float number;
    std::memcpy(&number, &pair, sizeof number);
    return number;
}
inline float upper_of(std::uint32_t pair) { return lower_of(pair >> 16); }

// Intel's manual, TDPBF16PS: the products of even and of odd depths are summed separately, with one rounding for each
// product; then both sums are added to each other, and then to the tile. Denormal numbers count as zero, which the caller
// has set for the processor (`FlushToZero`).
inline void multiply_row(const std::uint32_t *inputs, const std::uint8_t (*weights)[tile_bytes], int depth, float *sums) {
    float even[16] = {}, odd[16] = {};
    for (int k = 0; k < depth; k++) {
        std::uint32_t pairs[16];
        std::memcpy(pairs, weights[k], sizeof pairs);
        for (int column = 0; column < 16; column++) {
            even[column] = std::fma(lower_of(inputs[k]), lower_of(pairs[column]), even[column]);
            odd[column] = std::fma(upper_of(inputs[k]), upper_of(pairs[column]), odd[column]);
        }
    }
    for (int column = 0; column < 16; column++) sums[column] += even[column] + odd[column];
}

// TDPBUSD: unsigned bytes times signed bytes, in integers that wrap around.
inline void multiply_row(const std::uint32_t *inputs, const std::uint8_t (*weights)[tile_bytes], int depth,
                         std::int32_t *sums) {
    for (int k = 0; k < depth; k++)
        for (int column = 0; column < 16; column++)
            for (int byte = 0; byte < 4; byte++)
                sums[column] += static_cast<std::uint8_t>(inputs[k] >> (8 * byte)) *
                                static_cast<std::int8_t>(weights[k][4 * column + byte]);
}

template <class Weight, int sums, int inputs, int weights> inline void multiply_tiles() {
    for (int row = 0; row < tiles.shapes.rows[sums]; row++) {
        std::uint32_t numbers[16];
        std::memcpy(numbers, tiles.bytes[inputs][row], sizeof numbers);
        std::conditional_t<sizeof(Weight) == 2, float, std::int32_t> totals[16];
        std::memcpy(totals, tiles.bytes[sums][row], sizeof totals);
        multiply_row(numbers, tiles.bytes[weights], tiles.shapes.bytes_in_row[inputs] / 4, totals);
        std::memcpy(tiles.bytes[sums][row], totals, sizeof totals);
    }
}

} // namespace seqforge
