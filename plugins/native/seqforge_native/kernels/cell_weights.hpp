// Packs the weights of a cell for the forward and the backward pass, in any type.
#pragma once

#include "int8.hpp"
#include "packing.hpp"

namespace seqforge {

// Packs the weights of a cell for each pass whose memory is not null.
template <class Cell, class Element>
void pack_for(const float *weight, std::int64_t hidden, std::int64_t inputs, std::int64_t threads, Element *for_forward,
              Element *for_backward) {
    if (for_forward) pack_forward(weight, hidden, inputs, Cell::gates, threads, for_forward);
    // int8 is for generation only: there is no backward pass.
    if constexpr (sizeof(Element) > 1)
        if (for_backward) pack_backward(weight, hidden, Cell::gates, threads, for_backward);
}

} // namespace seqforge
