// A chunk of steps of matrix states that decay by one number a step, in products of small matrices, forward and backward.
//
// With Γ[r], the decay from the start of the chunk to the end of r steps, and D[r][s], that from the end of step s, the state
// after r steps is
//
//     S_r = Γ[r] S_0 + Σ_{s < r} D[r][s] k_s x_sᵀ
//
// where x is v, or v - u for the delta rule. Then q, which reads the state after its step, and a, which reads the state before
// it, need products of vectors of two steps only. See Yang et al. 2024, "Gated Delta Networks", arXiv 2412.06464, section 3.
#pragma once

#include "matrix_chunk.hpp"

namespace seqforge {

// The products of q or a of each step with the keys of all steps, and the same decayed: [steps, steps].
struct Scores {
    std::int64_t later; // 1 for q, which reads the state after its step
    std::vector<float> products = std::vector<float>(chunk_steps * chunk_steps), decayed = products;
};

// Computes chunks. The arguments of its functions are padded as those of a `Chunk`.
class ChunkProducts {
  public:
    explicit ChunkProducts(const MatrixSizes &sizes)
        : sizes_(sizes), keys_(padded(sizes.keys)), values_(padded(sizes.values)), state_(keys_ * values_),
          gradient_(state_), key_columns_(keys_ * chunk_steps), columns_(values_ * chunk_steps), added_columns_(columns_),
          by_row_(keys_ * chunk_steps), by_column_(by_row_), u_gradient_(columns_) {}

    // Computes the outputs and the state after the chunk.
    void run(std::int64_t count, Chunk &chunk, const float *before, float *after) {
        start(count, chunk);
        const float *state = in_whole_registers(before, state_);
        if (sizes_.rule == StateRule::delta) subtract_reads(chunk, state);
        compute_scores(chunk.query, for_query_);
        read_state(chunk.query, state, for_query_.later, chunk.output);
        multiply_matrices<Shape::lower>(rows_, count_, values_, {for_query_.decayed.data(), chunk_steps, 1},
                                        chunk.value.data(), add_to(chunk.output.data(), values_));
        for (std::int64_t step = 0; step < count_; step++)
            scale(&chunk.value[step * values_], values_, decays_[count_ * chunk_steps + step]);
        float *to = is_whole() ? after : state_.data();
        const Vector decay = broadcast(from_start_[count_]);
        multiply_matrices(keys_, count_, values_, {key_columns_.data(), chunk_steps, 1}, chunk.value.data(),
                          [&](std::int64_t key, std::int64_t column, Vector sums) {
                              const std::int64_t place = key * values_ + column;
                              store(to + place, multiply_add(decay, load(state + place), sums));
                          });
        if (!is_whole()) copy_matrix(to, values_, sizes_.keys, sizes_.values, after, sizes_.values);
    }

    // Computes the gradients of the vectors, and of the state before the chunk, which replaces that of the state after it.
    void differentiate(std::int64_t count, Chunk &chunk, Chunk &gradients, const float *before, float *changed) {
        start(count, chunk);
        clear_rows(gradients.output, values_);
        const float *state = in_whole_registers(before, state_);
        float *gradient = in_whole_registers(changed, gradient_);
        const bool is_delta = sizes_.rule == StateRule::delta;
        if (is_delta) subtract_reads(chunk, state);
        compute_scores(chunk.query, for_query_);
        differentiate_added(chunk, gradients, gradient);

        // The gradients of the products of vectors, of the reads of the state, and of keys that change the state after them.
        decay_gradients_.fill(0), from_start_gradients_.fill(0);
        transpose(chunk.value.data(), chunk_steps, values_, added_columns_.data());
        multiply_matrices(keys_, sizes_.values, chunk_steps, {gradient, values_, 1}, added_columns_.data(),
                          write_to(by_column_.data(), chunk_steps));
        transpose(by_column_.data(), keys_, chunk_steps, gradients.key.data());
        for (std::int64_t step = 0; step < count_; step++) {
            decay_gradients_[count_ * chunk_steps + step] += sum_of_products(gradients.key, chunk.key, step);
            scale(&gradients.key[step * keys_], keys_, decays_[count_ * chunk_steps + step]);
        }
        differentiate_reads(chunk.query, gradients.output, for_query_, chunk, gradients.key, gradients.query, state);
        if (is_delta) differentiate_reads(chunk.read, u_gradient_, for_read_, chunk, gradients.key, gradients.read, state);

        // The gradient of the state before the chunk.
        Vector sums = zero();
        for (std::int64_t place = 0; place < keys_ * values_; place += lanes)
            sums = multiply_add(load(gradient + place), load(state + place), sums);
        from_start_gradients_[count_] += sum(sums);
        add_state_gradient(chunk.query, gradients.output, for_query_.later, from_start_[count_], gradient);
        if (is_delta) add_state_gradient(chunk.read, u_gradient_, for_read_.later, 1.0f, gradient);
        if (!is_whole()) copy_matrix(gradient, values_, sizes_.keys, sizes_.values, changed, sizes_.values);
        differentiate_decays(chunk, gradients.decay);
    }

