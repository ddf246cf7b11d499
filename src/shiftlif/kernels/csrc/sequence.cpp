#include "sequence.hpp"

#include <algorithm>
#include <atomic>
#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include "threads.hpp"
#include "tiles.hpp"

namespace shiftlif {
namespace {

using ForwardTiles = decltype(&baseline::forward);
using BackwardTiles = decltype(&baseline::backward);

struct InstructionSet {
    const char* name;
    ForwardTiles forward;
    BackwardTiles backward;
};

std::vector<InstructionSet> detect() {
    std::vector<InstructionSet> found{{"baseline", baseline::forward, baseline::backward}};
#if defined(SHIFTLIF_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        found.push_back({"avx2", avx2::forward, avx2::backward});
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        found.push_back({"avx512", avx512::forward, avx512::backward});
#endif
    return found;
}

const std::vector<InstructionSet>& available() {
    static const std::vector<InstructionSet> found = detect();
    return found;
}

std::atomic<int> chosen{-1};

const InstructionSet& instruction_set() {
    const int index = chosen.load(std::memory_order_relaxed);
    return index < 0 ? available().back() : available()[static_cast<std::size_t>(index)];
}

// Below this many neuron-steps a second thread costs more than it brings.
constexpr std::int64_t kNeuronStepsPerThread = 32768;

// From this size an array is stored past the caches: of the three or four arrays of its size that a training step
// touches before it is read again, the last-level cache would keep little.
std::int64_t stream_bytes() {
    std::int64_t cache = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return (cache > 0 ? cache : std::int64_t{32} << 20) / 4;
}

constexpr std::int64_t kLine = 64;  // bytes; a streaming store needs an aligned vector

struct Plan {
    int threads;
    std::int64_t part;  // neurons per thread, whole tiles
    bool stream;

    Plan(std::int64_t neurons, std::int64_t steps, Element element, const Rows& written, int most) {
        static const std::int64_t least = stream_bytes();
        const std::int64_t work = neurons * steps / kNeuronStepsPerThread;
        threads = static_cast<int>(std::clamp<std::int64_t>(work, 1, std::max(most, 1)));
        part = ((neurons + threads - 1) / threads + kTile - 1) / kTile * kTile;
        const bool aligned =
            reinterpret_cast<std::uintptr_t>(written.data) % kLine == 0 && written.stride * 4 % kLine == 0;
        stream = element == Element::float32 && aligned && neurons * steps * 4 >= least;
    }
};

}  // namespace

void run_forward(const Mechanism& m, const Forward& f, int threads) {
    const Tables tables(m);
    const Plan plan(f.neurons, f.steps, f.element, f.spikes, threads);
    const InstructionSet& set = instruction_set();
    in_parallel(plan.threads, [&](int part) {
        const std::int64_t begin = std::min(f.neurons, part * plan.part);
        set.forward(m, tables, f, begin, std::min(f.neurons, begin + plan.part), plan.stream);
    });
}

void run_backward(const Mechanism& m, const Backward& b, int threads) {
    const Tables tables(m);
    const Plan plan(b.neurons, b.steps, b.element, b.grad_currents, threads);
    const InstructionSet& set = instruction_set();
    std::vector<Sums> sums(static_cast<std::size_t>(plan.threads));
    for (Sums& s : sums) {
        s.scale.assign(m.scale.size(), 0.0);
        s.scale_reset.assign(m.scale.size(), 0.0);
    }
    in_parallel(plan.threads, [&](int part) {
        const std::int64_t begin = std::min(b.neurons, part * plan.part);
        set.backward(m, tables, b, begin, std::min(b.neurons, begin + plan.part), plan.stream,
                     sums[static_cast<std::size_t>(part)]);
    });
    for (const Sums& s : sums) {  // in the order of the threads: the same number of threads, the same bits
        for (std::size_t c = 0; c < m.scale.size() && b.grad_scale != nullptr; ++c) {
            const double scale = static_cast<double>(m.scale[c]);
            b.grad_scale[c] += s.scale[c] / scale;
            b.grad_scale_reset[c] += s.scale_reset[c] / (scale * scale);
        }
        if (b.grad_decay != nullptr) *b.grad_decay += s.decay;
    }
}

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const InstructionSet& set : available()) names.emplace_back(set.name);
    return names;
}

std::string chosen_instruction_set() { return instruction_set().name; }

bool choose_instruction_set(const std::string& name) {
    for (std::size_t i = 0; i < available().size(); ++i)
        if (name == available()[i].name) {
            chosen.store(static_cast<int>(i), std::memory_order_relaxed);
            return true;
        }
    return false;
}

}  // namespace shiftlif
