// A program of elementwise operations, sums and products on the numbers of one row, such as one step of a sequence. Its
// memory stays in the cache, and an instruction takes few cycles more than its arithmetic, so that no compiler is needed.
#pragma once

#include <algorithm>

#include "activations.hpp"

namespace seqforge {

// The order is that of `_OPERATIONS` in row_programs/arrangement.py.
enum class Operation : std::int64_t {
    copy, negate, exponential, logarithm, logarithm_of_one_plus, sigmoid, tangent, root, softplus, error_function,
    add, subtract, multiply, divide, maximum, minimum, greater, at_least_as_great, where,
    sum, largest, sum_of_products, accumulate, accumulate_products, change_state
};

// Memory of a row: temporary numbers, numbers that later phases read, parameters, and gradients of parameters.
constexpr int spaces = 4;
using RowMemory = std::array<float *, spaces>;

// A tensor of three axes in the memory of a row, with the distance between two numbers of each axis.
struct Operand {
    std::int64_t space, offset, outer, middle, inner;
};

struct Instruction {
    std::int64_t operation, outer, middle, inner;
    Operand result, a, b, c;
};

inline float *place_in(const RowMemory &memory, const Operand &operand, std::int64_t outer, std::int64_t middle) {
    return memory[operand.space] + operand.offset + outer * operand.outer + middle * operand.middle;
}


// Calls `use(result, a, b, c)` with the first numbers of each innermost axis.
template <class Use> inline void for_each_axis(const Instruction &step, const RowMemory &memory, Use use) {
    for (std::int64_t outer = 0; outer < step.outer; outer++)
        for (std::int64_t middle = 0; middle < step.middle; middle++)
            use(place_in(memory, step.result, outer, middle), place_in(memory, step.a, outer, middle),
                place_in(memory, step.b, outer, middle), place_in(memory, step.c, outer, middle));
}

// Results of these three have memory of their own, in order: what is stored beyond an axis is overwritten by the next one.
template <class Compute> inline void compute_one(const Instruction &step, const RowMemory &memory, Compute compute) {
    const bool moves = step.a.inner;
    for_each_axis(step, memory, [&](float *to, const float *a, const float *, const float *) {
        for (std::int64_t k = 0; k < step.inner; k += lanes) store(to + k, compute(load_from(a, k, moves)));
    });
}
template <class Compute> inline void compute_two(const Instruction &step, const RowMemory &memory, Compute compute) {
    const bool a_moves = step.a.inner, b_moves = step.b.inner;
    for_each_axis(step, memory, [&](float *to, const float *a, const float *b, const float *) {
        for (std::int64_t k = 0; k < step.inner; k += lanes)
            store(to + k, compute(load_from(a, k, a_moves), load_from(b, k, b_moves)));
    });
}
inline void select(const Instruction &step, const RowMemory &memory) {
    for_each_axis(step, memory, [&](float *to, const float *a, const float *b, const float *c) {
        for (std::int64_t k = 0; k < step.inner; k += lanes)
            store(to + k, where(load_from(a, k, step.a.inner), load_from(b, k, step.b.inner), load_from(c, k, step.c.inner)));
    });
}

inline void copy(const Instruction &step, const RowMemory &memory) {
    const bool in_order = step.a.inner <= 1 && step.result.inner == 1;
    for_each_axis(step, memory, [&](float *to, const float *a, const float *, const float *) {
        if (in_order)
            for (std::int64_t k = 0; k < step.inner; k += lanes)
                store_part(to, k, step.inner, load_from(a, k, step.a.inner));
        else
            for (std::int64_t k = 0; k < step.inner; k++) to[k * step.result.inner] = a[k * step.a.inner];
    });
}

template <class Combine> inline void reduce(const Instruction &step, const RowMemory &memory, Combine combine) {
    for_each_axis(step, memory, [&](float *to, const float *a, const float *, const float *) { *to = combine(a); });
}

// Sums of products, of several vectors with one: as many at once as a register has numbers, if their sums are consecutive.
inline void sum_products(const Instruction &step, const RowMemory &memory) {
    const auto sums_of = [&](std::int64_t outer, std::int64_t middle) {
        const float *a = place_in(memory, step.a, outer, middle), *b = place_in(memory, step.b, outer, middle);
        Vector total = zero();
        for (std::int64_t k = 0; k < step.inner; k += lanes)
            total = multiply_add(load_part(a, k, step.inner, step.a.inner), load_part(b, k, step.inner, step.b.inner), total);
        return total;
    };
    const std::int64_t together = step.result.middle == 1 ? step.middle / lanes * lanes : 0;
    for (std::int64_t outer = 0; outer < step.outer; outer++) {
        for (std::int64_t middle = 0; middle < together; middle += lanes) {
            std::array<Vector, lanes> totals;
            for (int index = 0; index < lanes; index++) totals[index] = sums_of(outer, middle + index);
            store(place_in(memory, step.result, outer, middle), sums_of_each(totals));
        }
        for (std::int64_t middle = together; middle < step.middle; middle++)
            *place_in(memory, step.result, outer, middle) = sum(sums_of(outer, middle));
    }
}

// Adds to results, of which several may be one number: an axis over which the sum goes has a distance of 0.
template <class Compute> inline void accumulate(const Instruction &step, const RowMemory &memory, Compute compute) {
    for_each_axis(step, memory, [&](float *to, const float *a, const float *b, const float *) {
        for (std::int64_t k = 0; k < step.inner; k += lanes)
            store_part(to, k, step.inner, load_part(to, k, step.inner, true) + compute(a, b, k));
    });
}

// ln(1 + e^x), accurate for every x.
inline Vector softplus(Vector x) {
    const Vector size = at_least(x, zero() - x);
    return greater_of(x, zero()) + logarithm_of_one_plus(exponential_of_any(zero() - size));
}

// The numbers of one head in a step of a matrix state, as in matrix_states.hpp: those of keys are some numbers apart.
struct HeadStep {
    float *state, *reads;
    const float *decay, *key, *value, *query, *read, *write; // the last two may be null, as in `Parts`
    std::int64_t keys, state_stride, decay_stride, key_stride, query_stride, read_stride, write_stride;