  private:
    using Numbers = std::vector<float>;

    // Whether a state can be used where it is.
    bool is_whole() const { return sizes_.keys == keys_ && sizes_.values == values_; }

    static void copy_matrix(const float *from, std::int64_t from_row, std::int64_t rows, std::int64_t columns, float *to,
                            std::int64_t to_row) {
        for (std::int64_t row = 0; row < rows; row++) std::copy_n(from + row * from_row, columns, to + row * to_row);
    }
    template <class Number> Number *in_whole_registers(Number *state, Numbers &copy) const {
        if (is_whole()) return state;
        copy_matrix(state, sizes_.values, sizes_.keys, sizes_.values, copy.data(), values_);
        return copy.data();
    }

    float sum_of_products(const Numbers &left, const Numbers &right, std::int64_t step) const {
        Vector sums = zero();
        for (std::int64_t key = step * keys_; key < (step + 1) * keys_; key += lanes)
            sums = multiply_add(load(&left[key]), load(&right[key]), sums);
        return sum(sums);
    }

    // Steps after the last one, in a shorter chunk, get no influence on the others.
    void clear_rows(Numbers &rows, std::int64_t size) const { std::fill(rows.begin() + count_ * size, rows.end(), 0.0f); }

    void start(std::int64_t count, Chunk &chunk) {
        count_ = count;
        rows_ = (count + 7) / 8 * 8;
        for (Numbers *each : {&chunk.query, &chunk.key, &chunk.read}) clear_rows(*each, keys_);
        clear_rows(chunk.value, values_);
        transpose(chunk.key.data(), chunk_steps, keys_, key_columns_.data());
        decays_.fill(0), from_start_.fill(0);
        from_start_[0] = 1;
        for (std::int64_t step = 0; step < count; step++) {
            const float decay = chunk.decay[step * keys_];
            float *from = &decays_[step * chunk_steps], *to = from + chunk_steps;
            for (std::int64_t other = 0; other < step; other++) to[other] = decay * from[other];
            to[step] = 1;
            from_start_[step + 1] = decay * from_start_[step];
        }
    }

    void compute_scores(const Numbers &reading, Scores &scores) const {
        multiply_matrices(rows_, sizes_.keys, chunk_steps, {reading.data(), keys_, 1}, key_columns_.data(),
                          [&](std::int64_t row, std::int64_t column, Vector sums) {
                              const std::int64_t place = row * chunk_steps + column;
                              store(&scores.products[place], sums);
                              store(&scores.decayed[place], sums * load(&decays_[scores.later * chunk_steps + place]));
                          });
    }

    // Computes what vectors read of the state before the chunk.
    void read_state(const Numbers &reading, const float *state, std::int64_t later, Numbers &reads) const {
        multiply_matrices(rows_, sizes_.keys, values_, {reading.data(), keys_, 1}, state,
                          [&](std::int64_t row, std::int64_t column, Vector sums) {
                              store(&reads[row * values_ + column], sums * broadcast(from_start_[row + later]));
                          });
    }

    // Replaces v by v - u, which each step needs of those before it.
    void subtract_reads(Chunk &chunk, const float *state) {
        compute_scores(chunk.read, for_read_);
        read_state(chunk.read, state, for_read_.later, chunk.output);
        for_blocks<4>(values_, [&]<int vectors>(std::int64_t column) {
            for (std::int64_t step = 0; step < count_; step++) {
                auto u = load_each<vectors>(&chunk.output[step * values_ + column]);
                for (std::int64_t other = 0; other < step; other++) {
                    const Vector score = broadcast(for_read_.decayed[step * chunk_steps + other]);
                    for (int j = 0; j < vectors; j++)
                        u[j] = multiply_add(score, load(&chunk.value[other * values_ + column + j * lanes]), u[j]);
                }
                for (int j = 0; j < vectors; j++) {
                    float *value = &chunk.value[step * values_ + column + j * lanes];
                    store(value, load(value) - u[j]);
                }
            }
        });
    }

