// The recurrence of matrix states, forward and backward. For each row, a head of a sequence, a step computes
//
//     u = Sᵀ a;  S' = diag(w) S + b uᵀ + k vᵀ;  o = S'ᵀ q
//
// Columns of S, which belong to values, do not depend on each other. A block of columns stays in the L1 cache for a chunk
// of steps. The backward pass computes the states of a chunk again, from the state before it, which the forward pass
// stores. Vectors of a chunk are copied to memory of their own first: in the tensors, those of one row are whole steps
// apart, often a power of two, so that they would share a few lines of the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "threads.hpp"
#include "vector.hpp"

namespace seqforge {

struct MatrixSizes {
    std::int64_t keys, values;
    std::int64_t decays;  // numbers by which a step decays a row: 1, or one for each key
    std::int64_t is_delta; // whether there are u, a and b
};

constexpr std::int64_t chunk_steps = 16;
constexpr std::int64_t block_vectors = 4;

inline std::int64_t padded(std::int64_t size) { return (size + lanes - 1) / lanes * lanes; }

// Memory of a thread for the vectors of a chunk of one row, padded with zeros to whole registers.
struct Chunk {
    std::int64_t keys, values; // padded
    std::vector<float> query, key, read, write, decay, value, output;

    explicit Chunk(const MatrixSizes &sizes)
        : keys(padded(sizes.keys)), values(padded(sizes.values)), query(chunk_steps * keys), key(query), read(query),
          write(query), decay(query), value(chunk_steps * values), output(value) {}
};

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

// Calls `use.operator()<vectors>(first value)` for each block of columns.
template <class Use> void for_blocks(std::int64_t values, Use use) {
    for (std::int64_t column = 0; column < values; column += block_vectors * lanes) {
        switch (std::min(block_vectors, (values - column + lanes - 1) / lanes)) {
        case 1: use.template operator()<1>(column); break;
        case 2: use.template operator()<2>(column); break;
        case 3: use.template operator()<3>(column); break;
        default: use.template operator()<4>(column); break;
        }
    }
}

// Calls `use.operator()<is_delta, is_by_key>()` for the rule of a call.
template <class Use> void with_rule(const MatrixSizes &sizes, Use use) {
    const bool is_by_key = sizes.decays > 1;
    if (sizes.is_delta && is_by_key) use.template operator()<true, true>();
    else if (sizes.is_delta) use.template operator()<true, false>();
    else if (is_by_key) use.template operator()<false, true>();
    else use.template operator()<false, false>();
}

// Computes one step of a block of columns: the state, u and what is read.
template <int vectors, bool is_delta, bool is_by_key>
inline void take_step(const Chunk &chunk, std::int64_t t, std::int64_t column, const float *before, float *after,
                      std::array<Vector, vectors> &u, float *read_out) {
    constexpr std::int64_t width = vectors * lanes;
    const float *q = &chunk.query[t * chunk.keys], *k = &chunk.key[t * chunk.keys], *w = &chunk.decay[t * chunk.keys];
    const float *a = &chunk.read[t * chunk.keys], *b = &chunk.write[t * chunk.keys];
    const auto v = load_each<vectors>(&chunk.value[t * chunk.values + column]);
    if constexpr (is_delta) {
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
        const Vector decay = broadcast(w[is_by_key ? i : 0]), key = broadcast(k[i]), query = broadcast(q[i]);
        for (int j = 0; j < vectors; j++) {
            Vector s = multiply_add(key, v[j], decay * load(before + i * width + j * lanes));
            if constexpr (is_delta) s = multiply_add(broadcast(b[i]), u[j], s);
            store(after + i * width + j * lanes, s);
            o[j] = multiply_add(query, s, o[j]);
        }
    }
    for (int j = 0; j < vectors; j++) store(read_out + j * lanes, o[j]);
}

// Computes the chunk of one row: its outputs, and the state after it.
inline void run_chunk(const MatrixSizes &sizes, std::int64_t count, Chunk &chunk, const float *before, float *after,
                      float *block) {
    with_rule(sizes, [&]<bool is_delta, bool is_by_key>() {
        for_blocks(sizes.values, [&]<int vectors>(std::int64_t column) {
            std::array<Vector, vectors> u;
            load_block<vectors>(before, sizes, column, block);
            for (std::int64_t t = 0; t < count; t++)
                take_step<vectors, is_delta, is_by_key>(chunk, t, column, block, block, u,
                                                        &chunk.output[t * chunk.values + column]);
            store_block<vectors>(block, sizes, column, after);
        });
    });
}

// Memory of a thread for the backward pass.
struct BackwardChunk : Chunk {
    std::vector<float> output_gradient, states, state_gradient, us, query_gradient, key_gradient, read_gradient,
        write_gradient, decay_gradient, value_gradient;

