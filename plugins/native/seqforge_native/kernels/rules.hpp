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
        for (std::int64_t j = 0; j < count; j++) logits[j] /= value;
        break;
    case Rule::top_k: {
        std::int64_t k = static_cast<std::int64_t>(value);
        if (k >= count) break;
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
inline std::int64_t draw(float *logits, std::int64_t count, std::int64_t vectors, float uniform) {
    for (std::int64_t j = count; j < vectors * lanes; j++) logits[j] = forbidden;
    Vector best = load(logits);
    for (std::int64_t v = 1; v < vectors; v++) best = at_least(load(logits + v * lanes), best);
    const float most = largest(best);
    Vector totals = zero();
    for (std::int64_t v = 0; v < vectors; v++) {
        Vector x = load(logits + v * lanes) - broadcast(most);
        // `exponential` is constant below -60: symbols far below get no probability.
        Vector e = exponential(x) * is_positive(x + broadcast(80.0f));
        store(logits + v * lanes, e);
        totals = totals + e;
    }
    float total = sum(totals);
    if (!(total > 0 && total < INFINITY)) return -1;
    float left = uniform * total;
    // Registers before the one with the symbol are skipped as a whole.
    std::int64_t v = 0;
    for (; v + 1 < vectors; v++) {
        float part = sum(load(logits + v * lanes));
        if (left < part) break;
        left -= part;
    }
    for (std::int64_t j = v * lanes; j < count; j++) {
        left -= logits[j];
        if (left < 0) return j;
    }
    // Rounding left a rest, which belongs to the last symbol with a probability.
    for (std::int64_t j = count; j-- > 1;)
        if (logits[j] > 0) return j;
    return 0;
}

} // namespace seqforge
