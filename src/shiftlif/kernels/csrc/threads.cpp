// torch brings an OpenMP runtime whose idle threads keep spinning for a while after each of its operations; threads
// of our own would fight them for the cores. So this file links no runtime of its own and borrows the one in the
// process (GOMP_parallel is the stable entry of GNU OpenMP, which Intel's and LLVM's offer too). Without one,
// threads are started for the call.
#include "threads.hpp"

#include <thread>
#include <vector>
#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#endif

namespace shiftlif {
namespace {

using Entry = void (*)(void*);
using GompParallel = void (*)(Entry, void*, unsigned, unsigned);
using GompInteger = int (*)();

struct Runtime {
    GompParallel parallel = nullptr;
    GompInteger thread = nullptr, threads = nullptr;

    Runtime() {
#if defined(__unix__) || defined(__APPLE__)
        parallel = reinterpret_cast<GompParallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
        thread = reinterpret_cast<GompInteger>(dlsym(RTLD_DEFAULT, "omp_get_thread_num"));
        threads = reinterpret_cast<GompInteger>(dlsym(RTLD_DEFAULT, "omp_get_num_threads"));
        if (thread == nullptr || threads == nullptr) parallel = nullptr;
#endif
    }
};

struct Job {
    const std::function<void(int)>& f;
    const Runtime& runtime;
    int parts;
};

void take_parts(void* data) {
    const Job& job = *static_cast<Job*>(data);
    const int stride = job.runtime.threads();  // a runtime may give fewer threads than were asked for
    for (int part = job.runtime.thread(); part < job.parts; part += stride) job.f(part);
}

}  // namespace

void in_parallel(int threads, const std::function<void(int)>& f) {
    if (threads <= 1) {
        f(0);
        return;
    }
    static const Runtime runtime;
    if (runtime.parallel != nullptr) {
        Job job{f, runtime, threads};
        runtime.parallel(take_parts, &job, static_cast<unsigned>(threads), 0u);
        return;
    }
    std::vector<std::thread> others;
    for (int part = 1; part < threads; ++part) others.emplace_back(f, part);
    f(0);
    for (std::thread& other : others) other.join();
}

}  // namespace shiftlif
