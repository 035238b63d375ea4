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
#include <cstring>
#include <vector>

#include "threads.hpp"
#include "vector.hpp"

namespace seqforge {

struct MatrixStates {
    std::int64_t steps, rows, keys, values;
    std::int64_t decays;  // numbers by which a step decays a row: 1, or one for each key
    std::int64_t is_delta; // whether there are u, a and b
    std::int64_t threads;
    const float *query, *key, *read, *write; // [steps, rows, keys]
    const float *value;                      // [steps, rows, values]
    const float *decay;                      // w, [steps, rows, decays]
    const float *start;                      // [rows, keys, values]
    float *outputs;                          // [steps, rows, values]
    float *end;                              // [rows, keys, values]
    float *checkpoints;                      // [chunks, rows, keys, values]: states before each chunk; null if not needed
    const float *output_gradient, *end_gradient;
    float *query_gradient, *key_gradient, *read_gradient, *write_gradient, *value_gradient, *decay_gradient, *start_gradient;
};

constexpr std::int64_t chunk_steps = 16;
constexpr std::int64_t block_vectors = 4;
// Rows that a thread computes in turns, chunk by chunk, since their vectors of a step are next to each other in memory.
constexpr std::int64_t group_rows = 4;

inline std::int64_t padded(std::int64_t size) { return (size + lanes - 1) / lanes * lanes; }

// Memory of a thread for the vectors of a chunk of one row, padded with zeros to whole registers.
struct Chunk {
    std::int64_t keys, values; // padded
    std::vector<float> query, key, read, write, decay, value, output;

