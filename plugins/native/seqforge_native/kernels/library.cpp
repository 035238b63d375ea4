// What Python calls: plain C functions over plain memory, so that the library depends on no version of torch or Python.
//
// A cell is named by its index: 0 LSTM, 1 GRU, 2 RNN with tanh, 3 RNN with relu.

#include "decode.hpp"
#include "packing.hpp"

using namespace seqforge;

namespace {

// Calls `use.operator()<Cell>()` for the cell of an index.
template <class Use> void with_cell(std::int64_t cell, Use use) {
    switch (cell) {
    case lstm: use.template operator()<LSTM>(); break;
    case gru: use.template operator()<GRU>(); break;
    case rnn_tanh: use.template operator()<RNN<Nonlinearity::tanh>>(); break;
    case rnn_relu: use.template operator()<RNN<Nonlinearity::relu>>(); break;
    }
}

template <class Element>
void pack_for_cell(std::int64_t cell, const float *weight, std::int64_t hidden, std::int64_t inputs, std::int64_t threads,
                   Element *for_forward, Element *for_backward) {
    with_cell(cell, [&]<class Cell>() {
        if (for_forward) pack_forward(weight, hidden, inputs, Cell::gates, Cell::group, threads, for_forward);
        // In 8 bits nothing is trained.
        if constexpr (sizeof(Element) > 1)
            if (for_backward) pack_backward(weight, hidden, Cell::gates, threads, for_backward);
    });
}

// table_gradient[symbols[n]] += gradient[n], each thread for columns of its own
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

} // namespace

#define GENERATION(Weight, suffix)                                                                                      \
    void seqforge_pack_##suffix(std::int64_t cell, const float *weight, std::int64_t hidden, std::int64_t inputs,       \
                                std::int64_t threads, Weight *for_forward, Weight *for_backward) {                      \
        pack_for_cell(cell, weight, hidden, inputs, threads, for_forward, for_backward);                                \
    }                                                                                                                   \
    void seqforge_pack_head_##suffix(const float *weight, std::int64_t outputs, std::int64_t inputs, Weight *packed) {  \
        pack_forward(weight, outputs, inputs, 1, 4, 1, packed);                                                         \
    }                                                                                                                   \
    std::int64_t seqforge_decode_##suffix(const Decode<Weight> *call) {                                                 \
        return decode(*call, [](std::int64_t cell, auto use) { with_cell(cell, use); });                                \
    }

#define SEQUENCES(Element, suffix)                                                                                      \
    void seqforge_forward_##suffix(std::int64_t cell, const Forward<Element> *call) {                                   \
        with_cell(cell, [&]<class Cell>() { run_forward<Element, Cell>(*call); });                                      \
    }                                                                                                                   \
    void seqforge_backward_##suffix(std::int64_t cell, const Backward<Element> *call) {                                 \
        with_cell(cell, [&]<class Cell>() { run_backward<Element, Cell>(*call); });                                     \
    }                                                                                                                   \
    void seqforge_add_rows_##suffix(const std::int64_t *symbols, const Element *gradient, std::int64_t count,           \
                                    std::int64_t vectors, std::int64_t threads, float *table_gradient) {                \
        add_rows(symbols, gradient, count, vectors, threads, table_gradient);                                           \
    }

extern "C" {

std::int64_t seqforge_lanes() { return lanes; }

GENERATION(float, float32)
SEQUENCES(float, float32)

#if defined(__AVX512BF16__)
GENERATION(bfloat16, bfloat16)
SEQUENCES(bfloat16, bfloat16)
#endif

#if defined(__AVX512VNNI__)
GENERATION(std::int8_t, int8)
#endif

} // extern "C"
