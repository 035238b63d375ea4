// Packs the weights of a cell for the forward and the backward pass.
#pragma once

#include "packing.hpp"

namespace seqforge {

// Packs the weights of a cell for each pass whose memory is not null.
template <class Cell, class Element>
void pack_for(const float *weight, std::int64_t hidden, std::int64_t inputs, std::int64_t threads, Element *for_forward,
              Element *for_backward) {
    if (for_forward) pack_forward(weight, hidden, inputs, Cell::gates, threads, for_forward);
    if (for_backward) pack_backward(weight, hidden, Cell::gates, threads, for_backward);
}

} // namespace seqforge
