// Memory that is kept for the next array of its size.
//
// A system allocator returns large arrays to the kernel at once, and the next training step pays for every page
// again: several times the cost of computing what goes into it. This pool keeps freed blocks, in huge pages where
// the system has them, and never holds more than was once in use at the same time.
#pragma once
#include <cstddef>

namespace shiftlif {

constexpr std::size_t kPooledBytes = std::size_t{1} << 20;  // smaller arrays are left to the system allocator

void* take_memory(std::size_t bytes);  // aligned to a page; throws std::bad_alloc
void give_memory(void* block) noexcept;

struct MemoryUse {
    std::size_t in_use, kept, peak;
};
MemoryUse memory_use();
void release_kept_memory();

}  // namespace shiftlif
