// The tile functions of each instruction set; every one computes neurons [begin, end) of a sequence.
#pragma once
#include <cstdint>
#include <vector>

#include "problem.hpp"
#include "tables.hpp"

namespace shiftlif {

// Neurons of a tile: rows long enough to be asked for ahead of time, short enough that the membranes, and of a few
// steps what the backward pass recomputes, fit a first-level cache. Measured: 256 is up to 15 % slower, 1024 no faster.
constexpr int kTile = 512;

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