    // Computes the gradients of v, and of u, which is -1 times that of v.
    void differentiate_added(const Chunk &chunk, Chunk &gradients, const float *gradient) {
        float *added = gradients.value.data();
        multiply_matrices(rows_, sizes_.keys, values_, {chunk.key.data(), keys_, 1}, gradient,
                          [&](std::int64_t row, std::int64_t column, Vector sums) {
                              store(added + row * values_ + column,
                                    sums * broadcast(decays_[count_ * chunk_steps + row]));
                          });
        multiply_matrices<Shape::upper>(rows_, count_, values_, {for_query_.decayed.data(), 1, chunk_steps},
                                        gradients.output.data(), add_to(added, values_));
        if (sizes_.rule != StateRule::delta) return;
        clear_rows(u_gradient_, values_);
        for_blocks<4>(values_, [&]<int vectors>(std::int64_t column) {
            for (std::int64_t step = count_ - 1; step >= 0; step--) {
                auto sums = load_each<vectors>(added + step * values_ + column);
                for (std::int64_t other = step + 1; other < count_; other++) {
                    const Vector score = broadcast(for_read_.decayed[other * chunk_steps + step]);
                    for (int j = 0; j < vectors; j++)
                        sums[j] = multiply_add(score, load(&u_gradient_[other * values_ + column + j * lanes]), sums[j]);
                }
                for (int j = 0; j < vectors; j++) {
                    store(added + step * values_ + column + j * lanes, sums[j]);
                    store(&u_gradient_[step * values_ + column + j * lanes], zero() - sums[j]);
                }
            }
        });
    }

    // Computes the gradients of q or a, and adds those of keys and decays, given that of what they read.
    void differentiate_reads(const Numbers &reading, const Numbers &reads_gradient, const Scores &scores, const Chunk &chunk,
                             Numbers &key_gradient, Numbers &reading_gradient, const float *state) {
        const std::int64_t later = scores.later;
        multiply_matrices(rows_, sizes_.values, chunk_steps, {reads_gradient.data(), values_, 1}, added_columns_.data(),
                          [&](std::int64_t row, std::int64_t column, Vector sums) {
                              const std::int64_t place = row * chunk_steps + column, later_place = place + later * chunk_steps;
                              store(&score_gradients_[place], sums * load(&decays_[later_place]));
                              float *decays = &decay_gradients_[later_place];
                              store(decays, multiply_add(sums, load(&scores.products[place]), load(decays)));
                          });
        transpose(reads_gradient.data(), chunk_steps, values_, columns_.data());
        multiply_matrices(keys_, sizes_.values, chunk_steps, {state, values_, 1}, columns_.data(),
                          write_to(by_column_.data(), chunk_steps));
        transpose(by_column_.data(), keys_, chunk_steps, by_row_.data());
        for (std::int64_t step = 0; step < count_; step++)
            from_start_gradients_[step + later] += sum_of_products(by_row_, reading, step);
        multiply_matrices<Shape::lower>(rows_, count_, keys_, {score_gradients_.data(), chunk_steps, 1}, chunk.key.data(),
                                        [&](std::int64_t row, std::int64_t column, Vector sums) {
                                            const Vector decay = broadcast(from_start_[row + later]);
                                            const std::int64_t place = row * keys_ + column;
                                            store(&reading_gradient[place], multiply_add(decay, load(&by_row_[place]), sums));
                                        });
        multiply_matrices<Shape::upper>(rows_, count_, keys_, {score_gradients_.data(), 1, chunk_steps}, reading.data(),
                                        add_to(key_gradient.data(), keys_));
    }

    // Multiplies the gradient of the state by a number, and adds that of what vectors read, whose rows it scales.
    void add_state_gradient(const Numbers &reading, Numbers &reads_gradient, std::int64_t later, float factor,
                            float *gradient) const {
        for (std::int64_t step = 0; step < count_; step++)
            scale(&reads_gradient[step * values_], values_, from_start_[step + later]);
        multiply_matrices(keys_, count_, values_, {reading.data(), 1, keys_}, reads_gradient.data(),
                          [&](std::int64_t key, std::int64_t column, Vector sums) {
                              float *place = gradient + key * values_ + column;
                              store(place, multiply_add(broadcast(factor), load(place), sums));
                          });
    }

    // Computes the gradient of the decay of each step, by which the decays until it are multiplied.
    void differentiate_decays(const Chunk &chunk, Numbers &decay_gradient) {
        std::array<float, chunk_steps> gradients{};
        float from_start = 0;
        for (std::int64_t step = count_ - 1; step >= 0; step--) {
            const float decay = chunk.decay[step * keys_];
            from_start += from_start_gradients_[step + 1];
            float total = from_start * from_start_[step];
            from_start *= decay;
            for (std::int64_t other = 0; other < step; other++) {
                gradients[other] += decay_gradients_[(step + 1) * chunk_steps + other];
                total += gradients[other] * decays_[step * chunk_steps + other];
                gradients[other] *= decay;
            }
            decay_gradient[step * keys_] = total;
        }
    }

    const MatrixSizes sizes_;
    const std::int64_t keys_, values_;
    std::int64_t count_ = 0, rows_ = 0; // steps of the chunk, and as whole tiles
    Numbers state_, gradient_;          // copies
    Numbers key_columns_, columns_, added_columns_, by_row_, by_column_, u_gradient_;
    Scores for_query_{1}, for_read_{0};
    std::array<float, chunk_steps * chunk_steps> score_gradients_{};
    std::array<float, (chunk_steps + 1) * chunk_steps> decays_{}, decay_gradients_{};
    std::array<float, chunk_steps + 1> from_start_{}, from_start_gradients_{};
};

} // namespace seqforge
