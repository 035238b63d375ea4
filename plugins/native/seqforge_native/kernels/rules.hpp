// The logit rules of samplers, and the draw, for one row.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "activations.hpp"

namespace seqforge {

enum class Rule : std::int64_t { temperature, top_k, top_p, min_p, greedy };

constexpr float forbidden = -INFINITY;

// Returns whether all logits are finite. To be called before symbols are forbidden.
inline bool are_finite(const float *logits, std::int64_t vectors) {
    Vector zeros = zero();
    for (std::int64_t v = 0; v < vectors; v++) zeros = zeros + load(logits + v * lanes) * zero();
    return sum(zeros) == 0;
}

inline void apply_rule(Rule rule, float value, float *logits, std::int64_t count, std::vector<std::int64_t> &order) {
    switch (rule) {
    case Rule::temperature:
        value = 1 / value;
        for (std::int64_t j = 0; j < count; j++) logits[j] *= value;
        break;
    case Rule::top_k: {
        if (value >= count) break; // before the conversion, since a large float fits no integer
        const auto k = static_cast<std::int64_t>(value);
        std::vector<float> sorted(logits, logits + count);
        std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), std::greater<float>());
        for (std::int64_t j = 0; j < count; j++)
            if (logits[j] < sorted[k - 1]) logits[j] = forbidden;
        break;
    }
    case Rule::top_p: {
        order.resize(count);
        for (std::int64_t j = 0; j < count; j++) order[j] = j;
        std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return logits[a] > logits[b]; });
        double total = 0;
        for (std::int64_t j = 0; j < count; j++) total += std::exp(static_cast<double>(logits[j] - logits[order[0]]));
        // The sum begins with the least likely symbols, whose terms are small, for precision.
        double tail = 0;
        const double most = logits[order[0]];
        for (std::int64_t place = count - 1; place > 0; place--) {
            tail += std::exp(logits[order[place]] - most) / total;
            if (tail > 1 - value) break;
            logits[order[place]] = forbidden;
        }
        break;
    }
    case Rule::min_p: {
        float threshold = *std::max_element(logits, logits + count) + std::log(value);
        for (std::int64_t j = 0; j < count; j++)
            if (logits[j] < threshold) logits[j] = forbidden;
        break;
    }
    case Rule::greedy: {
        std::int64_t likeliest = std::max_element(logits, logits + count) - logits;
        for (std::int64_t j = 0; j < count; j++) logits[j] = j == likeliest ? 0.0f : forbidden;
        break;
    }
    }
}

// Returns the symbol at which the distribution function passes a uniform number, or -1 if a rule left logits beyond float32.
// The logits become weights, which are proportional to the probabilities. `parts` is memory for the sums of registers.
inline std::int64_t draw(float *logits, std::int64_t count, std::int64_t vectors, float uniform,
                         std::vector<float> &parts) {
    for (std::int64_t j = count; j < vectors * lanes; j++) logits[j] = forbidden;
    Vector best = load(logits);
    for (std::int64_t v = 1; v < vectors; v++) best = at_least(load(logits + v * lanes), best);
    const Vector most = broadcast(largest(best));
    parts.resize(vectors);
    for (std::int64_t v = 0; v < vectors; v++) {
        Vector weights = power_of_2((load(logits + v * lanes) - most) * broadcast(1.44269504088896341f));
        store(logits + v * lanes, weights);
        parts[v] = sum(weights);
    }
    float total = 0;
    for (std::int64_t v = 0; v < vectors; v++) total += parts[v];
    if (!(total > 0 && total < INFINITY)) return -1;
    // The register with the symbol, then its place there, without branches that depend on the numbers.
    const float threshold = uniform * total;
    std::int64_t before = 0;
    float passed = 0, sum_before = 0;
    for (std::int64_t v = 0; v + 1 < vectors; v++) {
        passed += parts[v];
        before += passed <= threshold;
        sum_before = passed <= threshold ? passed : sum_before;
    }
    std::int64_t symbol = before * lanes + count_at_most(running_sums(load(logits + before * lanes)), threshold - sum_before);
    // Rounding can lead to a symbol without a probability. The next one that has one follows, or else the last one.
    while (symbol < count && logits[symbol] == 0) symbol++;
    if (symbol >= count)
        for (symbol = count - 1; symbol > 0 && logits[symbol] == 0;) symbol--;
    return symbol;
}

} // namespace seqforge
