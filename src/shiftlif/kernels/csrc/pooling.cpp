#include "pooling.hpp"

#include <algorithm>

#include "threads.hpp"

namespace shiftlif {
namespace {

// One row of windows: where its first element lies in the input and in the output, and how many there are.
struct Row {
    std::int64_t in, out, count;
};

// The first largest element, or the last NaN, as torch has it; and which element of the window it is.
template <typename Value, typename Index>
struct Best {
    Value value;
    Index winner{};

    void offer(Value next, std::int32_t k) {
        const auto larger = (next > value) | (next != next);
        value = larger ? next : value;
        winner = larger ? Index{} + k : winner;
    }
};

std::int64_t covered_width(const Pooling& p) { return p.width / p.window_width * p.window_width; }

// Any window, one at a time.
void one_by_one(const Pooling& p, Row row) {
    for (std::int64_t j = 0; j < row.count; ++j) {
        const float* const x = p.x + row.in + j * p.window_width;
        Best<float, std::int32_t> best{x[0]};
        for (std::int64_t r = 0; r < p.window_height; ++r)
            for (std::int64_t c = 0; c < p.window_width; ++c)
                best.offer(x[r * p.width + c], static_cast<std::int32_t>(r * p.window_width + c));
        if (p.grad_x == nullptr) {
            p.y[row.out + j] = best.value;
            continue;
        }
        float* const grad_x = p.grad_x + row.in + j * p.window_width;
        for (std::int64_t r = 0; r < p.window_height; ++r)
            for (std::int64_t c = 0; c < p.window_width; ++c)
                grad_x[r * p.width + c] = best.winner == r * p.window_width + c ? p.grad_y[row.out + j] : 0.0f;
    }
}

// Windows that are two wide, four at a time: images and sequences of edge networks are too short for longer vectors.
using Four = float __attribute__((vector_size(16)));
using FourBits = std::int32_t __attribute__((vector_size(16)));

Four load(const float* from) {
    Four v;
    std::memcpy(&v, from, sizeof v);
    return v;
}
void store(float* to, Four v) { std::memcpy(to, &v, sizeof v); }

template <int Height>
void four_by_four(const Pooling& p, Row row) {
    if (row.count < 4) return one_by_one(p, row);
    for (std::int64_t next = 0; next < row.count; next += 4) {
        const std::int64_t j = std::min(next, row.count - 4);  // the last four may overlap: they find the same
        const float* const x = p.x + row.in + 2 * j;
        Best<Four, FourBits> best{};
        for (int r = 0; r < Height; ++r) {
            const Four a = load(x + r * p.width), b = load(x + r * p.width + 4);
            const Four even = __builtin_shufflevector(a, b, 0, 2, 4, 6);
            if (r == 0) best.value = even;
            else best.offer(even, 2 * r);
            best.offer(__builtin_shufflevector(a, b, 1, 3, 5, 7), 2 * r + 1);
        }
        if (p.grad_x == nullptr) {
            store(p.y + row.out + j, best.value);
            continue;
        }
        const Four grad = load(p.grad_y + row.out + j), zero{};
        for (int r = 0; r < Height; ++r) {
            float* const grad_x = p.grad_x + row.in + 2 * j + r * p.width;
            const Four even = best.winner == 2 * r ? grad : zero, odd = best.winner == 2 * r + 1 ? grad : zero;
            store(grad_x, __builtin_shufflevector(even, odd, 0, 4, 1, 5));
            store(grad_x + 4, __builtin_shufflevector(even, odd, 2, 6, 3, 7));
        }
    }
}

void pool(const Pooling& p, std::int64_t begin, std::int64_t end) {
    const std::int64_t rows = p.height / p.window_height, count = p.width / p.window_width;
    const bool two_wide = p.window_width == 2;
    const auto run = two_wide && p.window_height == 1   ? four_by_four<1>
                     : two_wide && p.window_height == 2 ? four_by_four<2>
                                                        : one_by_one;
    for (std::int64_t plane = begin; plane < end; ++plane) {
        float* const grad_x = p.grad_x == nullptr ? nullptr : p.grad_x + plane * p.height * p.width;
        for (std::int64_t i = 0; i < rows; ++i) {
            const std::int64_t line = i * p.window_height;
            run(p, {(plane * p.height + line) * p.width, (plane * rows + i) * count, count});
            if (grad_x == nullptr) continue;
            for (std::int64_t r = line; r < line + p.window_height; ++r)  // what is left at the right edge
                std::fill(grad_x + r * p.width + covered_width(p), grad_x + (r + 1) * p.width, 0.0f);
        }
        if (grad_x != nullptr)  // and at the bottom
            std::fill(grad_x + rows * p.window_height * p.width, grad_x + p.height * p.width, 0.0f);
    }
}

}  // namespace

void run_pooling(const Pooling& p, int most) {
    const std::int64_t parts = std::min(p.planes, p.planes * p.height * p.width / kPooledPerThread);
    const auto threads = static_cast<int>(std::clamp<std::int64_t>(parts, 1, std::max(most, 1)));
    const std::int64_t part = (p.planes + threads - 1) / threads;
    in_parallel(threads, [&](int index) {
        const std::int64_t begin = std::min(p.planes, index * part);
        pool(p, begin, std::min(p.planes, begin + part));
    });
}

}  // namespace shiftlif
