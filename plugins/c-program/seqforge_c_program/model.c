/* A recurrent language model in C99, without libraries.

       cc -O3 -march=native model.c -lm && ./a.out "static int "

   The program reads the weights from model.bin in the current folder, and writes the prompt and what the model draws
   after it: ./a.out PROMPT [LENGTH [TEMPERATURE [SEED]]]. With a temperature of 0, it writes the most probable text.

   A language model reads one symbol after another, a character or a byte. After each, it computes a number for every
   symbol, its logit: the higher, the more probable is this symbol as the next one. What it remembers of the text is in
   the states of its layers. A layer reads the output of the layer below, and changes its state. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LSTM, GRU, RNN_TANH, RNN_RELU };     /* kinds of layers */
enum { NO_NORM, RMS_NORM, LAYER_NORM };     /* kinds of norms before the head */
enum { BLOCK = 64 };                        /* rows of a matrix whose sums fit into the registers of a processor */

/* A matrix in float32, or in int8, which takes a quarter of the memory: each number is an integer from -127 to 127 times
   the scale of its row. */
typedef struct {
    int rows, columns;
    float *numbers;                         /* float32: [blocks][columns][BLOCK]; the last block is filled up by zeros */
    int8_t *integers;                       /* int8: [rows][columns] */
    float *scales;                          /* int8: [rows] */
    int32_t *sums;                          /* int8: the sum of the integers of each row, [rows] */
    uint8_t *bytes;                         /* int8: the vector that the matrix multiplies, [columns] */
} Matrix;

/* A layer computes its gates from W x + b and U h, where x is its input, and h its last output. */
typedef struct {
    int kind, units, gates;                 /* the gates of all units: 4, 3 or 1 for each */
    Matrix W, U;                            /* a row for each gate, and a column for each input or unit */
    float *b;                               /* [gates] */
    float *recurrent_bias;                  /* GRU: bias of U_n h, [units] */
    float *h, *c;                           /* state: the output, and for an LSTM the content of the cell, [units] */
    float *input_gates, *recurrent_gates;   /* W x + b and U h, [gates] */
} Layer;

typedef struct {
    int symbols, layer_count, norm, features;
    Layer *layers;                          /* the lowest first */
    float *gain, *shift;                    /* of the norm, [features] */
    Matrix W;                               /* of the head: a row for each symbol, and a column for each feature */
    float *b;                               /* of the head, [symbols] */
    float *normalized, *logits;             /* [features], [symbols] */
    unsigned char (*text)[256];             /* for each symbol, the number of its bytes, and its bytes */
} Model;

static void fail(const char *message) {
    fprintf(stderr, "error: %s\n", message);
    exit(1);
}

/* ---- the equations ---- */

/* e^x = 2^n e^r, where n is an integer and r is between -ln 2 / 2 and ln 2 / 2, and
   e^r = 1 + r/1 (1 + r/2 (1 + r/3 (1 + ...))). Compilers vectorize loops with this function, but not those with expf. */
static float exponential(float x) {
    x = x > 80.0f ? 80.0f : x < -80.0f ? -80.0f : x;
    float n = rintf(x * 1.44269504f), r = x - n * 0.693147182f, power, series = 1.0f;
    for (int i = 6; i > 0; i--) series = 1.0f + r / i * series;
    int32_t bits = ((int32_t)n + 127) << 23; /* of the float 2^n */
    memcpy(&power, &bits, sizeof power);
    return power * series;
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + exponential(-x));
}

static float hyperbolic_tangent(float x) {
    return 2.0f * sigmoid(2.0f * x) - 1.0f;
}

/* y += A x in float32. A compiler may not change the order of a sum without -ffast-math, so the sums of many rows are
   computed at once, which is vectorized. */
static void add_float_product(float *restrict y, const Matrix *A, const float *restrict x) {
    const float *column = A->numbers;
    for (int first = 0; first < A->rows; first += BLOCK) {
        float sums[BLOCK] = {0};
        for (int k = 0; k < A->columns; k++, column += BLOCK)
            for (int j = 0; j < BLOCK; j++) sums[j] += column[j] * x[k];
        for (int j = 0; j < BLOCK && first + j < A->rows; j++) y[first + j] += sums[j];
    }
}

