// C functions that Python calls. They take plain memory, so that the library depends on no version of torch or Python.

#include "cell_weights.hpp"
#include "decode.hpp"
#include "gru.hpp"
#include "linear.hpp"
#include "lstm.hpp"
#include "matrix_cell.hpp"
#include "rnn.hpp"
#include "row_sequence.hpp"
#include "rows.hpp"
#include "weight_gradient.hpp"

using namespace seqforge;

namespace {

// Index of a cell, as `built_in_kernel` in built_in_cells.py passes it.
enum CellIndex : std::int64_t { lstm, gru, rnn_tanh, rnn_relu };

// Calls `use.operator()<Cell>()` for the cell with an index.
template <class Use> void with_cell(std::int64_t cell, Use use) {
    switch (cell) {
    case lstm: use.template operator()<LSTM>(); break;
    case gru: use.template operator()<GRU>(); break;
    case rnn_tanh: use.template operator()<RNN<Nonlinearity::tanh>>(); break;
    case rnn_relu: use.template operator()<RNN<Nonlinearity::relu>>(); break;
    }
}

} // namespace

#define GENERATION(Weight, suffix)                                                                                      \
    void seqforge_pack_product_##suffix(const float *weight, std::int64_t outputs, std::int64_t inputs,                 \
                                        Weight *packed) {                                                               \
        pack_forward(weight, outputs, inputs, 1, 1, packed);                                                            \
    }                                                                                                                   \
    std::int64_t seqforge_decode_##suffix(const Decode<Weight> *call) { return decode(*call); }

#define ROW_SEQUENCES(Weight, suffix)                                                                                   \
    void seqforge_row_sequence_##suffix(const RowSequence<Weight> *call) { run_row_sequence(*call); }

#define SEQUENCES(Element, suffix)                                                                                      \
    void seqforge_pack_##suffix(std::int64_t cell, const float *weight, std::int64_t hidden, std::int64_t inputs,       \
                                std::int64_t threads, Element *for_forward, Element *for_backward) {                    \
        with_cell(cell, [&]<class Cell>() {                                                                             \
            pack_for<Cell>(weight, hidden, inputs, threads, for_forward, for_backward);                                 \
        });                                                                                                             \
    }                                                                                                                   \
    void seqforge_forward_##suffix(std::int64_t cell, const Forward<Element> *call) {                                   \
        with_cell(cell, [&]<class Cell>() { run_forward<Element, Cell>(*call); });                                      \
    }                                                                                                                   \
    void seqforge_backward_##suffix(std::int64_t cell, const Backward<Element> *call) {                                 \
        with_cell(cell, [&]<class Cell>() { run_backward<Element, Cell>(*call); });                                     \
    }                                                                                                                   \
    SUM_ROWS_FUNCTION(Element, suffix)

extern "C" {

std::int64_t seqforge_lanes() { return lanes; }
std::int64_t seqforge_sources() { return SEQFORGE_SOURCES; }

GENERATION(float, float32)
ROW_SEQUENCES(float, float32)
SEQUENCES(float, float32)

void seqforge_forward_matrix_cell_float32(const MatrixCell *call) { run_cell_forward(*call); }
void seqforge_backward_matrix_cell_float32(const MatrixCell *call) { run_cell_backward(*call); }

#if defined(__AVX512BF16__)
GENERATION(bfloat16, bfloat16)
ROW_SEQUENCES(bfloat16, bfloat16)
SEQUENCES(bfloat16, bfloat16)
#endif

#if defined(SEQFORGE_WEIGHT_GRADIENT)
void seqforge_weight_and_bias_gradients_bfloat16(const bfloat16 *gradients, const bfloat16 *inputs, std::int64_t rows,
                                                 std::int64_t gradient_vectors, std::int64_t input_vectors,
                                                 std::int64_t threads, float *result, float *sums) {
    weight_gradient(gradients, inputs, rows, gradient_vectors, input_vectors, threads, result, sums);
}
#endif

#if defined(SEQFORGE_LINEAR)
void seqforge_pack_matrix_bfloat16(const float *matrix, std::int64_t depth, std::int64_t columns, std::int64_t stride,
                                   std::int64_t transposed, std::int64_t threads, bfloat16 *packed) {
    pack_matrix(matrix, depth, columns, stride, transposed, threads, packed);
}
void seqforge_linear_bfloat16(const bfloat16 *inputs, const bfloat16 *weights, const float *bias, std::int64_t rows,
                              std::int64_t depth, std::int64_t columns, std::int64_t threads, bfloat16 *outputs) {
    linear(inputs, weights, bias, rows, depth, columns, threads, outputs);
}
void seqforge_linear_to_float32_bfloat16(const bfloat16 *inputs, const bfloat16 *weights, const float *bias,
                                         std::int64_t rows, std::int64_t depth, std::int64_t columns,
                                         std::int64_t threads, float *outputs) {
    linear(inputs, weights, bias, rows, depth, columns, threads, outputs);
}
#endif

#if defined(__AVX512VNNI__)
GENERATION(std::int8_t, int8)
#endif

} // extern "C"
