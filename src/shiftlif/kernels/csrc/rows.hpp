// Arithmetic on one row of a tile: short loops that the compiler turns into vector code.
//
// This file is compiled once per instruction set (see tiles.cpp). Contraction is off (-ffp-contract=off): each
// operation rounds where the reference in neuron/step.py rounds, which is what makes spikes equal bit for bit.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "problem.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {

#define SHIFTLIF_ROW _Pragma("GCC ivdep")

constexpr float kLog2E = 1.44269504f;

inline float as_float(std::int32_t bits) { float f; std::memcpy(&f, &bits, 4); return f; }
inline std::int32_t as_bits(float f) { std::int32_t b; std::memcpy(&b, &f, 4); return b; }

// One instruction each; where an argument is NaN they give the second.
inline float larger(float a, float b) { return a > b ? a : b; }
inline float smaller(float a, float b) { return a < b ? a : b; }

// a b + c for gradients, which need no particular rounding: fused where the machine can.
inline float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

// Bounds of the pseudo-derivative's argument, passed by value. They are read from memory and not written as constants,
// because GCC threads jumps through clamps whose outcomes it can relate, and then finds no minimum or maximum left.
struct Bounds {
    float zero, large, minus_large, exponent;
};

inline Bounds read_bounds() {
    static const volatile float values[] = {0.0f, 1e30f, -1e30f, -125.0f};
    return {values[0], values[1], values[2], values[3]};
}

// 2^y for y <= 0, relative error below 2e-7; a polynomial of degree 5 (minimax on [-1/2, 1/2]) scaled by the
// exponent bits. The addition of 1.5 x 2^23 rounds y to an integer and leaves it in the low bits.
inline float exp2_negative(float y, Bounds bounds) {
    constexpr float round = 12582912.0f;
    y = larger(bounds.exponent, y);
    const float shifted = y + round;
    const float f = y - (shifted - round);
    float p = fma(1.326472721e-3f, f, 9.671512812e-3f);
    p = fma(p, f, 5.550733745e-2f);
    p = fma(p, f, 2.402224208e-1f);
    p = fma(p, f, 6.931469776e-1f);
    p = fma(p, f, 1.0f);
    return as_float(as_bits(p) + static_cast<std::int32_t>(static_cast<std::uint32_t>(as_bits(shifted)) << 23));
}

// V before the step and I give H; the letter of x = H (boundaries times s) or H / s gives S; V = H - S.
// Store says which rows beside V are written.
enum class Store { spikes, potential, both };

template <int N, bool DecayInput, bool Hard, bool PerLane, Store Kept>
void step_row(const float* __restrict current, float* __restrict v, float decay, const float* __restrict boundaries,
              const float* __restrict values, const float* __restrict scale, float* __restrict spikes,
              float* __restrict potential, std::int64_t width) {
    float b[N], s[N + 1];
    for (int i = 0; i < N; ++i) b[i] = boundaries[i];
    for (int i = 0; i <= N; ++i) s[i] = values[i];
    SHIFTLIF_ROW
    for (std::int64_t j = 0; j < width; ++j) {
        const float h = DecayInput ? v[j] + (current[j] - v[j]) * decay : v[j] - v[j] * decay + current[j];
        const float x = PerLane ? h / scale[j] : h;
        float spike = s[0];
        for (int i = 0; i < N; ++i) spike = x < b[i] ? spike : s[i + 1];
        const float letter = spike;
        if (PerLane) spike = spike * scale[j];
        if (Hard) v[j] = h * (letter == s[0] ? 1.0f : 0.0f);
        else v[j] = h - spike;
        if (Kept != Store::potential) spikes[j] = spike;
        if (Kept != Store::spikes) potential[j] = h;
    }
}

// The same for tables of any length: the compares run chunk by chunk over a strip of lanes.
template <bool DecayInput, bool PerLane, Store Kept>
void step_row_long(const float* __restrict current, float* __restrict v, float decay,
                   const float* __restrict boundaries, const float* __restrict values, int n,
                   const float* __restrict scale, float* __restrict spikes, float* __restrict potential,
                   std::int64_t width) {
    constexpr int strip = 64;
    for (std::int64_t j0 = 0; j0 < width; j0 += strip) {
        const int lanes = width - j0 < strip ? static_cast<int>(width - j0) : strip;
        float x[strip], h[strip], spike[strip];
        for (int j = 0; j < lanes; ++j) {
            const float vj = v[j0 + j], c = current[j0 + j];
            h[j] = DecayInput ? vj + (c - vj) * decay : vj - vj * decay + c;
            x[j] = PerLane ? h[j] / scale[j0 + j] : h[j];
            spike[j] = values[0];
        }
        for (int i = 0; i < n; ++i) {
            const float b = boundaries[i], s = values[i + 1];
            for (int j = 0; j < lanes; ++j) spike[j] = x[j] < b ? spike[j] : s;
        }
        for (int j = 0; j < lanes; ++j) {
            const float emitted = PerLane ? spike[j] * scale[j0 + j] : spike[j];
            v[j0 + j] = h[j] - emitted;
            if (Kept != Store::potential) spikes[j0 + j] = emitted;
            if (Kept != Store::spikes) potential[j0 + j] = h[j];
        }
    }
}

// h / s as the division would round it: the product with 1 / s, and one correction (Markstein). The bound keeps the
// correction finite where the quotient is not.
inline float quotient(float h, float s, float inverse, Bounds bounds) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    const float q = smaller(bounds.large, larger(bounds.minus_large, h * inverse));
    return fma(fma(q, -s, h), inverse, q);
