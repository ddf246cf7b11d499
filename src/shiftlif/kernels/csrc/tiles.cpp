// Sequences tile by tile: a few hundred neurons at a time, all steps, so that the membrane and what the backward pass
// recomputes stay in the nearest cache while every [T, N] array is touched once.
//
// Compiled once per instruction set; SHIFTLIF_ISA names the namespace (CMakeLists.txt).
#include <algorithm>
#include <cstdlib>
#include <cstring>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "rows.hpp"
#include "tables.hpp"
#include "tiles.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {
namespace {

using StepRow = void (*)(const float*, float*, float, const float*, const float*, int, const float*, float*, float*,
                         std::int64_t);

template <int N, bool DecayInput, bool Hard, bool PerLane, Store Kept>
void step_short(const float* c, float* v, float d, const float* b, const float* q, int, const float* scale, float* s,
                float* h, std::int64_t width) {
    step_row<N, DecayInput, Hard, PerLane, Kept>(c, v, d, b, q, scale, s, h, width);
}

template <bool DecayInput, bool Hard, bool PerLane, Store Kept>
StepRow choose_length(std::size_t n) {
    if constexpr (Hard) {
        return step_short<2, DecayInput, true, PerLane, Kept>;
    } else {
        switch (n) {
            case 2: return step_short<2, DecayInput, false, PerLane, Kept>;
            case 4: return step_short<4, DecayInput, false, PerLane, Kept>;
            case 6: return step_short<6, DecayInput, false, PerLane, Kept>;
            case 8: return step_short<8, DecayInput, false, PerLane, Kept>;
            default: return step_row_long<DecayInput, PerLane, Kept>;
        }
    }
}

template <bool DecayInput, bool Hard, bool PerLane>
StepRow choose_store(std::size_t n, Store kept) {
    switch (kept) {
        case Store::spikes: return choose_length<DecayInput, Hard, PerLane, Store::spikes>(n);
        case Store::potential: return choose_length<DecayInput, Hard, PerLane, Store::potential>(n);
        default: return choose_length<DecayInput, Hard, PerLane, Store::both>(n);
    }
}

template <bool DecayInput>
StepRow choose_reset(const Mechanism& m, const Tables& tables, Store kept) {
    const std::size_t n = tables.boundaries.size();
    if (m.hard_reset)
        return tables.per_lane ? choose_store<DecayInput, true, true>(n, kept)
                               : choose_store<DecayInput, true, false>(n, kept);
    return tables.per_lane ? choose_store<DecayInput, false, true>(n, kept)
                           : choose_store<DecayInput, false, false>(n, kept);
}

StepRow choose_step(const Mechanism& m, const Tables& tables, Store kept) {
    return m.decay_input ? choose_reset<true>(m, tables, kept) : choose_reset<false>(m, tables, kept);
}

using Gradient = void (*)(const GradientRow&);

template <bool DecayInput, bool Hard, bool Detached>
Gradient choose_kept(bool scale, bool keep_h) {
    if (scale)
        return keep_h ? gradient_row<DecayInput, Hard, Detached, true, true>
                      : gradient_row<DecayInput, Hard, Detached, true, false>;
    return keep_h ? gradient_row<DecayInput, Hard, Detached, false, true>
                  : gradient_row<DecayInput, Hard, Detached, false, false>;
}

template <bool DecayInput, bool Hard>
Gradient choose_detached(const Mechanism& m, bool scale, bool keep_h) {
    return m.detach_reset ? choose_kept<DecayInput, Hard, true>(scale, keep_h)
                          : choose_kept<DecayInput, Hard, false>(scale, keep_h);
}

Gradient choose_gradient(const Mechanism& m, bool scale, bool keep_h) {
    if (m.decay_input)
        return m.hard_reset ? choose_detached<true, true>(m, scale, keep_h)
                            : choose_detached<true, false>(m, scale, keep_h);
    return m.hard_reset ? choose_detached<false, true>(m, scale, keep_h)
                        : choose_detached<false, false>(m, scale, keep_h);
}

// --- rows in memory ---------------------------------------------------------------------------------------------

const float* load_row(const Rows& rows, Element element, std::int64_t t, std::int64_t j0, std::int64_t width,
                      float* scratch) {
    if (element == Element::float32) return static_cast<const float*>(rows.data) + t * rows.stride + j0;
    const auto* source = static_cast<const std::uint16_t*>(rows.data) + t * rows.stride + j0;
    for (std::int64_t j = 0; j < width; ++j)
        scratch[j] = as_float(static_cast<std::int32_t>(static_cast<std::uint32_t>(source[j]) << 16));
    return scratch;
}

std::uint16_t to_bfloat16(float value) {  // round to nearest, ties to even; NaN stays NaN
    const std::uint32_t bits = static_cast<std::uint32_t>(as_bits(value));
    const std::uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    return static_cast<std::uint16_t>(value != value ? 0x7FC0u : rounded);
}

// Past the caches a plain store first reads the line it replaces; a streaming store does not.
void stream_row(float* target, const float* source, std::int64_t width) {
    std::int64_t j = 0;
#if defined(__AVX512F__)
    while (j < width && (reinterpret_cast<std::uintptr_t>(target + j) & 63u) != 0) { target[j] = source[j]; ++j; }
    for (; j + 16 <= width; j += 16) _mm512_stream_ps(target + j, _mm512_loadu_ps(source + j));
#elif defined(__AVX2__)
    while (j < width && (reinterpret_cast<std::uintptr_t>(target + j) & 31u) != 0) { target[j] = source[j]; ++j; }
    for (; j + 8 <= width; j += 8) _mm256_stream_ps(target + j, _mm256_loadu_ps(source + j));
#endif
    if (j < width) std::memcpy(target + j, source + j, static_cast<std::size_t>(width - j) * sizeof(float));
}

// Where a row is computed: in place when it can be, else in scratch that finish() moves.
struct Target {
    Rows rows;
    Element element;
    bool stream;

