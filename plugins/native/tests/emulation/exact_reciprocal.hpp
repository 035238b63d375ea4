// The estimate of 1 / x, which every processor may round in its own way, as the exact number: so that bits compare.
#pragma once

#include <immintrin.h>

namespace seqforge {

inline __m512 _mm512_rcp14_ps(__m512 x) { return _mm512_set1_ps(1.0f) / x; }

} // namespace seqforge
