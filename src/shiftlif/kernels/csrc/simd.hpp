// The few vector operations the tiles need, for the instruction set this file is compiled for (CMakeLists.txt).
//
// A Vec is a pack of hardware vectors that go through every operation side by side: a long chain of dependent
// operations on one vector after the other would fill the processor's schedulers with waiting instructions.
// + - * / round as the scalar operations do. `larger` and `smaller` give their second argument where one is NaN.
#pragma once
#include <cstdint>
#include <cstring>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace shiftlif {
namespace SHIFTLIF_ISA {

#define SHIFTLIF_INLINE inline __attribute__((always_inline))
#define SHIFTLIF_UNROLL _Pragma("GCC unroll 32")  // fully, so that what the counter indexes stays in registers

#if defined(__AVX512F__)
constexpr int kHardwareLanes = 16;
#elif defined(__AVX2__)
constexpr int kHardwareLanes = 8;
#else
constexpr int kHardwareLanes = 4;  // SSE2, NEON; elsewhere the compiler makes do
#endif
constexpr int kPack = 4;
constexpr int kLanes = kHardwareLanes * kPack;

using Lane = float __attribute__((vector_size(kHardwareLanes * 4)));
using LaneBits = std::int32_t __attribute__((vector_size(kHardwareLanes * 4)));

struct Vec {
    Lane part[kPack];
};

template <typename F, typename... Vecs>
SHIFTLIF_INLINE Vec each(F f, const Vecs&... v) {
    Vec result;
    SHIFTLIF_UNROLL
    for (int i = 0; i < kPack; ++i) result.part[i] = f(v.part[i]...);
    return result;
}

SHIFTLIF_INLINE Vec all(float x) {
    return each([x](Lane zero) { return x - zero; }, Vec{});
}
SHIFTLIF_INLINE Vec operator+(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return x + y; }, a, b);
}
SHIFTLIF_INLINE Vec operator-(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return x - y; }, a, b);
}
SHIFTLIF_INLINE Vec operator-(Vec a) {
    return each([](Lane x) { return -x; }, a);
}
SHIFTLIF_INLINE Vec operator*(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return x * y; }, a, b);
}
SHIFTLIF_INLINE Vec operator/(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return x / y; }, a, b);
}
SHIFTLIF_INLINE Vec magnitude(Vec a) {
    return each([](Lane x) { return (Lane)((LaneBits)x & 0x7FFFFFFF); }, a);
}

SHIFTLIF_INLINE Vec load(const float* from) {
    Vec v;
    SHIFTLIF_UNROLL
    for (int i = 0; i < kPack; ++i) std::memcpy(&v.part[i], from + i * kHardwareLanes, sizeof(Lane));
    return v;
}
SHIFTLIF_INLINE void store(float* to, Vec v) {
    SHIFTLIF_UNROLL
    for (int i = 0; i < kPack; ++i) std::memcpy(to + i * kHardwareLanes, &v.part[i], sizeof(Lane));
}

