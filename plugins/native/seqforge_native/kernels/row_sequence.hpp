// A step of any cell over a whole sequence, forward or backward: a row program in phases, each of which ends with products
// that are computed for all rows of a thread at once.
//
// The memory of a row is kept from step to step, so that a part of the state stays where the program has left it. All other
// numbers of a step pass through ports: they are loaded before it, or stored after it.
#pragma once

#include <vector>

#include "product.hpp"
#include "row_program.hpp"
#include "row_products.hpp"
#include "threads.hpp"

namespace seqforge {

// Numbers of each step and row, in a tensor [steps, rows, size].
struct StepPort {
    std::int64_t place, size, is_bfloat16;
    std::int64_t steps_ahead; // 1 for numbers that belong to the next step, such as the state after a step
    void *numbers;
};

// Numbers that are loaded before the first step, and stored after the last one: [rows, size].
struct Carried {
    std::int64_t place, size;
    float *numbers;
};

template <class Weight> struct RowSequence {
    std::int64_t steps, rows, threads, is_backward, row_size, temporary_size, gradient_size;
    std::int64_t phase_count, product_count, load_count, store_count, carried_count;
    const Phase *phases;
    const Instruction *instructions;
    const Product<Weight> *products;
    const StepPort *loads, *stores;
    const Carried *carried;
    float *parameters;          // with the constants of the program
    float *parameter_gradients; // [threads, gradient_size]
};

inline void copy_numbers(const bfloat16 *from, std::int64_t count, float *to) {
    std::int64_t k = 0;
#if defined(__AVX512BF16__)
    for (; k + lanes <= count; k += lanes) store(to + k, load(from + k));
#endif
    for (; k < count; k++) {
        const std::uint32_t bits = static_cast<std::uint32_t>(from[k]) << 16;
        std::memcpy(to + k, &bits, sizeof bits);
    }
}
inline void copy_numbers(const float *from, std::int64_t count, float *to) { std::copy_n(from, count, to); }
inline void copy_numbers(const float *from, std::int64_t count, bfloat16 *to) {
    std::int64_t k = 0;
#if defined(__AVX512BF16__)
    for (; k + lanes <= count; k += lanes) store(to + k, load(from + k));
#endif
    for (; k < count; k++) store_element(to + k, from[k]);
}

// Calls `use` with the numbers of a step and a row, as numbers of their type.
template <class Use> inline void at_port(const StepPort &port, std::int64_t step, std::int64_t rows, std::int64_t row, Use use) {
    const std::int64_t first = ((step + port.steps_ahead) * rows + row) * port.size;
    if (port.is_bfloat16) use(static_cast<bfloat16 *>(port.numbers) + first);
    else use(static_cast<float *>(port.numbers) + first);
}

// Some rows of a thread, which are read from the first step to the last, or from the last to the first.
template <class Weight> class RowsOfSequence {
  public:
    explicit RowsOfSequence(const RowSequence<Weight> &call) : call_(call), temporary_(call.temporary_size) {}

    void run(std::int64_t first, std::int64_t last) {
        first_ = first;
        count_ = last - first;
        memory_.assign(count_ * call_.row_size, 0);
        for_each_carried([](float *own, float *numbers, std::int64_t size) { std::copy_n(numbers, size, own); });
        for (std::int64_t index = 0; index < call_.steps; index++)
            run_step(call_.is_backward ? call_.steps - 1 - index : index);
        for_each_carried([](float *own, float *numbers, std::int64_t size) { std::copy_n(own, size, numbers); });
    }

  private:
    float *own(std::int64_t row) { return memory_.data() + row * call_.row_size; }

    template <class Use> void for_each_carried(Use use) {
        for (std::int64_t index = 0; index < call_.carried_count; index++) {
            const Carried &carried = call_.carried[index];
            for (std::int64_t row = 0; row < count_; row++)
                use(own(row) + carried.place, carried.numbers + (first_ + row) * carried.size, carried.size);
        }
    }

    void run_step(std::int64_t step) {
        std::int64_t instruction = 0, product = 0;
        for (std::int64_t index = 0; index < call_.phase_count; index++) {
            const Phase &phase = call_.phases[index];
            for (std::int64_t row = 0; row < count_; row++) {
                if (!index) load_numbers(step, row);
                run_program(call_.instructions + instruction, call_.instructions + phase.instructions_end,
                            {temporary_.data(), own(row), call_.parameters,
                             call_.parameter_gradients + omp_get_thread_num() * call_.gradient_size});
                if (index + 1 == call_.phase_count) store_numbers(step, row);
            }
            instruction = phase.instructions_end;
            for (std::int64_t read = -1; product < phase.products_end; product++) {
                const Product<Weight> &each = call_.products[product];
                if (each.input != read) inputs_.read_float32(own(0) + each.input, count_, each.depth, call_.row_size);
                read = each.input;
                multiply(each, memory_.data(), count_, call_.row_size, 0, 1, inputs_);
            }
        }
    }

    void load_numbers(std::int64_t step, std::int64_t row) {
        for (std::int64_t index = 0; index < call_.load_count; index++) {
            const StepPort &port = call_.loads[index];
            at_port(port, step, call_.rows, first_ + row,
                    [&](const auto *numbers) { copy_numbers(numbers, port.size, own(row) + port.place); });
        }
    }
    void store_numbers(std::int64_t step, std::int64_t row) {
        for (std::int64_t index = 0; index < call_.store_count; index++) {
            const StepPort &port = call_.stores[index];
            at_port(port, step, call_.rows, first_ + row,
                    [&](auto *numbers) { copy_numbers(own(row) + port.place, port.size, numbers); });
        }
    }

    const RowSequence<Weight> &call_;
    std::int64_t first_ = 0, count_ = 0;
    std::vector<float> memory_, temporary_;
    Inputs<Weight> inputs_;
};

template <class Weight> void run_row_sequence(const RowSequence<Weight> &call) {
    on_own_rows(call.rows, call.threads, [&](std::int64_t first, std::int64_t last) {
        RowsOfSequence<Weight> rows(call);
        // Without products, a row is read to its end before the next one, so that its memory stays in the cache.
        const std::int64_t together = call.product_count ? std::max<std::int64_t>(last - first, 1) : 1;
        for (std::int64_t row = first; row < last; row += together) rows.run(row, std::min(row + together, last));
    });
}

} // namespace seqforge