    explicit BackwardChunk(const MatrixSizes &sizes)
        : Chunk(sizes), output_gradient(value), states((chunk_steps + 1) * keys * block_vectors * lanes),
          state_gradient(keys * block_vectors * lanes), us(chunk_steps * block_vectors * lanes), query_gradient(query),
          key_gradient(query), read_gradient(query), write_gradient(query), decay_gradient(query), value_gradient(value) {}
};

// Sums over a row of the state, for `lanes` keys at once.
using RowSums = std::array<Vector, lanes>;

inline void add_sums(const RowSums &rows, float *to) { store(to, load(to) + sums_of_each(rows)); }

// Computes the gradients of one step of a block of columns, given that of the state after it, which becomes that of the
// state before it.
template <int vectors, bool is_delta, bool is_by_key>
inline void differentiate_step(BackwardChunk &chunk, std::int64_t t, std::int64_t column) {
    constexpr std::int64_t width = vectors * lanes;
    const std::int64_t at = t * chunk.keys;
    const float *q = &chunk.query[at], *k = &chunk.key[at], *w = &chunk.decay[at], *a = &chunk.read[at], *b = &chunk.write[at];
    const float *before = &chunk.states[t * chunk.keys * width], *after = before + chunk.keys * width;
    float *gradient = chunk.state_gradient.data();
    const auto v = load_each<vectors>(&chunk.value[t * chunk.values + column]);
    const auto out = load_each<vectors>(&chunk.output_gradient[t * chunk.values + column]);
    std::array<Vector, vectors> u, v_gradient, u_gradient;
    if constexpr (is_delta) u = load_each<vectors>(&chunk.us[t * width]);
    v_gradient.fill(zero()), u_gradient.fill(zero());
    Vector decay_sum = zero();
    for (std::int64_t first = 0; first < chunk.keys; first += lanes) {
        RowSums for_query, for_key, for_write, for_decay;
        for (int index = 0; index < lanes; index++) {
            const std::int64_t i = first + index;
            Vector query_sum = zero(), key_sum = zero(), write_sum = zero(), row_decay_sum = zero();
            for (int j = 0; j < vectors; j++) {
                const std::int64_t place = i * width + j * lanes;
                const Vector d = multiply_add(out[j], broadcast(q[i]), load(gradient + place));
                query_sum = multiply_add(load(after + place), out[j], query_sum);
                key_sum = multiply_add(d, v[j], key_sum);
                v_gradient[j] = multiply_add(d, broadcast(k[i]), v_gradient[j]);
                row_decay_sum = multiply_add(d, load(before + place), row_decay_sum);
                if constexpr (is_delta) {
                    write_sum = multiply_add(d, u[j], write_sum);
                    u_gradient[j] = multiply_add(d, broadcast(b[i]), u_gradient[j]);
                    store(gradient + place, d);
                } else store(gradient + place, d * broadcast(w[is_by_key ? i : 0]));
            }
            for_query[index] = query_sum, for_key[index] = key_sum;
            if constexpr (is_delta) for_write[index] = write_sum;
            if constexpr (is_by_key) for_decay[index] = row_decay_sum;
            else decay_sum = decay_sum + row_decay_sum;
        }
        add_sums(for_query, &chunk.query_gradient[at + first]);
        add_sums(for_key, &chunk.key_gradient[at + first]);
        if constexpr (is_delta) add_sums(for_write, &chunk.write_gradient[at + first]);
        if constexpr (is_by_key) add_sums(for_decay, &chunk.decay_gradient[at + first]);
    }
    if constexpr (!is_by_key) chunk.decay_gradient[at] += sum(decay_sum);
    for (int j = 0; j < vectors; j++) store(&chunk.value_gradient[t * chunk.values + column + j * lanes], v_gradient[j]);
    if constexpr (is_delta)
        for (std::int64_t first = 0; first < chunk.keys; first += lanes) {
            RowSums for_read;
            for (int index = 0; index < lanes; index++) {
                const std::int64_t i = first + index;
                const Vector decay = broadcast(w[is_by_key ? i : 0]), read = broadcast(a[i]);
                Vector read_sum = zero();
                for (int j = 0; j < vectors; j++) {
                    const std::int64_t place = i * width + j * lanes;
                    read_sum = multiply_add(load(before + place), u_gradient[j], read_sum);
                    store(gradient + place, multiply_add(u_gradient[j], read, decay * load(gradient + place)));
                }
                for_read[index] = read_sum;
            }
            add_sums(for_read, &chunk.read_gradient[at + first]);
        }
}

// Computes the gradients of the chunk of one row from those of its outputs and of the state after it, which becomes that of
// the state before it.
inline void differentiate_chunk(const MatrixSizes &sizes, std::int64_t count, BackwardChunk &chunk, const float *state,
                                float *gradient) {
    for (auto *sums :
         {&chunk.query_gradient, &chunk.key_gradient, &chunk.read_gradient, &chunk.write_gradient, &chunk.decay_gradient})
        std::fill(sums->begin(), sums->end(), 0.0f);
    with_rule(sizes, [&]<bool is_delta, bool is_by_key>() {
        for_blocks(sizes.values, [&]<int vectors>(std::int64_t column) {
            constexpr std::int64_t width = vectors * lanes;
            load_block<vectors>(state, sizes, column, chunk.states.data());
            load_block<vectors>(gradient, sizes, column, chunk.state_gradient.data());
            for (std::int64_t t = 0; t < count; t++) {
                std::array<Vector, vectors> u;
                float *before = &chunk.states[t * chunk.keys * width];
                take_step<vectors, is_delta, is_by_key>(chunk, t, column, before, before + chunk.keys * width, u,
                                                        &chunk.output[t * chunk.values + column]);
                if constexpr (is_delta)
                    for (int j = 0; j < vectors; j++) store(&chunk.us[t * width + j * lanes], u[j]);
            }
            for (std::int64_t t = count - 1; t >= 0; t--)
                differentiate_step<vectors, is_delta, is_by_key>(chunk, t, column);
            store_block<vectors>(chunk.state_gradient.data(), sizes, column, gradient);
        });
    });
}

} // namespace seqforge
