// Arithmetic on one tile: all steps of kTile neurons, which is what the membranes of fit the registers of AVX-512.
//
// Compiled once per instruction set (see tiles.cpp). Contraction is off (-ffp-contract=off): what the spikes and
// membranes depend on rounds where the reference in neuron/step.py rounds, which makes them equal bit for bit.
#pragma once
#include <cmath>
#include <cstdint>

#include "ahead.hpp"
#include "problem.hpp"
#include "simd.hpp"
#include "tiles.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {

constexpr float kLog2E = 1.44269504f;
static_assert(kTile % kLanes == 0, "a tile is whole vectors");

// Rows of kTile floats, one per step.
template <typename T>
struct TileRows {
    T* first = nullptr;
    std::int64_t stride = 0;
    T* at(std::int64_t t) const { return first + t * stride; }
};

SHIFTLIF_INLINE void add_row(float* sum, const float* row) {
    for (int j = 0; j < kTile; j += kLanes) store(sum + j, load(sum + j) + load(row + j));
}

struct StepTile {
    std::int64_t steps;
    TileRows<const float> currents;
    TileRows<float> spikes, potential, before;  // the latter two: H and V before the step, where they are kept
    TileRows<float> membranes;                  // V after each step, optional
    float* v;                                   // V before the first step, then after the last
    const float *boundaries, *values, *scale;
    int n;  // boundaries
    float decay;
};

// V before the step and I give H; the letter of x = H (boundaries times s) or H / s gives S; V = H - S.
// N boundaries are held in registers; 0: any number of them, read anew for every vector.
template <int N, bool DecayInput, bool Hard, bool PerLane, bool Kept, bool Stream>
void step_tile(const StepTile& a, RowsAhead& rows_ahead) {
    RowsAhead ahead = rows_ahead;
    constexpr int held = N > 0 ? N : 1;
    Vec b[held], s[held + 1];
    for (int i = 0; i < N; ++i) b[i] = all(a.boundaries[i]);
    for (int i = 0; i < N + 1; ++i) s[i] = all(a.values[i]);
    const Vec decay = all(a.decay), zero = all(0.0f), one = all(1.0f);
    for (std::int64_t t = 0; t < a.steps; ++t) {
        const float* const current_row = a.currents.at(t);
        float *const spikes_row = a.spikes.at(t), *const potential_row = a.potential.at(t);
        if (Kept && a.before.first != nullptr) std::memcpy(a.before.at(t), a.v, kTile * sizeof(float));
        const Ahead next = ahead.take();
        for (int j = 0; j < kTile; j += kLanes) {
            ask<Kept || Stream>(next, j);
            const Vec v = load(a.v + j), current = load(current_row + j);
            const Vec h = DecayInput ? v + (current - v) * decay : v - v * decay + current;
            const Vec scale = PerLane ? load(a.scale + j) : one;
            const Vec x = PerLane ? h / scale : h;
            Vec spike = s[0];
            if constexpr (N > 0) {
                for (int i = 0; i < N; ++i) spike = if_less(x, b[i], spike, s[i + 1]);
            } else {
                for (int i = 0; i < a.n; ++i) spike = if_less(x, all(a.boundaries[i]), spike, all(a.values[i + 1]));
            }
            const Vec letter = spike;
            if (PerLane) spike = spike * scale;
            store(a.v + j, Hard ? h * if_equal(letter, s[0], one, zero) : h - spike);
            put<Stream>(spikes_row + j, spike);
            if (Kept) store(potential_row + j, h);
        }
        if (a.membranes.first != nullptr) std::memcpy(a.membranes.at(t), a.v, kTile * sizeof(float));
    }
    rows_ahead = ahead;
}

// h / s as the division would round it: the product with 1 / s, and one correction (Markstein). The bounds keep the
// correction finite where the quotient is not.
SHIFTLIF_INLINE Vec quotient(Vec h, Vec s, Vec inverse) {
    if constexpr (kFused) {
        const Vec q = smaller(all(1e30f), larger(all(-1e30f), h * inverse));
        return fma(fma(q, -s, h), inverse, q);
    } else {
        return h / s;
    }
}

// What a pseudo-derivative needs of the neuron, read once per tile.
struct Shape {
    Vec low, high, alpha, slope;
    const float *levels, *boundaries;
    int n;

    explicit Shape(const Mechanism& m)
        : low(all(m.levels.front())), high(all(m.levels.back())), alpha(all(m.alpha)), slope(all(-m.alpha * kLog2E)),
          levels(m.levels.data()), boundaries(m.boundaries.data()), n(static_cast<int>(m.boundaries.size())) {}
};

