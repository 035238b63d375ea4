// A cell with a matrix state, forward and backward, chunk by chunk: a program computes the parts of each step, the
// recurrence reads the state, and the program computes the output. Everything between the projection of the input and the
// output stays in the cache. The backward pass computes the parts and the states of a chunk again.
#pragma once

#include "matrix_states.hpp"
#include "row_program.hpp"
#include "row_sequence.hpp"
#include "threads.hpp"

namespace seqforge {

// Where the numbers of a row that the recurrence and the program exchange are: the distance between those of two heads, and
// between two numbers of a head. A program may not have some of them: their space is then -1.
struct Port {
    std::int64_t space, offset, head, number;
};

struct Ports {
    Port input, mixed, query, key, value, decay, read, write, reads, output;
};

struct MatrixCell {
    std::int64_t steps, rows, heads;
    MatrixSizes sizes;
    std::int64_t input_size, mixed_size, output_size, is_bfloat16; // whether the projected inputs are in bfloat16
    std::int64_t kept_size, temporary_size, gradient_size, threads;
    std::int64_t phase_ends[3]; // before the recurrence, before the backward recurrence, and after it
    const Instruction *instructions;
    const Ports *ports, *gradient_ports;
    const void *inputs;        // projected inputs, [steps, rows, input_size]
    const float *mixed;        // [steps, rows, mixed_size]
    float *parameters;         // with the constants of the program
    const float *start;        // [rows, heads, keys, values]
    float *reads;              // [steps, rows, heads, values]; null if not needed
    float *outputs;            // [steps, rows, output_size]
    float *end;                // as start
    float *checkpoints;        // [chunks, rows, heads, keys, values]: states before each chunk; null if not needed
    const float *output_gradient, *end_gradient;
    void *input_gradient;
    float *mixed_gradient, *start_gradient;
    float *parameter_gradients; // [threads, gradient_size]
};

// Copies a vector, or one number for all of its places, to padded memory; and a padded vector back.
inline void copy_to_padded(const float *from, std::int64_t size, bool moves, float *to) {
    for (std::int64_t k = 0; k < size; k += lanes) store(to + k, load_part(from, k, size, moves));
}
inline void copy_from_padded(const float *from, std::int64_t size, float *to) {
    for (std::int64_t k = 0; k < size; k += lanes) store_part(to, k, size, load(from + k));
}

// The memory of a thread: for each step of a chunk, what later phases read.
class CellRows {
  public:
    explicit CellRows(const MatrixCell &call)
        : call_(call), temporary_(call.temporary_size), kept_(chunk_steps * call.kept_size) {}

    RowMemory memory(std::int64_t t) {
        const std::int64_t gradients = call_.parameter_gradients ? omp_get_thread_num() * call_.gradient_size : 0;
        return {temporary_.data(), kept_.data() + t * call_.kept_size, call_.parameters,
                call_.parameter_gradients + gradients};
    }

    // Runs a phase of the program for a step.
    void run(int phase, std::int64_t t) {
        const std::int64_t first = phase ? call_.phase_ends[phase - 1] : 0;
        run_program(call_.instructions + first, call_.instructions + call_.phase_ends[phase], memory(t));
    }

    // Copies numbers of a step to the memory of the program, or sets what a program lacks to zero.
    template <class Number> void load(const Port &port, std::int64_t t, const Number *from, std::int64_t count) {
        if (port.space >= 0) copy_numbers(from, count, memory(t)[port.space] + port.offset);
    }
    template <class Number> void store(const Port &port, std::int64_t t, std::int64_t count, Number *to) {
        if (port.space >= 0) copy_numbers(memory(t)[port.space] + port.offset, count, to);
        else std::fill_n(to, count, Number{});
    }

    // Copies the vectors of one head to the chunk, for each of its steps, or back.
    void gather(const Port &port, std::int64_t head, std::int64_t count, std::int64_t size, std::int64_t stride, float *to) {
        if (port.space < 0) return;
        for (std::int64_t t = 0; t < count; t++) {
            const float *from = memory(t)[port.space] + port.offset + head * port.head;
            copy_to_padded(from, size, port.number, to + t * stride);
        }
    }
    void scatter(const Port &port, std::int64_t head, std::int64_t count, std::int64_t size, std::int64_t stride,
                 const float *from) {
        if (port.space < 0) return;
        for (std::int64_t t = 0; t < count; t++)
            copy_from_padded(from + t * stride, size, memory(t)[port.space] + port.offset + head * port.head);
    }

    void load_inputs(std::int64_t first, std::int64_t row, std::int64_t t) {
        const std::int64_t index = (first + t) * call_.rows + row;
        const Ports &ports = *call_.ports;
        if (call_.is_bfloat16)
            load(ports.input, t, static_cast<const bfloat16 *>(call_.inputs) + index * call_.input_size, call_.input_size);
        else load(ports.input, t, static_cast<const float *>(call_.inputs) + index * call_.input_size, call_.input_size);
        load(ports.mixed, t, call_.mixed + index * call_.mixed_size, call_.mixed_size);
    }

