// Work for several threads, by the OpenMP runtime that the process already has, when it has one.
#pragma once
#include <functional>

namespace shiftlif {

// f(0), ..., f(threads - 1), concurrently; returns when all are done. f must not throw.
void in_parallel(int threads, const std::function<void(int)>& f);

}  // namespace shiftlif
