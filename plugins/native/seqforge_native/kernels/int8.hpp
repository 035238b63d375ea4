// Weights of 8 bits for generation, which take half as long to read from memory as bfloat16.
//
// The weights of a column share a scale. Before each product, a row of inputs is divided by its own scale and rounded to
// bytes from 1 to 255, of which 128 stands for zero: the instruction (AVX-512 VNNI) multiplies unsigned bytes by signed
// ones. The 128 adds 128 times the sum of a column, which the offset of the column subtracts. Everything else, including
// the state, is float32.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "packing.hpp"

#if defined(__AVX512VNNI__)

namespace seqforge {

constexpr float largest_int8 = 127.0f;
constexpr int int8_zero = 128;

// Bytes of a column of packed weights: its numbers, an offset (int32) and a scale, which follow the numbers of the block.
constexpr std::int64_t int8_column(std::int64_t depth) { return depth + sizeof(std::int32_t) + sizeof(float); }

// Returns the scale of 8-bit numbers from the largest absolute value. A tiny value is replaced by 1e-30, so that the
// inverse of the scale is finite. NaN stays NaN.
inline float int8_scale(float largest) { return (largest < 1e-30f ? 1e-30f : largest) / largest_int8; }

template <> class Inputs<std::int8_t> {
  public:
    using Element = float;

    void read_float32(const float *numbers, std::int64_t rows, std::int64_t depth, std::int64_t distance) {
        depth_ = depth;
        bytes_.resize(rows * depth);
        scales_.resize(rows);
        for (std::int64_t row = 0; row < rows; row++) read_row(row, numbers + row * distance);
    }

    template <int vectors>
    void prepare(const std::int8_t *weights, std::int64_t first, std::int64_t first_row, std::int64_t last_row) {
        const std::int8_t *block = weights + first * lanes * int8_column(depth_);
        tiles_.template compute<vectors>(bytes_.data(), depth_, block, first_row, last_row);
    }

    template <int vectors>
    void multiply_streamed(Sums<vectors> *sums, std::int64_t row, int rows, const std::int8_t *weights,
                           std::int64_t first) const {
        with_rows<rows_at_once<vectors>>(rows, [&]<int count>() { multiply_tile<count, vectors>(sums, row, weights, first); });
    }

  private:
    template <int rows, int vectors>
    [[gnu::noinline]] void multiply_tile(Sums<vectors> *sums, std::int64_t row, const std::int8_t *weights,
                                         std::int64_t first) const {
        // A single row has several sums in turn, so that no addition waits for the one before; depth is a multiple of
        // their steps.
        constexpr int turns = rows == 1 ? chains : 1;
        constexpr std::int64_t width = vectors * lanes, ahead = 4096;
        const std::int8_t *block = weights + first * lanes * int8_column(depth_), *offsets = block + width * depth_;
        const float *scales = reinterpret_cast<const float *>(offsets) + width;
        const std::uint8_t *inputs = bytes_.data() + row * depth_;
        __m512i whole[turns][rows][vectors];
        for (int t = 0; t < turns; t++)
            for (int r = 0; r < rows; r++)
                for (int v = 0; v < vectors; v++)
                    whole[t][r][v] = t ? _mm512_setzero_si512() : _mm512_loadu_si512(offsets + v * 64);
        const std::int64_t done = tiles_.depth();
        if (done)
            for (int r = 0; r < rows; r++) {
                const std::int32_t *from = static_cast<const std::int32_t *>(tiles_.template row<vectors>(row + r));
                for (int v = 0; v < vectors; v++)
                    whole[0][r][v] = _mm512_add_epi32(whole[0][r][v], _mm512_loadu_si512(from + v * lanes));
            }
        for (std::int64_t k = done; k < depth_;) {
#pragma GCC unroll 4
            for (int t = 0; t < turns; t++, k += 4) {
                __m512i weight[vectors];
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) {
                    const std::int8_t *from = block + k * width + v * 64;
                    if constexpr (rows == 1) __builtin_prefetch(from + ahead);
                    weight[v] = _mm512_loadu_si512(from);
                }
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    int four;
                    std::memcpy(&four, inputs + r * depth_ + k, sizeof four);
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; v++)
                        whole[t][r][v] = _mm512_dpbusd_epi32(whole[t][r][v], _mm512_set1_epi32(four), weight[v]);
                }
            }
        }
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++) {
                __m512i total = whole[0][r][v];
                for (int t = 1; t < turns; t++) total = _mm512_add_epi32(total, whole[t][r][v]);
                Vector scale = load(scales + v * lanes) * broadcast(scales_[row + r]);
                sums[r][v] = multiply_add({_mm512_cvtepi32_ps(total)}, scale, sums[r][v]);
            }
    }

    void read_row(std::int64_t row, const float *numbers) {
        // Without the sign, floats are ordered as their bits are, and NaN is the largest.
        __m512i most = _mm512_setzero_si512();
        for (std::int64_t k = 0; k < depth_; k += lanes)
            most = _mm512_max_epu32(most, _mm512_and_si512(_mm512_loadu_si512(numbers + k), _mm512_set1_epi32(0x7fffffff)));
        const std::uint32_t bits = _mm512_reduce_max_epu32(most);
        float largest;
        std::memcpy(&largest, &bits, sizeof largest);
        scales_[row] = int8_scale(largest);
        const Vector inverse = broadcast(1.0f / scales_[row]);
        for (std::int64_t k = 0; k < depth_; k += lanes) {
            __m512i whole = _mm512_cvtps_epi32((load(numbers + k) * inverse).value);
            __m128i bytes = _mm512_cvtepi32_epi8(_mm512_add_epi32(whole, _mm512_set1_epi32(int8_zero)));
            _mm_storeu_si128(reinterpret_cast<__m128i *>(bytes_.data() + row * depth_ + k), bytes);
        }
    }

    std::vector<std::uint8_t> bytes_;
    std::vector<float> scales_;
    std::int64_t depth_ = 0;
    TileSums<std::int8_t> tiles_;
};

