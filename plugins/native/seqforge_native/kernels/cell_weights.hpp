// The weights of a cell, packed for either pass and in any type.
#pragma once

#include "int8.hpp"
#include "packing.hpp"

namespace seqforge {

// The weights of a cell for either pass, where its memory is given.
template <class Cell, class Element>
void pack_for(const float *weight, std::int64_t hidden, std::int64_t inputs, std::int64_t threads, Element *for_forward,
              Element *for_backward) {
    if (for_forward) pack_forward(weight, hidden, inputs, Cell::gates, Cell::group, threads, for_forward);
    // In 8 bits nothing is trained.
    if constexpr (sizeof(Element) > 1)
        if (for_backward) pack_backward(weight, hidden, Cell::gates, threads, for_backward);
}

} // namespace seqforge