    // Copies the vectors of one head to a chunk. A head may have one decay for all keys.
    void gather_parts(std::int64_t head, std::int64_t count, Chunk &chunk) {
        for_each_part(*call_.ports, chunk, call_.sizes.keys,
                      [&](const Port &port, std::int64_t size, std::int64_t stride, auto &to) {
                          gather(port, head, count, size, stride, to.data());
                      });
    }
    void scatter_gradients(std::int64_t head, std::int64_t count, Chunk &gradients) {
        for_each_part(*call_.gradient_ports, gradients, call_.sizes.decays,
                      [&](const Port &port, std::int64_t size, std::int64_t stride, const auto &from) {
                          scatter(port, head, count, size, stride, from.data());
                      });
    }

    void store_gradients(std::int64_t first, std::int64_t row, std::int64_t t) {
        const std::int64_t index = (first + t) * call_.rows + row;
        const Ports &ports = *call_.gradient_ports;
        if (call_.is_bfloat16)
            store(ports.input, t, call_.input_size, static_cast<bfloat16 *>(call_.input_gradient) + index * call_.input_size);
        else store(ports.input, t, call_.input_size, static_cast<float *>(call_.input_gradient) + index * call_.input_size);
        store(ports.mixed, t, call_.mixed_size, call_.mixed_gradient + index * call_.mixed_size);
    }

  private:
    // Calls `use(port, size, stride, vectors)` for each of the vectors that the program computes.
    template <class Use> void for_each_part(const Ports &ports, Chunk &chunk, std::int64_t decays, Use use) const {
        const std::int64_t keys = call_.sizes.keys;
        use(ports.query, keys, chunk.keys, chunk.query), use(ports.key, keys, chunk.keys, chunk.key);
        use(ports.value, call_.sizes.values, chunk.values, chunk.value), use(ports.decay, decays, chunk.keys, chunk.decay);
        use(ports.read, keys, chunk.keys, chunk.read), use(ports.write, keys, chunk.keys, chunk.write);
    }

    const MatrixCell &call_;
    std::vector<float> temporary_, kept_;
};

inline void run_cell_forward(const MatrixCell &call) {
    const MatrixSizes &sizes = call.sizes;
    const std::int64_t size = sizes.keys * sizes.values, all = call.heads * size, width = call.heads * sizes.values;
    on_own_rows(call.rows, call.threads, [&](std::int64_t first_row, std::int64_t last_row) {
        CellRows rows(call);
        Chunk chunk(sizes);
        MatrixStates states(sizes);
        for (std::int64_t row = first_row; row < last_row; row++) {
            const float *before = call.start + row * all;
            for (std::int64_t first = 0; first < call.steps; first += chunk_steps) {
                const std::int64_t count = std::min(chunk_steps, call.steps - first);
                float *after = call.end + row * all;
                if (call.checkpoints) {
                    float *stored = call.checkpoints + (first / chunk_steps * call.rows + row) * all;
                    if (first == 0) std::copy_n(before, all, stored), before = stored;
                    if (first + count < call.steps) after = stored + call.rows * all;
                }
                for (std::int64_t t = 0; t < count; t++) rows.load_inputs(first, row, t), rows.run(0, t);
                for (std::int64_t head = 0; head < call.heads; head++) {
                    rows.gather_parts(head, count, chunk);
                    states.run(count, chunk, before + head * size, after + head * size);
                    rows.scatter(call.ports->reads, head, count, sizes.values, chunk.values, chunk.output.data());
                }
                for (std::int64_t t = 0; t < count; t++) {
                    const std::int64_t index = (first + t) * call.rows + row;
                    if (call.reads) rows.store(call.ports->reads, t, width, call.reads + index * width);
                    rows.run(1, t);
                    rows.store(call.ports->output, t, call.output_size, call.outputs + index * call.output_size);
                }
                before = after;
            }
        }
    });
}

inline void run_cell_backward(const MatrixCell &call) {
    const MatrixSizes &sizes = call.sizes;
    const std::int64_t size = sizes.keys * sizes.values, all = call.heads * size, width = call.heads * sizes.values;
    on_own_rows(call.rows, call.threads, [&](std::int64_t first_row, std::int64_t last_row) {
        CellRows rows(call);
        Chunk chunk(sizes), gradients(sizes);
        MatrixStates states(sizes);
        for (std::int64_t row = first_row; row < last_row; row++) {
            float *gradient = call.start_gradient + row * all;
            std::copy_n(call.end_gradient + row * all, all, gradient);
            for (std::int64_t first = (call.steps - 1) / chunk_steps * chunk_steps; first >= 0; first -= chunk_steps) {
                const std::int64_t count = std::min(chunk_steps, call.steps - first);
                const float *before = call.checkpoints + (first / chunk_steps * call.rows + row) * all;
                for (std::int64_t t = 0; t < count; t++) {
                    const std::int64_t index = (first + t) * call.rows + row;
                    rows.load_inputs(first, row, t);
                    rows.run(0, t);
                    rows.load(call.ports->reads, t, call.reads + index * width, width);
                    rows.load(call.gradient_ports->output, t, call.output_gradient + index * call.output_size, call.output_size);
                    rows.run(1, t);
                }
                for (std::int64_t head = 0; head < call.heads; head++) {
                    rows.gather_parts(head, count, chunk);
                    rows.gather(call.gradient_ports->reads, head, count, sizes.values, chunk.values, gradients.output.data());
                    states.differentiate(count, chunk, gradients, before + head * size, gradient + head * size);
                    rows.scatter_gradients(head, count, gradients);
                }
                for (std::int64_t t = 0; t < count; t++) rows.run(2, t), rows.store_gradients(first, row, t);
            }
        }
    });
}

} // namespace seqforge