    float* row(std::int64_t t, std::int64_t j0, float* scratch) const {
        if (rows.data == nullptr || stream || element != Element::float32) return scratch;
        return static_cast<float*>(rows.data) + t * rows.stride + j0;
    }
    void finish(std::int64_t t, std::int64_t j0, std::int64_t width, const float* computed) const {
        if (rows.data == nullptr) return;
        if (element == Element::bfloat16) {
            auto* target = static_cast<std::uint16_t*>(rows.data) + t * rows.stride + j0;
            for (std::int64_t j = 0; j < width; ++j) target[j] = to_bfloat16(computed[j]);
        } else if (stream) {
            stream_row(static_cast<float*>(rows.data) + t * rows.stride + j0, computed, width);
        }
    }
};

// The next row is asked for while this one is computed: rows are a whole array apart, so the hardware's prefetcher
// starts cold at each of them. `write` asks for the line to be owned, which hides the read before a plain store.
// `Locality` is __builtin_prefetch's: 3 brings it to the first cache level, 2 to the second.
template <int Locality>
struct Ahead {
    std::uintptr_t address = 0;
    std::int64_t lane_bytes = 0;
    bool write = false;

    Ahead(const Rows& rows, Element element, std::int64_t t, std::int64_t j0, bool for_writing = false)
        : lane_bytes(rows.data == nullptr ? 0 : element == Element::float32 ? 4 : 2), write(for_writing) {
        address = reinterpret_cast<std::uintptr_t>(rows.data) + static_cast<std::uintptr_t>((t * rows.stride + j0) * lane_bytes);
    }
    // Inlined at once: GCC takes a function that only prefetches for one without effect, and drops the call.
    __attribute__((always_inline)) void fetch() const {
        if (lane_bytes == 4) lines<kTile * 4>();
        else if (lane_bytes == 2) lines<kTile * 2>();
    }

private:
    template <int Bytes>
    __attribute__((always_inline)) void lines() const {
        const char* from = reinterpret_cast<const char*>(address);
        _Pragma("GCC unroll 16")
        for (int at = 0; at < Bytes; at += 64) {
            if (write) __builtin_prefetch(from + at, 1, Locality);
            else __builtin_prefetch(from + at, 0, Locality);
        }
    }
};

constexpr std::int64_t kAhead = 2;  // rows

void copy_row(float* target, const float* source, std::int64_t width) {
    std::memcpy(target, source, static_cast<std::size_t>(width) * sizeof(float));
}

void start_row(float* v, const float* initial, std::int64_t j0, std::int64_t width) {
    if (initial != nullptr) copy_row(v, initial + j0, width);
    else std::fill(v, v + width, 0.0f);
}

// Consecutive rows of a tile's floats from one block of memory, a few hundred kilobytes, that a thread keeps between
// calls. No std::vector: its functions would be compiled for this file's instruction set, and the linker keeps one
// copy of them for all files.
class Scratch {
public:
    explicit Scratch(std::int64_t rows) {
        static thread_local Block block;
        next_ = block.at_least(static_cast<std::size_t>(rows * kTile) * sizeof(float));
    }
    float* take(std::int64_t rows = 1) {
        float* const row = next_;
        next_ += rows * kTile;
        return row;
    }

private:
    struct Block {
        void* memory = nullptr;
        std::size_t size = 0;
        ~Block() { std::free(memory); }
        float* at_least(std::size_t bytes) {
            if (bytes + 64 > size) {
                std::free(memory);
                size = bytes + 64;
                memory = std::malloc(size);
                if (memory == nullptr) std::abort();  // in a worker thread there is nobody to tell
            }
            const auto address = reinterpret_cast<std::uintptr_t>(memory);
            return reinterpret_cast<float*>((address + 63) & ~std::uintptr_t{63});
        }
    };
    float* next_;
};

void fill_scales(const Mechanism& m, std::int64_t j0, std::int64_t width, float* scale, float* inverse) {
    const auto channels = static_cast<std::int64_t>(m.scale.size());
    for (std::int64_t j = 0; j < width; ++j) {
        scale[j] = m.scale[static_cast<std::size_t>(channels == 1 ? 0 : (j0 + j) / m.channel_size % channels)];
        inverse[j] = 1.0f / scale[j];
    }
}

// Lanes add up in float32 for so many steps before they are moved to a double.
constexpr std::int64_t kFlushSteps = 256;

// The rows add up gs (S - g H); dS/ds = Q - u g is that over s, and the part through a hard reset over s squared.
void flush(const Mechanism& m, float* lanes, std::vector<double>& sums, std::int64_t j0, std::int64_t width) {
    const auto channels = static_cast<std::int64_t>(m.scale.size());
    if (channels == 1) {
        double all = 0.0;
        for (std::int64_t j = 0; j < width; ++j) all += static_cast<double>(lanes[j]);
        sums[0] += all;
    } else {
        for (std::int64_t j = 0; j < width; ++j)
            sums[static_cast<std::size_t>((j0 + j) / m.channel_size % channels)] += static_cast<double>(lanes[j]);
    }
    std::fill(lanes, lanes + width, 0.0f);
}

}  // namespace

