// The samples of a batch among threads.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace shiftlif {

// Samples are handed out a few at a time, so that a slow thread does not hold up the others.
template <class Work> void share(size_t batch, uint32_t threads, Work work) {
    const size_t workers = std::min<size_t>(std::max<uint32_t>(threads, 1), batch);
    if (workers <= 1) return work(0, batch);
    const size_t piece = std::max<size_t>(1, batch / (workers * 4));
    std::atomic<size_t> next{0};
    std::mutex failed;
    std::exception_ptr failure;
    const auto loop = [&] {
        try {
            for (size_t at; (at = next.fetch_add(piece)) < batch;) work(at, std::min(batch, at + piece));
        } catch (...) {
            std::lock_guard<std::mutex> lock(failed);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> pool;
    try {
        for (size_t i = 1; i < workers; i++) pool.emplace_back(loop);
    } catch (const std::system_error &) {  // no more threads to be had: those that there are do the work
    }
    loop();
    for (auto &thread : pool) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace shiftlif