    // Computes some registers of values, the last of which may hold fewer than a whole register, up to `end`.
    template <int vectors, bool whole> void compute(std::int64_t column, std::int64_t end) const {
        const auto load_at = [&](const float *from, std::int64_t v) {
            if constexpr (whole) return load(from + column + v * lanes);
            else return load_part(from, column + v * lanes, end, true);
        };
        Vector u[vectors], v[vectors], o[vectors];
        for (int j = 0; j < vectors; j++) u[j] = o[j] = zero(), v[j] = load_at(value, j);
        if (read)
            for (std::int64_t i = 0; i < keys; i++) {
                const Vector a = broadcast(read[i * read_stride]);
                for (int j = 0; j < vectors; j++) u[j] = multiply_add(load_at(state + i * state_stride, j), a, u[j]);
            }
        if (read && !write)
            for (int j = 0; j < vectors; j++) v[j] = v[j] - u[j];
        for (std::int64_t i = 0; i < keys; i++) {
            float *row = state + i * state_stride;
            const Vector w = broadcast(decay[i * decay_stride]), k = broadcast(key[i * key_stride]);
            const Vector q = broadcast(query[i * query_stride]), b = write ? broadcast(write[i * write_stride]) : zero();
            for (int j = 0; j < vectors; j++) {
                const Vector s = multiply_add(b, u[j], multiply_add(k, v[j], w * load_at(row, j)));
                if constexpr (whole) store(row + column + j * lanes, s);
                else store_part(row, column + j * lanes, end, s);
                o[j] = multiply_add(q, s, o[j]);
            }
        }
        for (int j = 0; j < vectors; j++)
            if constexpr (whole) store(reads + column + j * lanes, o[j]);
            else store_part(reads, column + j * lanes, end, o[j]);
    }
};

// Computes a step of the matrix states of all heads. The operands continue in the place of the next instruction.
inline void change_state(const Instruction &step, const Instruction &more, const RowMemory &memory) {
    for (std::int64_t head = 0; head < step.outer; head++) {
        const auto of_head = [&](const Operand &operand) {
            return operand.space < 0 ? nullptr : place_in(memory, operand, head, 0);
        };
        const HeadStep own{of_head(step.result), of_head(more.result), of_head(step.a), of_head(step.b), of_head(step.c),
                           of_head(more.a), of_head(more.b), of_head(more.c), step.middle, step.result.middle,
                           step.a.middle, step.b.middle, more.a.middle, more.b.middle, more.c.middle};
        std::int64_t column = 0;
        for (; column + 4 * lanes <= step.inner; column += 4 * lanes) own.compute<4, true>(column, step.inner);
        for (; column + lanes <= step.inner; column += lanes) own.compute<1, true>(column, step.inner);
        if (column < step.inner) own.compute<1, false>(column, step.inner);
    }
}

inline void run_instruction(const Instruction &step, const RowMemory &memory) {
    const auto one = [&](auto compute) { compute_one(step, memory, compute); };
    const auto two = [&](auto compute) { compute_two(step, memory, compute); };
    switch (static_cast<Operation>(step.operation)) {
    case Operation::copy: copy(step, memory); break;
    case Operation::negate: one([](Vector x) { return zero() - x; }); break;
    case Operation::exponential: one([](Vector x) { return exponential_of_any(x); }); break;
    case Operation::logarithm: one([](Vector x) { return logarithm(x); }); break;
    case Operation::logarithm_of_one_plus: one([](Vector x) { return logarithm_of_one_plus(x); }); break;
    case Operation::sigmoid: one([](Vector x) { return sigmoid(x); }); break;
    case Operation::tangent: one([](Vector x) { return hyperbolic_tangent(x); }); break;
    case Operation::root: one([](Vector x) { return square_root(x); }); break;
    case Operation::softplus: one([](Vector x) { return softplus(x); }); break;
    case Operation::error_function: one([](Vector x) { return error_function(x); }); break;
    case Operation::add: two([](Vector x, Vector y) { return x + y; }); break;
    case Operation::subtract: two([](Vector x, Vector y) { return x - y; }); break;
    case Operation::multiply: two([](Vector x, Vector y) { return x * y; }); break;
    case Operation::divide: two([](Vector x, Vector y) { return x / y; }); break;
    case Operation::maximum: two([](Vector x, Vector y) { return greater_of(x, y); }); break;
    case Operation::minimum: two([](Vector x, Vector y) { return lesser_of(x, y); }); break;
    case Operation::greater: two([](Vector x, Vector y) { return is_greater(x, y); }); break;
    case Operation::at_least_as_great: two([](Vector x, Vector y) { return is_at_least(x, y); }); break;
    case Operation::where: select(step, memory); break;
    case Operation::sum:
        reduce(step, memory, [&](const float *a) {
            Vector total = zero();
            for (std::int64_t k = 0; k < step.inner; k += lanes) total = total + load_part(a, k, step.inner, step.a.inner);
            return sum(total);
        });
        break;
    case Operation::largest:
        reduce(step, memory, [&](const float *a) {
            float most = *a;
            for (std::int64_t k = 1; k < step.inner; k++) most = !(a[k * step.a.inner] <= most) ? a[k * step.a.inner] : most;
            return most;
        });
        break;
    case Operation::sum_of_products: sum_products(step, memory); break;
    case Operation::accumulate:
        accumulate(step, memory, [&](const float *a, const float *, std::int64_t k) { return load_from(a, k, step.a.inner); });
        break;
    case Operation::accumulate_products:
        accumulate(step, memory, [&](const float *a, const float *b, std::int64_t k) {
            return load_from(a, k, step.a.inner) * load_from(b, k, step.b.inner);
        });
        break;
    case Operation::change_state: break; // has two places
    }
}

inline void run_program(const Instruction *first, const Instruction *last, const RowMemory &memory) {
    for (; first != last; first++)
        if (static_cast<Operation>(first->operation) == Operation::change_state) {
            change_state(first[0], first[1], memory);
            first++;
        } else run_instruction(*first, memory);
}

} // namespace seqforge
