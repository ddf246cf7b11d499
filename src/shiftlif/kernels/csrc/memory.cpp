#include "memory.hpp"

#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace shiftlif {
namespace {

constexpr std::size_t kPage = std::size_t{1} << 21;  // huge pages of x86-64 and most ARM systems

std::size_t rounded(std::size_t bytes) {
    const std::size_t unit = bytes >= kPage ? kPage : 4096;
    return (bytes + unit - 1) / unit * unit;
}

void* allocate(std::size_t bytes) {
#if defined(__unix__) || defined(__APPLE__)
    void* block = nullptr;
    if (posix_memalign(&block, bytes >= kPage ? kPage : 4096, bytes) != 0) return nullptr;
#if defined(__linux__)
    if (bytes >= kPage) madvise(block, bytes, MADV_HUGEPAGE);  // advice: a refusal changes nothing
#endif
    return block;
#else
    return std::malloc(bytes);
#endif
}

struct Pool {
    std::mutex lock;
    std::multimap<std::size_t, void*> kept;           // free blocks by size
    std::unordered_map<void*, std::size_t> sizes;     // of blocks in use
    std::size_t in_use = 0, kept_bytes = 0, peak = 0;

    void release() {
        for (const auto& entry : kept) std::free(entry.second);
        kept.clear();
        kept_bytes = 0;
    }
};

Pool& pool() {
    static Pool* const instance = new Pool;  // never destroyed: tensors may outlive static destructors
    return *instance;
}

#if defined(__unix__) || defined(__APPLE__)
// A fork while another thread holds the lock would leave it held in the child for ever.
const int registered = pthread_atfork([] { pool().lock.lock(); }, [] { pool().lock.unlock(); },
                                      [] { pool().lock.unlock(); });
#endif

}  // namespace

void* take_memory(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    Pool& p = pool();
    const std::lock_guard<std::mutex> guard(p.lock);
    void* block = nullptr;
    std::size_t held = size;
    auto fit = p.kept.lower_bound(size);
    if (fit != p.kept.end() && fit->first <= size + size / 4) {
        fit = std::prev(p.kept.upper_bound(fit->first));  // the last freed of its size: the likeliest to be in a cache
        held = fit->first;
        block = fit->second;
        p.kept.erase(fit);
        p.kept_bytes -= held;
    } else {
        // Never more than was in use at once: what is kept gives way, largest first, to what is needed now.
        const std::size_t most = p.peak > p.in_use + size ? p.peak : p.in_use + size;
        while (!p.kept.empty() && p.in_use + p.kept_bytes + size > most) {
            const auto last = std::prev(p.kept.end());
            std::free(last->second);
            p.kept_bytes -= last->first;
            p.kept.erase(last);
        }
        block = allocate(size);
        if (block == nullptr) {
            p.release();
            block = allocate(size);
        }
        if (block == nullptr) throw std::bad_alloc();
    }
    p.sizes[block] = held;
    p.in_use += held;
    if (p.in_use > p.peak) p.peak = p.in_use;
    return block;
}

void give_memory(void* block) noexcept {
    Pool& p = pool();
    const std::lock_guard<std::mutex> guard(p.lock);
    const auto found = p.sizes.find(block);
    if (found == p.sizes.end()) return;
    p.in_use -= found->second;
    p.kept_bytes += found->second;
    p.kept.emplace(found->second, block);
    p.sizes.erase(found);
}

MemoryUse memory_use() {
    Pool& p = pool();
    const std::lock_guard<std::mutex> guard(p.lock);
    return {p.in_use, p.kept_bytes, p.peak};
}

void release_kept_memory() {
    Pool& p = pool();
    const std::lock_guard<std::mutex> guard(p.lock);
    p.release();
    p.peak = p.in_use;
}

}  // namespace shiftlif