void forward(const Mechanism& m, const Tables& tables, const Forward& f, std::int64_t begin, std::int64_t end,
             bool stream) {
    const StepRow step = choose_step(m, tables, Store::spikes);
    Scratch scratch(5);
    float *v = scratch.take(), *current = scratch.take(), *emitted = scratch.take();
    float *scale = scratch.take(), *inverse = scratch.take();
    const Target spikes{f.spikes, f.element, stream};
    for (std::int64_t j0 = begin; j0 < end; j0 += kTile) {
        const std::int64_t width = std::min<std::int64_t>(kTile, end - j0);
        if (tables.per_lane) fill_scales(m, j0, width, scale, inverse);
        start_row(v, f.initial, j0, width);
        for (std::int64_t t = 0; t < f.steps; ++t) {
            const float* row = load_row(f.currents, f.element, t, j0, width, current);
            float* out = spikes.row(t, j0, emitted);
            const bool more = t + 1 < f.steps;
            const std::int64_t next_step = more ? t + 1 : 0, next_lane = more ? j0 : j0 + kTile;
            const Ahead<3> read(f.currents, f.element, next_step, next_lane);
            const Ahead<3> write(stream ? Rows{} : f.spikes, f.element, next_step, next_lane, true);
            read.fetch();
            write.fetch();
            step(row, v, m.decay, tables.boundaries.data(), tables.values.data(), tables.n, scale, out, nullptr, width);
            spikes.finish(t, j0, width, out);
            if (f.membranes.data != nullptr)
                copy_row(static_cast<float*>(f.membranes.data) + t * f.membranes.stride + j0, v, width);
        }
        if (f.last != nullptr) copy_row(f.last + j0, v, width);
    }
#if defined(__AVX2__) || defined(__AVX512F__)
    if (stream) _mm_sfence();
#endif
}