// The pseudo-derivatives of surrogate.py: g of u = H / s.
template <Surrogate Kind>
SHIFTLIF_INLINE Vec pseudo_derivative(Vec u, const Shape& m) {
    const Vec zero = all(0.0f), one = all(1.0f);
    if constexpr (Kind == Surrogate::relsget) {
        return exp2_negative(m.slope * larger(zero, larger(m.low - u, u - m.high)));
    } else if constexpr (Kind == Surrogate::rectangle) {
        return if_less(u, m.low, zero, if_less(m.high, u, zero, if_equal(u, u, one, zero)));
    } else if constexpr (Kind == Surrogate::relsget_periodic) {
        Vec d = magnitude(u - m.low);
        for (int i = 1; i <= m.n; ++i) d = smaller(d, magnitude(u - all(m.levels[i])));
        return m.alpha * exp2_negative(m.slope * d);
    } else {
        Vec g = zero;
        for (int i = 0; i < m.n; ++i) {
            const Vec d = u - all(m.boundaries[i]), jump = all(m.levels[i + 1]) - all(m.levels[i]);
            if constexpr (Kind == Surrogate::atan) {
                const Vec half = m.alpha * all(0.5f), steep = all(3.14159265358979f) * half * d;
                g = g + jump * half / fma(steep, steep, one);
            } else if constexpr (Kind == Surrogate::triangle) {
                g = g + jump * m.alpha * larger(zero, one - m.alpha * magnitude(d));
            } else {
                const Vec root = fma(m.alpha, magnitude(d), one);
                g = g + jump / (root * root);
            }
        }
        return g;
    }
}

struct GradientTile {
    std::int64_t steps;
    TileRows<const float> grad_spikes, h, spikes;
    TileRows<float> grad_currents;              // stride 0 where they are summed: `total` adds them up
    TileRows<const float> grad_membranes;       // optional
    TileRows<float> grad_h;                     // optional
    const float *scale, *inverse;
    float *grad_v, *scale_sum, *reset_sum, *total;
    float decay;
    float gain;  // dH/dI
    float held;  // how much of the spike's gradient passes through the reset: 1, or 0 where it is detached
};

// The chain rule, last step first. grad_v enters as the gradient of V after the last step, leaves as that of V
// before the first.
template <Surrogate Kind, bool Hard, bool ScaleGradient, bool Stream>
void gradient_tile(const GradientTile& a, const Mechanism& m, RowsAhead& rows_ahead) {
    RowsAhead ahead = rows_ahead;
    const Vec zero = all(0.0f), one = all(1.0f), decay = all(a.decay), gain = all(a.gain), held = all(a.held);
    const Shape shape(m);
    for (std::int64_t t = a.steps - 1; t >= 0; --t) {
        const float *const h_row = a.h.at(t), *const spikes_row = a.spikes.at(t);
        const float* const grad_spikes_row = a.grad_spikes.at(t);
        float* const grad_current_row = a.grad_currents.at(t);
        if (a.grad_membranes.first != nullptr) add_row(a.grad_v, a.grad_membranes.at(t));
        const Ahead next = ahead.take();
        for (int j = 0; j < kTile; j += kLanes) {
            ask<Stream>(next, j);
            const Vec grad_v = load(a.grad_v + j);
            const Vec h = load(h_row + j), inverse = load(a.inverse + j);
            const Vec g = pseudo_derivative<Kind>(quotient(h, load(a.scale + j), inverse), shape);
            const Vec spikes = Hard || ScaleGradient ? load(spikes_row + j) : zero;
            Vec keep = grad_v, grad_spike = load(grad_spikes_row + j);
            if (Hard) {
                keep = grad_v * if_equal(spikes, zero, one, zero);
                if (a.held != 0.0f) grad_spike = grad_spike - grad_v * h * inverse;  // else H may be infinite
            } else {
                grad_spike = fma(-held, grad_v, grad_spike);
            }
            if (ScaleGradient && Hard)
                store(a.reset_sum + j, load(a.reset_sum + j) + grad_v * h * spikes);
            const Vec grad_h = fma(grad_spike, g, keep);
            put<Stream>(grad_current_row + j, grad_h * gain);
            store(a.grad_v + j, fma(grad_h, -decay, grad_h));
            if (ScaleGradient) store(a.scale_sum + j, fma(grad_spike, fma(-g, h, spikes), load(a.scale_sum + j)));
            if (a.grad_h.first != nullptr) store(a.grad_h.at(t) + j, grad_h);
        }
        if (a.total != nullptr) add_row(a.total, grad_current_row);
    }
    rows_ahead = ahead;
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
