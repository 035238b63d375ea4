// The vectors of a chunk of steps of one row, a head of a sequence, in memory of their own: in the tensors, those of one row
// are whole steps apart, often a power of two, so that they would share a few lines of the cache.
#pragma once

#include <vector>

#include "small_matrices.hpp"

namespace seqforge {

// What a step adds to the state: k vᵀ, k (v - u)ᵀ, or b uᵀ + k vᵀ.
enum class StateRule : std::int64_t { plain, delta, general };

struct MatrixSizes {
    std::int64_t keys, values;
    std::int64_t decays; // numbers by which a step decays a row: 1, or one for each key
    StateRule rule;
};

constexpr std::int64_t chunk_steps = 16;

// Vectors, or their gradients, padded with zeros: [steps, keys] and [steps, values]. Each key has a decay, even if all have
// the same.
struct Chunk {
    std::int64_t keys, values; // padded
    std::vector<float> query, key, read, write, decay, value, output;

    explicit Chunk(const MatrixSizes &sizes)
        : keys(padded(sizes.keys)), values(padded(sizes.values)), query(chunk_steps * keys), key(query), read(query),
          write(query), decay(query), value(chunk_steps * values), output(value) {}
};

} // namespace seqforge