// As `pack_forward` of packing.hpp, with four numbers of a column together; then the offsets and the scales of the block.
inline void pack_forward(const float *weight, std::int64_t hidden, std::int64_t inputs, int gates, std::int64_t threads,
                         std::int8_t *packed) {
    const std::int64_t vectors = (hidden + lanes - 1) / lanes * gates, depth = (inputs + lanes - 1) / lanes * lanes;
    for_blocks(vectors, gates, threads, [=](std::int64_t first, int count) {
        const std::int64_t width = count * lanes;
        std::int8_t *block = packed + first * lanes * int8_column(depth);
        std::int32_t *offsets = reinterpret_cast<std::int32_t *>(block + width * depth);
        float *scales = reinterpret_cast<float *>(offsets + width);
        for (std::int64_t column = 0; column < width; column++) {
            const std::int64_t vector = first + column / lanes, unit = vector / gates * lanes + column % lanes;
            const float *numbers = weight + (vector % gates * hidden + unit) * inputs;
            const std::int64_t count_here = unit < hidden ? inputs : 0;
            float largest = 0;
            for (std::int64_t k = 0; k < count_here; k++) largest = std::max(largest, std::abs(numbers[k]));
            scales[column] = int8_scale(largest);
            std::int32_t sum = 0;
            for (std::int64_t k = 0; k < depth; k++) {
                int whole = k < count_here ? _mm_cvtss_si32(_mm_set_ss(numbers[k] / scales[column])) : 0;
                block[(k / 4 * width + column) * 4 + k % 4] = static_cast<std::int8_t>(whole);
                sum += whole;
            }
            offsets[column] = -int8_zero * sum;
        }
    });
}

} // namespace seqforge

#endif