void backward(const Mechanism& m, const Tables& tables, const Backward& b, std::int64_t begin, std::int64_t end,
              bool stream, Sums& sums) {
    const bool scale_gradient = b.grad_scale != nullptr, decay_gradient = b.grad_decay != nullptr;
    const bool needs_spikes = scale_gradient || m.hard_reset;
    const bool summed = b.grad_currents.stride == 0 && b.steps > 1;
    const StepRow step = choose_step(m, tables, needs_spikes ? Store::both : Store::potential);
    const Gradient gradient = choose_gradient(m, scale_gradient, decay_gradient);
    const std::int64_t kept = b.steps * (1 + needs_spikes + decay_gradient);
    Scratch scratch(kept + 14);
    float *v = scratch.take(), *current = scratch.take(), *out = scratch.take();
    float *grad_v = scratch.take(), *grad_h = scratch.take(), *incoming = scratch.take(), *zeros = scratch.take();
    float *scale = scratch.take(), *inverse = scratch.take(), *total = scratch.take(), *u = scratch.take(), *g = scratch.take();
    float *scale_sum = scratch.take(), *reset_sum = scratch.take();
    float* h = scratch.take(b.steps);
    float* s = needs_spikes ? scratch.take(b.steps) : nullptr;
    float* before = decay_gradient ? scratch.take(b.steps) : nullptr;
    const Target currents{b.grad_currents, b.element, stream && !summed};
    const bool owns_rows = !stream && !summed;  // gradients are stored in place
    std::fill(zeros, zeros + kTile, 0.0f);
    std::fill(scale_sum, scale_sum + kTile, 0.0f);
    std::fill(reset_sum, reset_sum + kTile, 0.0f);
    std::int64_t pending = 0;
    const Bounds bounds = read_bounds();
    // A tile reads its rows in one order: the currents forwards, then the gradients of the spikes backwards, beside
    // which the gradients of the currents are written. This asks for the row at `position` in that order.
    const auto ask = [&](std::int64_t position, std::int64_t j0) __attribute__((always_inline)) {
        if (position >= 2 * b.steps) {
            position -= 2 * b.steps;
            j0 += kTile;
        }
        if (position < b.steps) {
            Ahead<2>(b.currents, b.element, position, j0).fetch();
        } else {
            const std::int64_t t = 2 * b.steps - 1 - position;
            Ahead<2>(b.grad_spikes, b.element, t, j0).fetch();
            if (owns_rows) Ahead<2>(b.grad_currents, b.element, t, j0, true).fetch();
        }
    };
    fill_scales(m, begin, kTile, scale, inverse);
    for (std::int64_t j0 = begin; j0 < end; j0 += kTile) {
        const std::int64_t width = std::min<std::int64_t>(kTile, end - j0);
        if (m.scale.size() > 1) fill_scales(m, j0, width, scale, inverse);
        start_row(v, b.initial, j0, width);
        for (std::int64_t t = 0; t < b.steps; ++t) {
            if (decay_gradient) copy_row(before + t * kTile, v, width);
            const float* row = load_row(b.currents, b.element, t, j0, width, current);
            float* const spikes = needs_spikes ? s + t * kTile : out;
            ask(t + kAhead, j0);
            step(row, v, m.decay, tables.boundaries.data(), tables.values.data(), tables.n, scale, spikes,
                 h + t * kTile, width);
        }
        start_row(grad_v, b.grad_last, j0, width);
        if (summed) std::fill(total, total + width, 0.0f);
        double decay_sum = 0.0;
        for (std::int64_t t = b.steps - 1; t >= 0; --t) {
            if (b.grad_membranes.data != nullptr) {
                const float* row = static_cast<const float*>(b.grad_membranes.data) + t * b.grad_membranes.stride + j0;
                for (std::int64_t j = 0; j < width; ++j) grad_v[j] += row[j];
            }
            const float* grad_spikes =
                b.grad_spikes.data == nullptr ? zeros
                                              : load_row(b.grad_spikes, b.element, t, j0, width, incoming);
            const float* potential = h + t * kTile;
            float* row = summed ? out : currents.row(t, j0, out);
            const float* spikes = needs_spikes ? s + t * kTile : out;
            ask(2 * b.steps - 1 - t + kAhead, j0);
            quotient_row(potential, scale, inverse, u, width, bounds);
            surrogate_row(m, u, g, width, bounds);
            gradient({grad_spikes, potential, spikes, g, inverse, grad_v, row, grad_h, scale_sum, reset_sum, m.decay,
                      width});
            if (summed) {
                for (std::int64_t j = 0; j < width; ++j) total[j] += row[j];
            } else {
                currents.finish(t, j0, width, row);
            }
            if (decay_gradient) {
                const float* c = load_row(b.currents, b.element, t, j0, width, current);
                const float* past = before + t * kTile;
                for (std::int64_t j = 0; j < width; ++j) {
                    const float factor = m.decay_input ? c[j] - past[j] : -past[j];
                    decay_sum += static_cast<double>(grad_h[j] * factor);
                }
            }
        }
        if (summed) {
            float* row = currents.row(0, j0, total);
            if (row != total) copy_row(row, total, width);
            currents.finish(0, j0, width, total);
        }
        if (b.grad_initial != nullptr) copy_row(b.grad_initial + j0, grad_v, width);
        sums.decay += decay_sum;
        pending += b.steps;
        if (scale_gradient && (m.scale.size() > 1 || pending >= kFlushSteps || j0 + kTile >= end)) {
            flush(m, scale_sum, sums.scale, j0, kTile);
            flush(m, reset_sum, sums.scale_reset, j0, kTile);
            pending = 0;
        }
    }
#if defined(__AVX2__) || defined(__AVX512F__)
    if (stream) _mm_sfence();
#endif
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