#else
    (void)inverse, (void)bounds;
    return h / s;
#endif
}

inline void quotient_row(const float* __restrict h, const float* __restrict scale, const float* __restrict inverse,
                         float* __restrict u, std::int64_t width, Bounds bounds) {
    SHIFTLIF_ROW
    for (std::int64_t j = 0; j < width; ++j) u[j] = quotient(h[j], scale[j], inverse[j], bounds);
}

inline void exp2_row(float* __restrict y, float factor, std::int64_t width, Bounds bounds) {
    SHIFTLIF_ROW
    for (std::int64_t j = 0; j < width; ++j) y[j] = factor * exp2_negative(y[j], bounds);
}

// The pseudo-derivatives of surrogate.py: g of u = H / s. Several short loops and not one long one: a processor keeps
// only a few iterations of a long chain of dependent operations in flight.
inline void surrogate_row(const Mechanism& m, const float* __restrict u, float* __restrict g, std::int64_t width,
                          Bounds bounds) {
    const float low = m.levels.front(), high = m.levels.back(), alpha = m.alpha;
    const int n = static_cast<int>(m.boundaries.size());
    if (m.surrogate == Surrogate::relsget) {
        const float slope = -alpha * kLog2E;
        SHIFTLIF_ROW
        for (std::int64_t j = 0; j < width; ++j) g[j] = slope * larger(bounds.zero, larger(low - u[j], u[j] - high));
        exp2_row(g, 1.0f, width, bounds);
        return;
    }
    if (m.surrogate == Surrogate::rectangle) {
        SHIFTLIF_ROW
        for (std::int64_t j = 0; j < width; ++j) {
            const float above = u[j] >= low ? 1.0f : 0.0f;
            g[j] = u[j] <= high ? above : 0.0f;
        }
        return;
    }
    if (m.surrogate == Surrogate::relsget_periodic) {
        SHIFTLIF_ROW
        for (std::int64_t j = 0; j < width; ++j) g[j] = std::fabs(u[j] - low);
        for (int i = 1; i <= n; ++i) {
            const float level = m.levels[i];
            SHIFTLIF_ROW
            for (std::int64_t j = 0; j < width; ++j) {
                const float d = std::fabs(u[j] - level);
                g[j] = smaller(g[j], d);
            }
        }
        const float slope = -alpha * kLog2E;
        SHIFTLIF_ROW
        for (std::int64_t j = 0; j < width; ++j) g[j] *= slope;
        exp2_row(g, alpha, width, bounds);
        return;
    }
    for (std::int64_t j = 0; j < width; ++j) g[j] = 0.0f;
    for (int i = 0; i < n; ++i) {
        const float b = m.boundaries[i], jump = m.levels[i + 1] - m.levels[i];
        if (m.surrogate == Surrogate::atan) {
            const float half = alpha / 2, steep = 3.14159265358979f * half, height = jump * half;
            SHIFTLIF_ROW
            for (std::int64_t j = 0; j < width; ++j) {
                const float d = steep * (u[j] - b);
                g[j] += height / fma(d, d, 1.0f);
            }
        } else if (m.surrogate == Surrogate::triangle) {
            const float height = jump * alpha;
            SHIFTLIF_ROW
            for (std::int64_t j = 0; j < width; ++j) {
                const float d = 1.0f - alpha * std::fabs(u[j] - b);
                g[j] += height * larger(0.0f, d);
            }
        } else {
            SHIFTLIF_ROW
            for (std::int64_t j = 0; j < width; ++j) {
                const float d = fma(alpha, std::fabs(u[j] - b), 1.0f);
                g[j] += jump / (d * d);
            }
        }
    }
}

struct GradientRow {
    const float *grad_spikes, *h, *spikes, *g, *inverse;
    float *grad_v, *grad_current, *grad_h, *scale_sum, *reset_sum;
    float decay;
    std::int64_t width;
};

// One step of the chain rule. grad_v enters as the gradient of V after the step, leaves as that of V before it.
template <bool DecayInput, bool Hard, bool Detached, bool ScaleGradient, bool KeepH>
void gradient_row(const GradientRow& r) {
    const float* __restrict grad_spikes = r.grad_spikes;
    const float* __restrict h = r.h;
    const float* __restrict spikes = r.spikes;
    const float* __restrict g_row = r.g;
    const float* __restrict inverse = r.inverse;
    float* __restrict grad_v = r.grad_v;
    float* __restrict grad_current = r.grad_current;
    float* __restrict grad_h = r.grad_h;
    float* __restrict scale_sum = r.scale_sum;
    float* __restrict reset_sum = r.reset_sum;
    const float decay = r.decay;
    SHIFTLIF_ROW
    for (std::int64_t j = 0; j < r.width; ++j) {
        const float gv = grad_v[j], hj = h[j];
        const float g = g_row[j];
        float keep = gv;            // times dV/dH with the spike held
        float gs = grad_spikes[j];  // total gradient of the spike
        if (Hard) {
            keep = gv * (spikes[j] == 0.0f ? 1.0f : 0.0f);
            if (!Detached) gs = gs - gv * hj * inverse[j];
        } else if (!Detached) {
            gs = gs - gv;
        }
        const float gh = fma(gs, g, keep);
        const float leaked = gh * decay;
        grad_current[j] = DecayInput ? leaked : gh;
        grad_v[j] = gh - leaked;
        if (KeepH) grad_h[j] = gh;
        if (ScaleGradient) {
            scale_sum[j] = fma(gs, fma(-g, hj, spikes[j]), scale_sum[j]);
            if (Hard) reset_sum[j] += gv * hj * spikes[j];
        }
    }
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