/* y += A x in int8. The numbers of x become integers times a scale, too, plus 128: processors multiply signed bytes by
   unsigned ones. The order of a sum of integers may change, so that of each row is vectorized. */
static void add_integer_product(float *restrict y, const Matrix *A, const float *restrict x) {
    float largest = 0.0f;
    for (int k = 0; k < A->columns; k++)
        if (fabsf(x[k]) > largest) largest = fabsf(x[k]);
    if (largest == 0.0f) return;
    float scale = largest / 127.0f;
    for (int k = 0; k < A->columns; k++) A->bytes[k] = (uint8_t)(128.0f + rintf(x[k] / scale));
    for (int j = 0; j < A->rows; j++) {
        const int8_t *row = A->integers + (size_t)j * A->columns;
        int32_t sum = 0;
        for (int k = 0; k < A->columns; k++) sum += row[k] * A->bytes[k];
        y[j] += A->scales[j] * scale * (sum - 128 * A->sums[j]);
    }
}

static void add_product(float *y, const Matrix *A, const float *x) {
    if (A->integers) add_integer_product(y, A, x);
    else add_float_product(y, A, x);
}

/* Add a column of A to y: its product with a vector that is 1 for this column, and 0 for the others. */
static void add_column(float *restrict y, const Matrix *A, int column) {
    for (int j = 0; j < A->rows; j++) {
        if (A->integers) y[j] += A->scales[j] * A->integers[(size_t)j * A->columns + column];
        else y[j] += A->numbers[((size_t)(j / BLOCK) * A->columns + column) * BLOCK + j % BLOCK];
    }
}

/* Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000). The order of the gates
   is input, forget, candidate, output (i, f, g, o). */
static void step_lstm(int n, const float *restrict Wx, const float *restrict Uh, float *restrict c, float *restrict h) {
    for (int j = 0; j < n; j++) {
        float i = sigmoid(Wx[j] + Uh[j]);
        float f = sigmoid(Wx[n + j] + Uh[n + j]);
        float g = hyperbolic_tangent(Wx[2 * n + j] + Uh[2 * n + j]);
        float o = sigmoid(Wx[3 * n + j] + Uh[3 * n + j]);
        c[j] = f * c[j] + i * g;
        h[j] = o * hyperbolic_tangent(c[j]);
    }
}

/* Gated recurrent unit (Cho et al. 2014), as cuDNN and torch compute it: the reset gate multiplies U_n h. The order of
   the gates is reset, update, candidate (r, z, n). */
static void step_gru(int size, const float *restrict Wx, const float *restrict Uh, const float *b, float *restrict h) {
    for (int j = 0; j < size; j++) {
        float r = sigmoid(Wx[j] + Uh[j]);
        float z = sigmoid(Wx[size + j] + Uh[size + j]);
        float n = hyperbolic_tangent(Wx[2 * size + j] + r * (Uh[2 * size + j] + b[j]));
        h[j] = (1.0f - z) * n + z * h[j];
    }
}

/* Simple recurrent network (Elman 1990): h' = tanh(W x + U h + b), or the positive part of the sum. */
static void step_rnn(int n, const float *restrict Wx, const float *restrict Uh, float *restrict h, int kind) {
    for (int j = 0; j < n; j++) {
        float sum = Wx[j] + Uh[j];
        h[j] = kind == RNN_TANH ? hyperbolic_tangent(sum) : fmaxf(sum, 0.0f);
    }
}

/* Divide features by their root mean square (Zhang and Sennrich 2019), or also subtract their mean before (layer norm,
   Ba et al. 2016), and multiply them by a gain. */
