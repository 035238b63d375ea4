// Steps of matrix states, one after another, forward and backward, for every rule.
//
// Columns of S, which belong to values, do not depend on each other. A block of columns stays in the L1 cache for a chunk
// of steps. The backward pass computes the states of a chunk again, from the state before it.
#pragma once

#include <functional>
#include <numeric>

#include "matrix_chunk.hpp"

namespace seqforge {

constexpr int block_vectors = 4;

// Copies columns of a state [keys, values] into padded memory [padded keys, vectors * lanes], or back.
template <int vectors> void load_block(const float *state, const MatrixSizes &sizes, std::int64_t column, float *block) {
    for (std::int64_t i = 0; i < sizes.keys; i++, state += sizes.values)
        for (int j = 0; j < vectors; j++, block += lanes) store(block, load_part(state, column + j * lanes, sizes.values, true));
    std::fill_n(block, (padded(sizes.keys) - sizes.keys) * vectors * lanes, 0.0f);
}
template <int vectors> void store_block(const float *block, const MatrixSizes &sizes, std::int64_t column, float *state) {
    for (std::int64_t i = 0; i < sizes.keys; i++, state += sizes.values)
        for (int j = 0; j < vectors; j++, block += lanes) store_part(state, column + j * lanes, sizes.values, load(block));
}

// Computes one step of a block of columns: the state, u and what is read.
template <int vectors, bool has_u>
inline void take_step(const Chunk &chunk, std::int64_t t, std::int64_t column, const float *before, float *after,
                      std::array<Vector, vectors> &u, float *read_out) {
    constexpr std::int64_t width = vectors * lanes;
    const float *q = &chunk.query[t * chunk.keys], *k = &chunk.key[t * chunk.keys], *w = &chunk.decay[t * chunk.keys];
    const float *a = &chunk.read[t * chunk.keys], *b = &chunk.write[t * chunk.keys];
    const auto v = load_each<vectors>(&chunk.value[t * chunk.values + column]);
    if constexpr (has_u) {
        std::array<Vector, vectors> even, odd;
        even.fill(zero()), odd.fill(zero());
        for (std::int64_t i = 0; i < chunk.keys; i += 2)
            for (int j = 0; j < vectors; j++) {
                even[j] = multiply_add(load(before + i * width + j * lanes), broadcast(a[i]), even[j]);
                odd[j] = multiply_add(load(before + (i + 1) * width + j * lanes), broadcast(a[i + 1]), odd[j]);
            }
        for (int j = 0; j < vectors; j++) u[j] = even[j] + odd[j];
    }
    std::array<Vector, vectors> o;
    o.fill(zero());
    for (std::int64_t i = 0; i < chunk.keys; i++) {
        const Vector decay = broadcast(w[i]), key = broadcast(k[i]), query = broadcast(q[i]);
        for (int j = 0; j < vectors; j++) {
            Vector s = multiply_add(key, v[j], decay * load(before + i * width + j * lanes));
            if constexpr (has_u) s = multiply_add(broadcast(b[i]), u[j], s);
            store(after + i * width + j * lanes, s);
            o[j] = multiply_add(query, s, o[j]);
        }
    }
    for (int j = 0; j < vectors; j++) store(read_out + j * lanes, o[j]);
}

// Sums over a row of the state, for `lanes` keys at once.
using RowSums = std::array<Vector, lanes>;

inline void add_sums(const RowSums &rows, float *to) { store(to, load(to) + sums_of_each(rows)); }

// Computes the gradients of one step of a block of columns, given that of the state after it, which becomes that of the
// state before it.
template <int vectors, bool has_u>
inline void differentiate_step(const Chunk &chunk, Chunk &gradients, std::int64_t t, std::int64_t column,
                               const std::array<Vector, vectors> &u, const float *before, float *gradient) {
    constexpr std::int64_t width = vectors * lanes;
    const std::int64_t at = t * chunk.keys;
    const float *q = &chunk.query[at], *k = &chunk.key[at], *w = &chunk.decay[at], *a = &chunk.read[at], *b = &chunk.write[at];
    const float *after = before + chunk.keys * width;
    const auto v = load_each<vectors>(&chunk.value[t * chunk.values + column]);
    const auto out = load_each<vectors>(&gradients.output[t * chunk.values + column]);
    std::array<Vector, vectors> v_gradient, u_gradient;
    v_gradient.fill(zero()), u_gradient.fill(zero());
    for (std::int64_t first = 0; first < chunk.keys; first += lanes) {
        RowSums for_query, for_key, for_write, for_decay;
        for (int index = 0; index < lanes; index++) {
            const std::int64_t i = first + index;
            Vector query_sum = zero(), key_sum = zero(), write_sum = zero(), decay_sum = zero();
            for (int j = 0; j < vectors; j++) {
                const std::int64_t place = i * width + j * lanes;
                const Vector d = multiply_add(out[j], broadcast(q[i]), load(gradient + place));
                query_sum = multiply_add(load(after + place), out[j], query_sum);
                key_sum = multiply_add(d, v[j], key_sum);
                v_gradient[j] = multiply_add(d, broadcast(k[i]), v_gradient[j]);
                decay_sum = multiply_add(d, load(before + place), decay_sum);
                if constexpr (has_u) {
                    write_sum = multiply_add(d, u[j], write_sum);
                    u_gradient[j] = multiply_add(d, broadcast(b[i]), u_gradient[j]);
                    store(gradient + place, d);
                } else store(gradient + place, d * broadcast(w[i]));
            }
            for_query[index] = query_sum, for_key[index] = key_sum, for_decay[index] = decay_sum;
            if constexpr (has_u) for_write[index] = write_sum;
        }
        add_sums(for_query, &gradients.query[at + first]);
        add_sums(for_key, &gradients.key[at + first]);
        add_sums(for_decay, &gradients.decay[at + first]);
        if constexpr (has_u) add_sums(for_write, &gradients.write[at + first]);
    }
    for (int j = 0; j < vectors; j++) store(&gradients.value[t * chunk.values + column + j * lanes], v_gradient[j]);
    if constexpr (has_u)
        for (std::int64_t first = 0; first < chunk.keys; first += lanes) {
            RowSums for_read;
            for (int index = 0; index < lanes; index++) {
                const std::int64_t i = first + index;
                const Vector decay = broadcast(w[i]), read = broadcast(a[i]);
                Vector read_sum = zero();
                for (int j = 0; j < vectors; j++) {
                    const std::int64_t place = i * width + j * lanes;
                    read_sum = multiply_add(load(before + place), u_gradient[j], read_sum);
                    store(gradient + place, multiply_add(u_gradient[j], read, decay * load(gradient + place)));
                }
                for_read[index] = read_sum;
            }
            add_sums(for_read, &gradients.read[at + first]);
        }
}

// Computes chunks. The arguments of its functions are padded as those of a `Chunk`.
class ChunkSteps {
  public:
    explicit ChunkSteps(const MatrixSizes &sizes) : sizes_(sizes) {}

