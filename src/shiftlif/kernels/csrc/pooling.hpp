// Max pooling by windows that lie side by side. Letters tie all the time, so which element wins is part of the result; the
// backward pass looks for it again instead of keeping an index.
#pragma once
#include <cstdint>
#include <cstring>

namespace shiftlif {

constexpr std::int64_t kPooledPerThread = 65536;  // below this many elements a second thread costs more than it brings

// [planes, height, width]; with grad_x it is the backward pass, without it the forward pass.
struct Pooling {
    std::int64_t planes, height, width, window_height, window_width;
    const float* x;
    float* y;
    const float* grad_y;
    float* grad_x;
};

void run_pooling(const Pooling&, int threads);

}  // namespace shiftlif