static void normalize(Model *model, const float *features) {
    int n = model->features;
    float mean = 0.0f, square = 0.0f;
    for (int j = 0; j < n && model->norm == LAYER_NORM; j++) mean += features[j] / n;
    for (int j = 0; j < n; j++) square += (features[j] - mean) * (features[j] - mean) / n;
    for (int j = 0; j < n; j++)
        model->normalized[j] = (features[j] - mean) / sqrtf(square + 1e-5f) * model->gain[j] + model->shift[j];
}

/* Read a symbol, and compute the logits of the next one. */
static void read_symbol(Model *model, int symbol) {
    const float *x = NULL;
    for (int number = 0; number < model->layer_count; number++) {
        Layer *layer = &model->layers[number];
        int n = layer->units;
        float *Wx = layer->input_gates, *Uh = layer->recurrent_gates, *h = layer->h;
        memcpy(Wx, layer->b, layer->gates * sizeof(float));
        if (number == 0) {
            /* The input of the lowest layer is a unit vector, or a vector for each symbol, with which W has been
               multiplied already. */
            add_column(Wx, &layer->W, symbol);
        } else {
            add_product(Wx, &layer->W, x);
        }
        memset(Uh, 0, layer->gates * sizeof(float));
        add_product(Uh, &layer->U, h);
        if (layer->kind == LSTM) step_lstm(n, Wx, Uh, layer->c, h);
        else if (layer->kind == GRU) step_gru(n, Wx, Uh, layer->recurrent_bias, h);
        else step_rnn(n, Wx, Uh, h, layer->kind);
        x = h;
    }
    if (model->norm != NO_NORM) {
        normalize(model, x);
        x = model->normalized;
    }
    memcpy(model->logits, model->b, model->symbols * sizeof(float));
    add_product(model->logits, &model->W, x);
}

/* ---- the draw ---- */

