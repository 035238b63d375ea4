// The gradient of a table whose rows were looked up by symbol.
#pragma once

#include <algorithm>
#include <omp.h>
#include <vector>

#include "vector.hpp"

namespace seqforge {

// table[symbol] = Σ gradient[n] over all n with symbols[n] = symbol. Each thread has its own columns. It adds in memory of
// its own: otherwise the processor prefetches parts of rows that another thread is writing, so that two threads would be no
// faster than one.
template <class Element>
void sum_rows(const std::int64_t *symbols, const Element *gradient, std::int64_t count, std::int64_t vectors,
              std::int64_t threads, std::int64_t symbol_count, float *table) {
#pragma omp parallel num_threads(static_cast<int>(threads)) if (threads > 1)
    {
        const std::int64_t thread = omp_get_thread_num(), all = omp_get_num_threads();
        const std::int64_t first = vectors * thread / all, own = vectors * (thread + 1) / all - first;
        std::vector<float> sums(symbol_count * own * lanes);
        for (std::int64_t n = 0; n < count; n++)
            for (std::int64_t v = 0; v < own; v++) {
                float *to = sums.data() + (symbols[n] * own + v) * lanes;
                store(to, load(to) + load(gradient + (n * vectors + first + v) * lanes));
            }
        for (std::int64_t symbol = 0; symbol < symbol_count; symbol++)
            std::copy_n(sums.data() + symbol * own * lanes, own * lanes, table + (symbol * vectors + first) * lanes);
    }
}

} // namespace seqforge

// The C function that sums the rows of one type.
#define SUM_ROWS_FUNCTION(Element, suffix)                                                                              \
    void seqforge_sum_rows_##suffix(const std::int64_t *symbols, const Element *gradient, std::int64_t count,           \
                                    std::int64_t vectors, std::int64_t threads, std::int64_t symbol_count,              \
                                    float *table) {                                                                     \
        seqforge::sum_rows(symbols, gradient, count, vectors, threads, symbol_count, table);                            \
    }
