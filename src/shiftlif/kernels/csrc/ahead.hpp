// Asking for rows before they are needed.
//
// The rows of a tile are a whole array apart, so the hardware's prefetcher starts cold at each of them. A tile walks
// its rows in one known order, tile after tile; this hands out the row that lies a few rows ahead in that order.
#pragma once
#include <cstdint>

#include "simd.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {

struct Ahead {
    std::uintptr_t read, write;
};

constexpr int kNearest = 3;  // into the first-level cache

// A line with every 64 bytes of a row that is computed.
template <bool ReadOnly>
SHIFTLIF_INLINE void ask(Ahead ahead, int from) {
    constexpr int line = 16;  // floats
    SHIFTLIF_UNROLL
    for (int i = 0; i < kLanes; i += kHardwareLanes) {
        if (i % line != 0) continue;  // a pack begins with a line
        const std::uintptr_t offset = static_cast<std::uintptr_t>(from + i) * sizeof(float);
        __builtin_prefetch(reinterpret_cast<const void*>(ahead.read + offset), 0, kNearest);
        if (!ReadOnly) __builtin_prefetch(reinterpret_cast<const void*>(ahead.write + offset), 1, kNearest);
    }
}

// Rows that are visited one after the other: addresses of the first, and bytes to the next.
struct Walk {
    std::uintptr_t read = 0, write = 0;
    std::int64_t read_step = 0, write_step = 0;
};

// `parts` walks of `steps` rows each make a tile; after the last, the next tile's first begins, `lanes` bytes on.
class RowsAhead {
public:
    RowsAhead(const Walk* walks, int parts, std::int64_t steps, std::int64_t lanes, std::int64_t position)
        : walks_(walks), steps_(steps), lanes_(lanes), parts_(parts) {
        offset_ = position / (steps * parts) * lanes;
        part_ = static_cast<int>(position / steps % parts);
        start(position % steps);
    }

    Ahead take() {
        const Ahead row = next_;
        next_.read += static_cast<std::uintptr_t>(walks_[part_].read_step);
        next_.write += static_cast<std::uintptr_t>(walks_[part_].write_step);
        if (++step_ == steps_) {
            if (++part_ == parts_) {
                part_ = 0;
                offset_ += lanes_;
            }
            start(0);
        }
        return row;
    }

private:
    void start(std::int64_t step) {
        const Walk& walk = walks_[part_];
        step_ = step;
        next_.read = walk.read + static_cast<std::uintptr_t>(offset_ + step * walk.read_step);
        next_.write = walk.write + static_cast<std::uintptr_t>(offset_ + step * walk.write_step);
    }

    const Walk* walks_;
    std::int64_t steps_, lanes_, offset_ = 0, step_ = 0;
    int parts_, part_ = 0;
    Ahead next_{};
};

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