/* A uniform random number in [0, 1), by SplitMix64 (Steele et al. 2014). */
static double draw_uniform(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Draw a symbol with the probabilities exp(logit / temperature) / sum, or return the most probable one. */
static int draw_symbol(const Model *model, double temperature, uint64_t *random) {
    int best = 0;
    for (int s = 1; s < model->symbols; s++)
        if (model->logits[s] > model->logits[best]) best = s;
    if (temperature <= 0.0) return best;
    double total = 0.0, highest = model->logits[best];
    for (int s = 0; s < model->symbols; s++) total += exp((model->logits[s] - highest) / temperature);
    double rest = draw_uniform(random) * total;
    for (int s = 0; s < model->symbols; s++) {
        rest -= exp((model->logits[s] - highest) / temperature);
        if (rest < 0.0) return s;
    }
    return best;
}

/* ---- the file of weights: integers of 32 bits, matrices, vectors of floats, and last the bytes of the symbols; all
        little-endian ---- */

static void read_bytes(FILE *file, void *target, size_t size) {
    if (fread(target, 1, size, file) != size) fail("model.bin ends early; copy it again");
}

static int read_integer(FILE *file) {
    int32_t value;
    read_bytes(file, &value, sizeof value);
    return value;
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (!memory) fail("there is not enough memory");
    return memory;
}

static float *read_floats(FILE *file, size_t count) {
    float *floats = allocate(count, sizeof(float));
    read_bytes(file, floats, count * sizeof(float));
    return floats;
}

static Matrix read_matrix(FILE *file, int rows, int columns) {
    Matrix matrix = {rows, columns, NULL, NULL, NULL, NULL, NULL};
    int bits = read_integer(file);
    if (bits == 8) {
        matrix.scales = read_floats(file, rows);
        matrix.integers = allocate((size_t)rows * columns, 1);
        matrix.sums = allocate(rows, sizeof(int32_t));
        matrix.bytes = allocate(columns, 1);
        read_bytes(file, matrix.integers, (size_t)rows * columns);
        for (int j = 0; j < rows; j++)
            for (int k = 0; k < columns; k++) matrix.sums[j] += matrix.integers[(size_t)j * columns + k];
    } else {
        matrix.numbers = read_floats(file, (size_t)(rows + BLOCK - 1) / BLOCK * BLOCK * columns);
    }
    return matrix;
}

static void read_layer(FILE *file, Layer *layer) {
    static const int gates[] = {4, 3, 1, 1};
    layer->kind = read_integer(file);
    int inputs = read_integer(file);
    layer->units = read_integer(file);
    if (layer->kind < LSTM || layer->kind > RNN_RELU) fail("model.bin is damaged; copy it again");
    layer->gates = gates[layer->kind] * layer->units;
    layer->W = read_matrix(file, layer->gates, inputs);
    layer->b = read_floats(file, layer->gates);
    layer->U = read_matrix(file, layer->gates, layer->units);
    if (layer->kind == GRU) layer->recurrent_bias = read_floats(file, layer->units);
    layer->h = read_floats(file, layer->units);
    if (layer->kind == LSTM) layer->c = read_floats(file, layer->units);
    layer->input_gates = allocate(layer->gates, sizeof(float));
    layer->recurrent_gates = allocate(layer->gates, sizeof(float));
}

static Model read_model(void) {
    Model model;
    FILE *file = fopen("model.bin", "rb");
    if (!file) fail("there is no file model.bin in the current folder; start the program in the folder of the model");
    if (read_integer(file) != 0x31676673) fail("model.bin is not a file of weights");
    model.symbols = read_integer(file);
    model.layer_count = read_integer(file);
    model.norm = read_integer(file);
    model.layers = allocate(model.layer_count, sizeof(Layer));
    model.text = allocate(model.symbols, sizeof *model.text);
    for (int number = 0; number < model.layer_count; number++) read_layer(file, &model.layers[number]);
    model.features = model.layers[model.layer_count - 1].units;
    model.gain = read_floats(file, model.features);
    model.shift = read_floats(file, model.features);
    model.W = read_matrix(file, model.symbols, model.features);
    model.b = read_floats(file, model.symbols);
    model.normalized = allocate(model.features, sizeof(float));
    model.logits = allocate(model.symbols, sizeof(float));
    for (int s = 0; s < model.symbols; s++) {
        read_bytes(file, model.text[s], 1);
        read_bytes(file, model.text[s] + 1, model.text[s][0]);
    }
    fclose(file);
    return model;
}

/* ---- the program ---- */

/* Return the symbol with which a text begins. No symbol is the beginning of another one. */
static int find_symbol(const Model *model, const char *text) {
    for (int s = 0; s < model->symbols; s++)
        if (!strncmp(text, (const char *)model->text[s] + 1, model->text[s][0])) return s;
    fail("the prompt contains a symbol that is not in the vocabulary of the model");
    return 0;
}

/* Answer each symbol on the standard input, an integer of 32 bits, by the logits of the next one. The export compares
   these with those of the run. */
static void answer_symbols(Model *model) {
    int32_t symbol;
    while (fread(&symbol, sizeof symbol, 1, stdin) == 1) {
        read_symbol(model, symbol);
        fwrite(model->logits, sizeof(float), model->symbols, stdout);
        fflush(stdout);
    }
}

int main(int count, char **arguments) {
    Model model = read_model();
    if (count > 1 && !strcmp(arguments[1], "--logits")) {
        answer_symbols(&model);
        return 0;
    }
    const char *prompt = count > 1 ? arguments[1] : "";
    int length = count > 2 ? atoi(arguments[2]) : 500;
    double temperature = count > 3 ? atof(arguments[3]) : 0.8;
    uint64_t random = count > 4 ? strtoull(arguments[4], NULL, 10) : 1;
    if (!*prompt) read_symbol(&model, 0);
    for (const char *rest = prompt; *rest;) {
        int symbol = find_symbol(&model, rest);
        read_symbol(&model, symbol);
        rest += model.text[symbol][0];
    }
    fputs(prompt, stdout);
    for (int number = 0; number < length; number++) {
        int symbol = draw_symbol(&model, temperature, &random);
        fwrite(model.text[symbol] + 1, 1, model.text[symbol][0], stdout);
        fflush(stdout);
        read_symbol(&model, symbol);
    }
    putchar('\n');
    return 0;
}
