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

/* A layer computes its gates from W x + b and U h, where x is its input, and h its last output. A matrix is stored
   column by column: those of W belong to the inputs, and those of U to the units. */
typedef struct {
    int kind, inputs, units, gates;         /* the gates of all units: 4, 3 or 1 for each */
    float *W, *b, *U;                       /* [inputs][gates], [gates], [units][gates] */
    float *recurrent_bias;                  /* GRU: bias of U_n h, [units] */
    float *h, *c;                           /* state: the output, and for an LSTM the content of the cell, [units] */
    float *input_gates, *recurrent_gates;   /* W x + b and U h, [gates] */
} Layer;

typedef struct {
    int symbols, layer_count, norm, features;
    Layer *layers;                          /* the lowest first */
    float *gain, *shift;                    /* of the norm, [features] */
    float *W, *b;                           /* of the head, [features][symbols] and [symbols] */
    float *normalized, *logits;             /* [features], [symbols] */
    unsigned char (*text)[256];             /* for each symbol, the number of its bytes, and its bytes */
} Model;

static void fail(const char *message) {
    fprintf(stderr, "error: %s\n", message);
    exit(1);
}

/* ---- the equations ---- */

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

/* y += A x. One column of A after another is added to y, because a compiler may not change the order of a sum: this
   loop is vectorized without -ffast-math. Four columns at once read and write y a quarter as often. */
static void add_product(float *restrict y, const float *restrict A, const float *restrict x, int rows, int columns) {
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
        const float *a = A + (size_t)k * rows, *b = a + rows, *c = b + rows, *d = c + rows;
        for (int j = 0; j < rows; j++)
            y[j] += a[j] * x[k] + b[j] * x[k + 1] + c[j] * x[k + 2] + d[j] * x[k + 3];
    }
    for (; k < columns; k++)
        for (int j = 0; j < rows; j++)
            y[j] += A[(size_t)k * rows + j] * x[k];
}

/* Long short-term memory (Hochreiter & Schmidhuber 1997) with a forget gate (Gers et al. 2000). The order of the gates
   is input, forget, candidate, output (i, f, g, o). */
static void step_lstm(Layer *layer) {
    int n = layer->units;
    const float *Wx = layer->input_gates, *Uh = layer->recurrent_gates;
    for (int j = 0; j < n; j++) {
        float i = sigmoid(Wx[j] + Uh[j]);
        float f = sigmoid(Wx[n + j] + Uh[n + j]);
        float g = tanhf(Wx[2 * n + j] + Uh[2 * n + j]);
        float o = sigmoid(Wx[3 * n + j] + Uh[3 * n + j]);
        layer->c[j] = f * layer->c[j] + i * g;
        layer->h[j] = o * tanhf(layer->c[j]);
    }
}

/* Gated recurrent unit (Cho et al. 2014), as cuDNN and torch compute it: the reset gate multiplies U_n h. The order of
   the gates is reset, update, candidate (r, z, n). */
static void step_gru(Layer *layer) {
    int size = layer->units;
    const float *Wx = layer->input_gates, *Uh = layer->recurrent_gates;
    for (int j = 0; j < size; j++) {
        float r = sigmoid(Wx[j] + Uh[j]);
        float z = sigmoid(Wx[size + j] + Uh[size + j]);
        float n = tanhf(Wx[2 * size + j] + r * (Uh[2 * size + j] + layer->recurrent_bias[j]));
        layer->h[j] = (1.0f - z) * n + z * layer->h[j];
    }
}

/* Simple recurrent network (Elman 1990): h' = tanh(W x + U h + b), or the positive part of the sum. */
static void step_rnn(Layer *layer) {
    for (int j = 0; j < layer->units; j++) {
        float sum = layer->input_gates[j] + layer->recurrent_gates[j];
        layer->h[j] = layer->kind == RNN_TANH ? tanhf(sum) : fmaxf(sum, 0.0f);
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
        memcpy(layer->input_gates, layer->b, layer->gates * sizeof(float));
        if (number == 0) {
            /* The input of the lowest layer is a unit vector, or a vector for each symbol, which W contains: its
               product with W is a column. */
            const float *column = layer->W + (size_t)symbol * layer->gates;
            for (int j = 0; j < layer->gates; j++) layer->input_gates[j] += column[j];
        } else {
            add_product(layer->input_gates, layer->W, x, layer->gates, layer->inputs);
        }
        memset(layer->recurrent_gates, 0, layer->gates * sizeof(float));
        add_product(layer->recurrent_gates, layer->U, layer->h, layer->gates, layer->units);
        if (layer->kind == LSTM) step_lstm(layer);
        else if (layer->kind == GRU) step_gru(layer);
        else step_rnn(layer);
        x = layer->h;
    }
    if (model->norm != NO_NORM) {
        normalize(model, x);
        x = model->normalized;
    }
    memcpy(model->logits, model->b, model->symbols * sizeof(float));
    add_product(model->logits, model->W, x, model->symbols, model->features);
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

/* ---- the file of weights: integers of 32 bits, then floats, then the bytes of the symbols; all little-endian ---- */

static void read_bytes(FILE *file, void *target, size_t size) {
    if (fread(target, 1, size, file) != size) fail("model.bin ends early; copy it again");
}

static int read_integer(FILE *file) {
    int32_t value;
    read_bytes(file, &value, sizeof value);
    return value;
}

static float *new_floats(size_t count) {
    float *floats = calloc(count, sizeof(float));
    if (!floats) fail("there is not enough memory");
    return floats;
}

static float *read_floats(FILE *file, size_t count) {
    float *floats = new_floats(count);
    read_bytes(file, floats, count * sizeof(float));
    return floats;
}

static void read_layer(FILE *file, Layer *layer) {
    static const int gates[] = {4, 3, 1, 1};
    layer->kind = read_integer(file);
    layer->inputs = read_integer(file);
    layer->units = read_integer(file);
    if (layer->kind < LSTM || layer->kind > RNN_RELU) fail("model.bin is damaged; copy it again");
    layer->gates = gates[layer->kind] * layer->units;
    layer->W = read_floats(file, (size_t)layer->inputs * layer->gates);
    layer->b = read_floats(file, layer->gates);
    layer->U = read_floats(file, (size_t)layer->units * layer->gates);
    if (layer->kind == GRU) layer->recurrent_bias = read_floats(file, layer->units);
    layer->h = read_floats(file, layer->units);
    if (layer->kind == LSTM) layer->c = read_floats(file, layer->units);
    layer->input_gates = new_floats(layer->gates);
    layer->recurrent_gates = new_floats(layer->gates);
}

static Model read_model(void) {
    Model model;
    FILE *file = fopen("model.bin", "rb");
    if (!file) fail("there is no file model.bin in the current folder; start the program in the folder of the model");
    if (read_integer(file) != 0x31676673) fail("model.bin is not a file of weights");
    model.symbols = read_integer(file);
    model.layer_count = read_integer(file);
    model.norm = read_integer(file);
    model.layers = calloc(model.layer_count, sizeof(Layer));
    model.text = calloc(model.symbols, sizeof *model.text);
    if (!model.layers || !model.text) fail("there is not enough memory");
    for (int number = 0; number < model.layer_count; number++) read_layer(file, &model.layers[number]);
    model.features = model.layers[model.layer_count - 1].units;
    model.gain = read_floats(file, model.features);
    model.shift = read_floats(file, model.features);
    model.W = read_floats(file, (size_t)model.features * model.symbols);
    model.b = read_floats(file, model.symbols);
    model.normalized = new_floats(model.features);
    model.logits = new_floats(model.symbols);
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
