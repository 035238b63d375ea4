// The gradient of a weight: one product over all steps and rows of a batch.
//
// The depth of this product is the number of rows. `vdpbf16ps` reads pairs along the depth, but in both matrices the
// numbers of a pair are a whole row apart. A part of the rows at a time is therefore copied, pair by pair. The part is
// so small that the copies stay in the caches.
#pragma once

#include <algorithm>
#include <memory>
#include <omp.h>

#include "product.hpp"

// With AMX, oneDNN multiplies in tile registers, which is faster.
#if defined(__AVX512BF16__) && !defined(SEQFORGE_TILES)
#define SEQFORGE_WEIGHT_GRADIENT

namespace seqforge {

// A tile of sums is 8 columns of gradients times 3 registers of inputs: 24 registers.
constexpr int tile_gradients = 8, tile_inputs = 3;
// Rows that are copied at a time.
constexpr std::int64_t part_rows = 512;

// A register of columns, by pairs of rows. Lane j contains two rows of column j.
struct alignas(64) Pairs {
    std::uint32_t columns[lanes];
};

// Copies a register of columns of `count` rows, which are `stride` apart. Pairs are `apart` registers apart.
inline void pair_rows(const bfloat16 *from, std::int64_t stride, std::int64_t count, Pairs *to, std::int64_t apart) {
    const auto widened = [](const bfloat16 *row) {
        return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(row)));
    };
    for (std::int64_t row = 0; row < count; row += 2, from += 2 * stride, to += apart) {
        __m512i upper = row + 1 < count ? _mm512_slli_epi32(widened(from + stride), 16) : _mm512_setzero_si512();
        _mm512_store_si512(to, _mm512_or_si512(widened(from), upper));
    }
}

// result[j][k] += Σ_pairs gradients[pair][j] inputs[pair][k] for 8 columns j and some registers of columns k. The result is
// not in the cache, so it is prefetched and added at the end.
template <int registers>
inline void add_tile(const std::uint32_t *gradients, const Pairs *inputs, std::int64_t pairs, float *result,
                     std::int64_t stride) {
    Vector sums[tile_gradients][registers];
    for (int j = 0; j < tile_gradients; j++)
        for (int v = 0; v < registers; v++) {
            sums[j][v] = zero();
            __builtin_prefetch(result + j * stride + v * lanes);
        }
    for (std::int64_t pair = 0; pair < pairs; pair++, gradients += lanes, inputs += registers) {
        __m512i input[registers];
#pragma GCC unroll 3
        for (int v = 0; v < registers; v++) input[v] = _mm512_load_si512(inputs + v);
#pragma GCC unroll 8
        for (int j = 0; j < tile_gradients; j++) {
            __m512i gradient = _mm512_set1_epi32(static_cast<int>(gradients[j]));
#pragma GCC unroll 3
            for (int v = 0; v < registers; v++)
                sums[j][v].value = _mm512_dpbf16_ps(sums[j][v].value, reinterpret_cast<__m512bh>(input[v]),
                                                    reinterpret_cast<__m512bh>(gradient));
        }
    }
    for (int j = 0; j < tile_gradients; j++)
        for (int v = 0; v < registers; v++) {
            float *to = result + j * stride + v * lanes;
            store(to, load(to) + sums[j][v]);
        }
}

// sums[j] += Σ_pairs gradients[pair][j] for a register of columns.
inline void add_pairs(const Pairs *gradients, std::int64_t pairs, float *sums) {
    const __m512bh ones = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3f803f80));
    Vector partial[chains] = {load(sums), zero(), zero(), zero()};
    for (std::int64_t pair = 0; pair < pairs; pair++) {
        Vector &sum = partial[pair % chains];
        sum.value = _mm512_dpbf16_ps(sum.value, reinterpret_cast<__m512bh>(_mm512_load_si512(gradients + pair)), ones);
    }
    store(sums, (partial[0] + partial[1]) + (partial[2] + partial[3]));
}

// result[j][k] = Σ_row gradients[row][j] inputs[row][k], and sums[j] = Σ_row gradients[row][j] unless it is null. Rows of
// both consist of whole registers. Each thread computes its own columns of gradients, so that the sums do not depend on
// the number of threads.
inline void weight_gradient(const bfloat16 *gradients, const bfloat16 *inputs, std::int64_t rows,
                            std::int64_t gradient_vectors, std::int64_t input_vectors, std::int64_t threads,
                            float *result, float *sums) {
    const std::int64_t height = gradient_vectors * lanes, width = input_vectors * lanes, pairs_at_once = part_rows / 2;
#pragma omp parallel num_threads(static_cast<int>(threads)) if (threads > 1)
    {
        const std::int64_t thread = omp_get_thread_num(), count = omp_get_num_threads();
        const std::int64_t first = gradient_vectors * thread / count, last = gradient_vectors * (thread + 1) / count;
        std::fill(result + first * lanes * width, result + last * lanes * width, 0.0f);
        if (sums) std::fill(sums + first * lanes, sums + last * lanes, 0.0f);
        auto paired_inputs = std::make_unique_for_overwrite<Pairs[]>(pairs_at_once * input_vectors);
        auto paired_gradients = std::make_unique_for_overwrite<Pairs[]>(pairs_at_once);
        for (std::int64_t start = 0; start < rows; start += part_rows) {
            const std::int64_t part = std::min(part_rows, rows - start), pairs = (part + 1) / 2;
            // Blocks of inputs are as wide as a tile.
            for (std::int64_t v = 0; v < input_vectors; v++) {
                const std::int64_t block = v / tile_inputs * tile_inputs;
                const std::int64_t block_width = std::min<std::int64_t>(tile_inputs, input_vectors - block);
                pair_rows(inputs + start * width + v * lanes, width, part,
                          paired_inputs.get() + block * pairs + (v - block), block_width);
            }
            for (std::int64_t column = first; column < last; column++) {
                pair_rows(gradients + start * height + column * lanes, height, part, paired_gradients.get(), 1);
                if (sums) add_pairs(paired_gradients.get(), pairs, sums + column * lanes);
                for (std::int64_t block = 0; block < input_vectors; block += tile_inputs)
                    for (int j = 0; j < lanes; j += tile_gradients) {
                        const std::uint32_t *gradient = paired_gradients[0].columns + j;
                        const Pairs *input = paired_inputs.get() + block * pairs;
                        float *to = result + (column * lanes + j) * width + block * lanes;
                        switch (input_vectors - block) {
                        case 1: add_tile<1>(gradient, input, pairs, to, width); break;
                        case 2: add_tile<2>(gradient, input, pairs, to, width); break;
                        default: add_tile<tile_inputs>(gradient, input, pairs, to, width);
                        }
                    }
            }
        }
    }
}

} // namespace seqforge

#endif
