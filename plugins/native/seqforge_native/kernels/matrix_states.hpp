// The recurrence of matrix states. For each row, a head of a sequence, a step computes
//
//     u = Sᵀ a;  S' = diag(w) S + b uᵀ + k vᵀ;  o = S'ᵀ q
//
// The backward pass starts each chunk of steps from the state before it, which the forward pass stores.
#pragma once

#include "matrix_products.hpp"
#include "matrix_steps.hpp"

namespace seqforge {

// Computes chunks in the faster way.
class MatrixStates {
  public:
    explicit MatrixStates(const MatrixSizes &sizes)
        : has_products_(sizes.decays == 1 && sizes.rule != StateRule::general), products_(sizes), steps_(sizes) {}

    void run(std::int64_t count, Chunk &chunk, const float *before, float *after) {
        if (in_products(count)) products_.run(count, chunk, before, after);
        else steps_.run(count, chunk, before, after);
    }
    void differentiate(std::int64_t count, Chunk &chunk, Chunk &gradients, const float *before, float *changed) {
        if (in_products(count)) products_.differentiate(count, chunk, gradients, before, changed);
        else steps_.differentiate(count, chunk, gradients, before, changed);
    }

  private:
    // Fewer steps do not fill a tile.
    bool in_products(std::int64_t count) const { return has_products_ && count >= 4; }

    const bool has_products_;
    ChunkProducts products_;
    ChunkSteps steps_;
};

} // namespace seqforge