// The instructions that the compilers' vector operators do not always reach.
#if defined(__AVX512F__)
SHIFTLIF_INLINE Lane max_of(Lane a, Lane b) { return (Lane)_mm512_max_ps((__m512)a, (__m512)b); }
SHIFTLIF_INLINE Lane min_of(Lane a, Lane b) { return (Lane)_mm512_min_ps((__m512)a, (__m512)b); }
SHIFTLIF_INLINE Lane fma_of(Lane a, Lane b, Lane c) { return (Lane)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
template <int Comparison>
SHIFTLIF_INLINE Lane choose(Lane a, Lane b, Lane then, Lane otherwise) {
    const __mmask16 mask = _mm512_cmp_ps_mask((__m512)a, (__m512)b, Comparison);
    return (Lane)_mm512_mask_mov_ps((__m512)otherwise, mask, (__m512)then);
}
SHIFTLIF_INLINE Lane less(Lane a, Lane b, Lane then, Lane otherwise) {
    return choose<_CMP_LT_OQ>(a, b, then, otherwise);
}
SHIFTLIF_INLINE Lane equal(Lane a, Lane b, Lane then, Lane otherwise) {
    return choose<_CMP_EQ_OQ>(a, b, then, otherwise);
}
#else
SHIFTLIF_INLINE Lane less(Lane a, Lane b, Lane then, Lane otherwise) { return a < b ? then : otherwise; }
SHIFTLIF_INLINE Lane equal(Lane a, Lane b, Lane then, Lane otherwise) { return a == b ? then : otherwise; }
#if defined(__AVX2__)
SHIFTLIF_INLINE Lane max_of(Lane a, Lane b) { return (Lane)_mm256_max_ps((__m256)a, (__m256)b); }
SHIFTLIF_INLINE Lane min_of(Lane a, Lane b) { return (Lane)_mm256_min_ps((__m256)a, (__m256)b); }
SHIFTLIF_INLINE Lane fma_of(Lane a, Lane b, Lane c) { return (Lane)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
SHIFTLIF_INLINE Lane max_of(Lane a, Lane b) { return a > b ? a : b; }
SHIFTLIF_INLINE Lane min_of(Lane a, Lane b) { return a < b ? a : b; }
SHIFTLIF_INLINE Lane fma_of(Lane a, Lane b, Lane c) {
#if defined(__ARM_FEATURE_FMA)
    for (int i = 0; i < kHardwareLanes; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#else
    return a * b + c;
#endif
}
#endif
#endif

#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
constexpr bool kFused = true;
#else
constexpr bool kFused = false;
#endif

SHIFTLIF_INLINE Vec larger(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return max_of(x, y); }, a, b);
}
SHIFTLIF_INLINE Vec smaller(Vec a, Vec b) {
    return each([](Lane x, Lane y) { return min_of(x, y); }, a, b);
}
// a b + c for gradients, which need no particular rounding: fused where the machine can.
SHIFTLIF_INLINE Vec fma(Vec a, Vec b, Vec c) {
    return each([](Lane x, Lane y, Lane z) { return fma_of(x, y, z); }, a, b, c);
}
SHIFTLIF_INLINE Vec if_less(Vec a, Vec b, Vec then, Vec otherwise) {
    return each([](Lane x, Lane y, Lane p, Lane q) { return less(x, y, p, q); }, a, b, then, otherwise);
}
SHIFTLIF_INLINE Vec if_equal(Vec a, Vec b, Vec then, Vec otherwise) {
    return each([](Lane x, Lane y, Lane p, Lane q) { return equal(x, y, p, q); }, a, b, then, otherwise);
}

// Past the caches a plain store first reads the line it replaces; a streaming store does not. `to` is aligned to a
// hardware vector (the caller sees to it); without an instruction for it this is a plain store.
template <bool Stream>
SHIFTLIF_INLINE void put(float* to, Vec v) {
    if constexpr (!Stream) return store(to, v);
    SHIFTLIF_UNROLL
    for (int i = 0; i < kPack; ++i) {
#if defined(__AVX512F__)
        _mm512_stream_ps(to + i * kHardwareLanes, (__m512)v.part[i]);
#elif defined(__AVX2__)
        _mm256_stream_ps(to + i * kHardwareLanes, (__m256)v.part[i]);
#else
        std::memcpy(to + i * kHardwareLanes, &v.part[i], sizeof(Lane));
#endif
    }
}

inline void streams_done() {
#if defined(__AVX2__) || defined(__AVX512F__)
    _mm_sfence();
#endif
}

// 2^y for y <= 0, relative error below 2e-7; a polynomial of degree 5 (minimax on [-1/2, 1/2]) times a power of two.
// NaN stays NaN, and there are no denormal results.
SHIFTLIF_INLINE Vec exp2_negative(Vec y) {
    y = larger(all(-125.0f), y);
#if defined(__AVX512F__)
    const Vec whole = each(
        [](Lane x) { return (Lane)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }, y);
#else
    const Vec round = all(12582912.0f);  // 1.5 x 2^23: adding it rounds y to an integer, left in the low bits
    const Vec shifted = y + round, whole = shifted - round;
#endif
    const Vec f = y - whole;
    Vec p = fma(all(1.326472721e-3f), f, all(9.671512812e-3f));
    p = fma(p, f, all(5.550733745e-2f));
    p = fma(p, f, all(2.402224208e-1f));
    p = fma(p, f, all(6.931469776e-1f));
    p = fma(p, f, all(1.0f));
#if defined(__AVX512F__)
    return each([](Lane x, Lane n) { return (Lane)_mm512_scalef_ps((__m512)x, (__m512)n); }, p, whole);
#else
    return each([](Lane x, Lane n) { return (Lane)((LaneBits)x + ((LaneBits)n << 23)); }, p, shifted);
#endif
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