    // Computes the outputs and the state after the chunk.
    void run(std::int64_t count, Chunk &chunk, const float *before, float *after) {
        reserve(chunk, 1);
        for_blocks_of_rule(chunk, [&]<int vectors, bool has_u>(std::int64_t column) {
            float *block = states_.data();
            std::array<Vector, vectors> u;
            load_block<vectors>(before, sizes_, column, block);
            for (std::int64_t t = 0; t < count; t++)
                take_step<vectors, has_u>(chunk, t, column, block, block, u, &chunk.output[t * chunk.values + column]);
            store_block<vectors>(block, sizes_, column, after);
        });
    }

    // Computes the gradients of the vectors, and of the state before the chunk, which replaces that of the state after it.
    void differentiate(std::int64_t count, Chunk &chunk, Chunk &gradients, const float *before, float *changed) {
        reserve(chunk, chunk_steps + 1);
        for (auto *sums : {&gradients.query, &gradients.key, &gradients.read, &gradients.write, &gradients.decay})
            std::fill(sums->begin(), sums->end(), 0.0f);
        for_blocks_of_rule(chunk, [&]<int vectors, bool has_u>(std::int64_t column) {
            constexpr std::int64_t width = vectors * lanes;
            const std::int64_t size = chunk.keys * width;
            std::array<std::array<Vector, vectors>, chunk_steps> us;
            load_block<vectors>(before, sizes_, column, states_.data());
            load_block<vectors>(changed, sizes_, column, gradient_.data());
            for (std::int64_t t = 0; t < count; t++) {
                float *state = &states_[t * size];
                take_step<vectors, has_u>(chunk, t, column, state, state + size, us[t],
                                          &chunk.output[t * chunk.values + column]);
            }
            for (std::int64_t t = count - 1; t >= 0; t--)
                differentiate_step<vectors, has_u>(chunk, gradients, t, column, us[t], &states_[t * size], gradient_.data());
            store_block<vectors>(gradient_.data(), sizes_, column, changed);
        });
        if (sizes_.rule == StateRule::delta)
            for (std::size_t place = 0; place < gradients.key.size(); place++) gradients.key[place] -= gradients.write[place];
        if (sizes_.decays == 1)
            for (std::int64_t t = 0; t < count; t++) {
                float *first = &gradients.decay[t * chunk.keys];
                *first = std::accumulate(first, first + chunk.keys, 0.0f);
            }
    }

  private:
    // Allocates memory for blocks of states.
    void reserve(const Chunk &chunk, std::int64_t states) {
        const std::size_t size = chunk.keys * block_vectors * lanes;
        states_.resize(std::max(states_.size(), states * size));
        if (states > 1) gradient_.resize(size);
    }

    // Calls `use.operator()<vectors, has_u>(first value)` for each block of columns. The b of the delta rule is -k.
    template <class Use> void for_blocks_of_rule(Chunk &chunk, Use use) const {
        if (sizes_.rule == StateRule::delta) std::transform(chunk.key.begin(), chunk.key.end(), chunk.write.begin(), std::negate{});
        for_blocks<block_vectors>(sizes_.values, [&]<int vectors>(std::int64_t column) {
            if (sizes_.rule == StateRule::plain) use.template operator()<vectors, false>(column);
            else use.template operator()<vectors, true>(column);
        });
    }

    const MatrixSizes sizes_;
    std::vector<float> states_, gradient_;
};

} // namespace seqforge
