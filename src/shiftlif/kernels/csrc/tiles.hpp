// The tile functions of each instruction set; every one computes neurons [begin, end) of a sequence.
#pragma once
#include <cstdint>
#include <vector>

#include "problem.hpp"
#include "tables.hpp"

namespace shiftlif {

// Neurons of a tile: rows long enough for vector loops and prefetching, short enough that a dozen of them and 16
// steps of what the backward pass recomputes fit a first-level cache. Measured: 512 and 1024 are 5 to 10 % slower.
constexpr int kTile = 256;

// Parameter gradients of one thread's neurons, in units of the raw sums (see Backward).
struct Sums {
    std::vector<double> scale, scale_reset;
    double decay = 0.0;
};

#define SHIFTLIF_DECLARE(isa)                                                                                     \
    namespace isa {                                                                                               \
    void forward(const Mechanism&, const Tables&, const Forward&, std::int64_t begin, std::int64_t end, bool stream); \
    void backward(const Mechanism&, const Tables&, const Backward&, std::int64_t begin, std::int64_t end,         \
                  bool stream, Sums&);                                                                            \
    }
SHIFTLIF_DECLARE(baseline)
#if defined(SHIFTLIF_X86)
SHIFTLIF_DECLARE(avx2)
SHIFTLIF_DECLARE(avx512)
#endif
#undef SHIFTLIF_DECLARE

}  // namespace shiftlif
