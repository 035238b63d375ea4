// The gradient of a table whose rows were looked up by symbol.
#pragma once

#include "recurrence.hpp"

namespace seqforge {

// table_gradient[symbols[n]] += gradient[n]; each thread has its own columns.
template <class Element>
void add_rows(const std::int64_t *symbols, const Element *gradient, std::int64_t count, std::int64_t vectors,
              std::int64_t threads, float *table_gradient) {
#pragma omp parallel num_threads(static_cast<int>(threads)) if (threads > 1)
    {
        std::int64_t own = omp_get_thread_num(), all = omp_get_num_threads();
        std::int64_t first = vectors * own / all, last = vectors * (own + 1) / all;
        for (std::int64_t n = 0; n < count; n++)
            for (std::int64_t v = first; v < last; v++) {
                float *to = table_gradient + (symbols[n] * vectors + v) * lanes;
                store(to, load(to) + load(gradient + (n * vectors + v) * lanes));
            }
    }
}

} // namespace seqforge

// The C function that adds the rows of one type.
#define ADD_ROWS_FUNCTION(Element, suffix)                                                                              \
    void seqforge_add_rows_##suffix(const std::int64_t *symbols, const Element *gradient, std::int64_t count,           \
                                    std::int64_t vectors, std::int64_t threads, float *table_gradient) {                \
        seqforge::add_rows(symbols, gradient, count, vectors, threads, table_gradient);                                 \
    }