    explicit Chunk(const MatrixStates &call)
        : keys(padded(call.keys)), values(padded(call.values)), query(chunk_steps * keys), key(query), read(query),
          write(query), decay(query), value(chunk_steps * values), output(value) {}
};

// Copies a vector of a row out of, or into, a tensor [steps, rows, size], for each step of a chunk.
inline void gather(const float *from, std::int64_t rows, std::int64_t row, std::int64_t size, std::int64_t first,
                   std::int64_t count, std::int64_t stride, float *to) {
    for (std::int64_t t = 0; t < count; t++)
        std::memcpy(to + t * stride, from + ((first + t) * rows + row) * size, size * sizeof(float));
}
inline void scatter(const float *from, std::int64_t stride, std::int64_t rows, std::int64_t row, std::int64_t size,
                    std::int64_t first, std::int64_t count, float *to) {
    for (std::int64_t t = 0; t < count; t++)
        std::memcpy(to + ((first + t) * rows + row) * size, from + t * stride, size * sizeof(float));
}

inline void gather_parts(const MatrixStates &call, std::int64_t row, std::int64_t first, std::int64_t count, Chunk &chunk) {
    gather(call.query, call.rows, row, call.keys, first, count, chunk.keys, chunk.query.data());
    gather(call.key, call.rows, row, call.keys, first, count, chunk.keys, chunk.key.data());
    gather(call.value, call.rows, row, call.values, first, count, chunk.values, chunk.value.data());
    gather(call.decay, call.rows, row, call.decays, first, count, chunk.keys, chunk.decay.data());
    if (call.is_delta) {
        gather(call.read, call.rows, row, call.keys, first, count, chunk.keys, chunk.read.data());
        gather(call.write, call.rows, row, call.keys, first, count, chunk.keys, chunk.write.data());
    }
}

// Copies columns of a state [keys, values] into padded memory [padded keys, vectors * lanes], or back.
inline void load_block(const float *state, const MatrixStates &call, std::int64_t column, std::int64_t width, float *block) {
    const std::int64_t own = std::min(width, call.values - column);
    for (std::int64_t i = 0; i < call.keys; i++) {
        std::memcpy(block + i * width, state + i * call.values + column, own * sizeof(float));
        std::fill(block + i * width + own, block + (i + 1) * width, 0.0f);
    }
    std::fill(block + call.keys * width, block + padded(call.keys) * width, 0.0f);
}
inline void store_block(const float *block, const MatrixStates &call, std::int64_t column, std::int64_t width, float *state) {
    const std::int64_t own = std::min(width, call.values - column);
    for (std::int64_t i = 0; i < call.keys; i++)
        std::memcpy(state + i * call.values + column, block + i * width, own * sizeof(float));
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
template <class Use> void with_rule(const MatrixStates &call, Use use) {
    const bool is_by_key = call.decays > 1;
    if (call.is_delta && is_by_key) use.template operator()<true, true>();
    else if (call.is_delta) use.template operator()<true, false>();
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

inline void run_matrix_forward(const MatrixStates &call) {
    const std::int64_t size = call.keys * call.values, groups = (call.rows + group_rows - 1) / group_rows;
    on_own_rows(groups, call.threads, [&](std::int64_t first_group, std::int64_t last_group) {
        Chunk chunk(call);
        std::vector<float> block(padded(call.keys) * block_vectors * lanes);
        for (std::int64_t row = first_group * group_rows; row < std::min(last_group * group_rows, call.rows); row++)
            std::memcpy(call.end + row * size, call.start + row * size, size * sizeof(float));
        for (std::int64_t group = first_group; group < last_group; group++)
            for (std::int64_t first = 0; first < call.steps; first += chunk_steps) {
                const std::int64_t count = std::min(chunk_steps, call.steps - first);
                for (std::int64_t row = group * group_rows; row < std::min((group + 1) * group_rows, call.rows); row++) {
                    float *state = call.end + row * size;
                    if (call.checkpoints)
                        std::memcpy(call.checkpoints + (first / chunk_steps * call.rows + row) * size, state,
                                    size * sizeof(float));
                    gather_parts(call, row, first, count, chunk);
                    with_rule(call, [&]<bool is_delta, bool is_by_key>() {
                        for_blocks(call.values, [&]<int vectors>(std::int64_t column) {
                            std::array<Vector, vectors> u;
                            load_block(state, call, column, vectors * lanes, block.data());
                            for (std::int64_t t = 0; t < count; t++)
                                take_step<vectors, is_delta, is_by_key>(chunk, t, column, block.data(), block.data(), u,
                                                                        &chunk.output[t * chunk.values + column]);
                            store_block(block.data(), call, column, vectors * lanes, state);
                        });
                    });
                    scatter(chunk.output.data(), chunk.values, call.rows, row, call.values, first, count, call.outputs);
                }
            }
    });
}

// Memory of a thread for the backward pass.
struct BackwardChunk : Chunk {
    std::vector<float> output_gradient, states, state_gradient, us, query_gradient, key_gradient, read_gradient,
        write_gradient, decay_gradient, value_gradient;

    explicit BackwardChunk(const MatrixStates &call)
        : Chunk(call), output_gradient(value), states((chunk_steps + 1) * keys * block_vectors * lanes),
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

inline void run_matrix_backward(const MatrixStates &call) {
    const std::int64_t size = call.keys * call.values, groups = (call.rows + group_rows - 1) / group_rows;
    on_own_rows(groups, call.threads, [&](std::int64_t first_group, std::int64_t last_group) {
        BackwardChunk chunk(call);
        for (std::int64_t row = first_group * group_rows; row < std::min(last_group * group_rows, call.rows); row++)
            std::memcpy(call.start_gradient + row * size, call.end_gradient + row * size, size * sizeof(float));
        for (std::int64_t group = first_group; group < last_group; group++)
            for (std::int64_t first = (call.steps - 1) / chunk_steps * chunk_steps; first >= 0; first -= chunk_steps) {
                const std::int64_t count = std::min(chunk_steps, call.steps - first);
                for (std::int64_t row = group * group_rows; row < std::min((group + 1) * group_rows, call.rows); row++) {
                    const float *state = call.checkpoints + (first / chunk_steps * call.rows + row) * size;
                    float *gradient = call.start_gradient + row * size;
                    gather_parts(call, row, first, count, chunk);
                    gather(call.output_gradient, call.rows, row, call.values, first, count, chunk.values,
                           chunk.output_gradient.data());
                    for (auto *sums : {&chunk.query_gradient, &chunk.key_gradient, &chunk.read_gradient,
                                       &chunk.write_gradient, &chunk.decay_gradient})
                        std::fill(sums->begin(), sums->end(), 0.0f);
                    with_rule(call, [&]<bool is_delta, bool is_by_key>() {
                        for_blocks(call.values, [&]<int vectors>(std::int64_t column) {
                            constexpr std::int64_t width = vectors * lanes;
                            load_block(state, call, column, width, chunk.states.data());
                            load_block(gradient, call, column, width, chunk.state_gradient.data());
                            for (std::int64_t t = 0; t < count; t++) {
                                std::array<Vector, vectors> u;
                                float *before = &chunk.states[t * chunk.keys * width];
                                take_step<vectors, is_delta, is_by_key>(chunk, t, column, before, before + chunk.keys * width,
                                                                        u, &chunk.output[t * chunk.values + column]);
                                if constexpr (is_delta)
                                    for (int j = 0; j < vectors; j++) store(&chunk.us[t * width + j * lanes], u[j]);
                            }
                            for (std::int64_t t = count - 1; t >= 0; t--)
                                differentiate_step<vectors, is_delta, is_by_key>(chunk, t, column);
                            store_block(chunk.state_gradient.data(), call, column, width, gradient);
                        });
                    });
                    const auto write = [&](const std::vector<float> &from, std::int64_t stride, std::int64_t width, float *to) {
                        scatter(from.data(), stride, call.rows, row, width, first, count, to);
                    };
                    write(chunk.query_gradient, chunk.keys, call.keys, call.query_gradient);
                    write(chunk.key_gradient, chunk.keys, call.keys, call.key_gradient);
                    write(chunk.value_gradient, chunk.values, call.values, call.value_gradient);
                    write(chunk.decay_gradient, chunk.keys, call.decays, call.decay_gradient);
                    if (call.is_delta) {
                        write(chunk.read_gradient, chunk.keys, call.keys, call.read_gradient);
                        write(chunk.write_gradient, chunk.keys, call.keys, call.write_gradient);
                    }
                }
            }
    });
}

} // namespace seqforge
