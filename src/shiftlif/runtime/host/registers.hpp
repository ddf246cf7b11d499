// What instruction sets differ in: a register of 32-bit sums and the products that go into it, and 16 bytes that are
// interleaved. Each file that includes this is compiled once for each set; all of it is in an anonymous namespace, so
// that no function of one set can stand in for that of another.
#pragma once

#include <cstdint>

#if defined(__AVX2__)
#include <immintrin.h>
#else
#include <arm_neon.h>
#endif

namespace shiftlif {
namespace {

// LANES_OF: sums of a register. SUMS: registers of sums that are kept at once, at most. MASKED: loads and stores may leave out lanes.
// ELEMENT: bytes of a copied number whose source has 1. SURPLUS: what is added to such a number, for products whose one
// factor is unsigned.
//
// multiply_add8 adds to each lane the products of its four bytes of both factors, multiply_add16 those of its two
// 16-bit numbers; sums wrap.
#if defined(__AVX512BW__)
using Register = __m512i;
constexpr uint32_t LANES_OF = 16, SUMS = 24;
constexpr bool MASKED = true;
inline Register load(const void *p) { return _mm512_loadu_si512(p); }
inline void store(void *p, Register x) { _mm512_storeu_si512(p, x); }
inline Register spread(int32_t x) { return _mm512_set1_epi32(x); }
inline Register multiply_add16(Register sum, Register a, Register w) { return _mm512_add_epi32(sum, _mm512_madd_epi16(a, w)); }
#elif defined(__AVX2__)
using Register = __m256i;
constexpr uint32_t LANES_OF = 8, SUMS = 8;
constexpr bool MASKED = false;
inline Register load(const void *p) { return _mm256_loadu_si256(static_cast<const __m256i *>(p)); }
inline void store(void *p, Register x) { _mm256_storeu_si256(static_cast<__m256i *>(p), x); }
inline Register spread(int32_t x) { return _mm256_set1_epi32(x); }
inline Register multiply_add16(Register sum, Register a, Register w) { return _mm256_add_epi32(sum, _mm256_madd_epi16(a, w)); }
#else
using Register = int32x4_t;
constexpr uint32_t LANES_OF = 4, SUMS = 16;
constexpr bool MASKED = false;
inline Register load(const void *p) { return vreinterpretq_s32_u8(vld1q_u8(static_cast<const uint8_t *>(p))); }
inline void store(void *p, Register x) { vst1q_u8(static_cast<uint8_t *>(p), vreinterpretq_u8_s32(x)); }
inline Register spread(int32_t x) { return vdupq_n_s32(x); }
inline Register multiply_add16(Register sum, Register a, Register w) {
    const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(w);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y)));
}
#endif

#if defined(__AVX512VNNI__)
constexpr uint32_t ELEMENT = 1, SURPLUS = 128;
inline Register multiply_add8(Register sum, Register a, Register w) { return _mm512_dpbusd_epi32(sum, a, w); }
#elif defined(__AVX2__)
constexpr uint32_t ELEMENT = 2, SURPLUS = 0;
inline Register multiply_add8(Register sum, Register, Register) { return sum; }  // never asked for
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr uint32_t ELEMENT = 1, SURPLUS = 0;
inline Register multiply_add8(Register sum, Register a, Register w) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(w));
}
#else
constexpr uint32_t ELEMENT = 1, SURPLUS = 0;
// Two products fit 16 bits, since weights stay within +-127 (SPEC 6): 2 * 128 * 127 < 2^15.
inline Register multiply_add8(Register sum, Register a, Register w) {
    const int8x16_t x = vreinterpretq_s8_s32(a), y = vreinterpretq_s8_s32(w);
    return vpadalq_s16(sum, vpaddq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)), vmull_high_s8(x, y)));
}
#endif

// The bytes of two halves in turn: those of the first eight of each, or of the last.
#if defined(__AVX2__)
using Bytes = __m128i;
inline Bytes load_bytes(const uint8_t *p) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(p)); }
inline void store_bytes(uint8_t *p, Bytes x) { _mm_storeu_si128(reinterpret_cast<__m128i *>(p), x); }
inline Bytes interleave_low(Bytes a, Bytes b) { return _mm_unpacklo_epi8(a, b); }
inline Bytes interleave_high(Bytes a, Bytes b) { return _mm_unpackhi_epi8(a, b); }
#else
using Bytes = uint8x16_t;
inline Bytes load_bytes(const uint8_t *p) { return vld1q_u8(p); }
inline void store_bytes(uint8_t *p, Bytes x) { vst1q_u8(p, x); }
inline Bytes interleave_low(Bytes a, Bytes b) { return vzip1q_u8(a, b); }
inline Bytes interleave_high(Bytes a, Bytes b) { return vzip2q_u8(a, b); }
#endif

}  // namespace
}  // namespace shiftlif
