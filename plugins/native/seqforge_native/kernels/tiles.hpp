// The instructions of AMX: eight tile registers of up to 16 rows of 64 bytes, and their products.
//
// They are written in assembly: the intrinsics of GCC take only literal numbers of tiles, and those that load do not
// state that they read memory. Tests define SEQFORGE_EMULATED_TILES, and have a header with the same functions in C++.
#pragma once

#include <cstdint>

namespace seqforge {

// Rows of a full tile, and bytes in each.
constexpr std::int64_t tile_rows = 16, tile_bytes = 64;

// The shape of every tile, as `ldtilecfg` reads it.
struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t bytes_in_row[16] = {};
    std::uint8_t rows[16] = {};
};

} // namespace seqforge

#if defined(SEQFORGE_EMULATED_TILES)

#define SEQFORGE_TILES
#include "emulated_tiles.hpp"

#elif defined(__AMX_TILE__)

#define SEQFORGE_TILES

namespace seqforge {

inline void configure_tiles(const TileShapes &shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes) : "memory"); }
inline void release_tiles() { asm volatile("tilerelease" ::: "memory"); }

template <int tile> inline void zero_tile() { asm volatile("tilezero %%tmm%c0" ::"i"(tile)); }

// Rows are `stride` bytes apart.
template <int tile> inline void load_tile(const void *from, std::int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(tile) : "memory");
}
template <int tile> inline void store_tile(void *to, std::int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(stride), "i"(tile) : "memory");
}

// sums[row][column] += Σ_k inputs[row][k] weights[k][column]. A row of weights contains two bfloat16 or four int8 numbers
// of each column. Inputs are bfloat16, or unsigned bytes.
template <class Weight, int sums, int inputs, int weights> inline void multiply_tiles() {
    if constexpr (sizeof(Weight) == 2)
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(inputs), "i"(weights));
    else asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(inputs), "i"(weights));
}

} // namespace seqforge

#endif
