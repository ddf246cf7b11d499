/* The opponent: a dense int8 network, layer by layer, for cores with the DSP extension (and in plain C elsewhere).
 *
 * Activations are int16 [rows][columns][channels] with the zeros of the next layer's padding around them, so that a window
 * of a convolution is one run of memory for each kernel row and nothing is copied. Weights are int8, four to a word, in
 * the order in which SXTB16 unpacks them; SMLAD multiplies two and adds both. Every size is a constant where `layer` is
 * used, so that the compiler specialises it.
 */
#ifndef DENSE_INT8_H
#define DENSE_INT8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

#if defined(__ARM_FEATURE_DSP)
INLINE int32_t smlad(uint32_t a, uint32_t b, int32_t sum) {
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}
INLINE uint32_t unpack_even(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1" : "=r"(result) : "r"(word));
    return result;
}
INLINE uint32_t unpack_odd(uint32_t word) {
    uint32_t result;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
    return result;
}
/* (v * scale + rounding * 2^32) >> 32 */
INLINE int32_t scaled(int32_t v, int32_t scale, int32_t rounding) {
    int32_t result;
    __asm__("smmla %0, %1, %2, %3" : "=r"(result) : "r"(v), "r"(scale), "r"(rounding));
    return result;
}
INLINE uint32_t clipped(int32_t v) {
    uint32_t result;
    __asm__("usat %0, #7, %1" : "=r"(result) : "r"(v));
    return result;
}
INLINE uint32_t shifted_and_clipped(int32_t v, const int shift) {
    uint32_t result;
    __asm__("usat %0, #7, %1, asr %2" : "=r"(result) : "r"(v), "I"(shift));
    return result;
}
INLINE uint32_t larger_pair(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("ssub16 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b) : "cc");
    return result;
}
INLINE uint32_t sum_pair(uint32_t a, uint32_t b) {
    uint32_t result;
    __asm__("sadd16 %0, %1, %2" : "=r"(result) : "r"(a), "r"(b));
    return result;
}
#else
INLINE int32_t low(uint32_t pair) { return (int16_t)(uint16_t)pair; }
INLINE int32_t high(uint32_t pair) { return (int16_t)(uint16_t)(pair >> 16); }
INLINE uint32_t paired(int32_t a, int32_t b) { return (uint16_t)a | (uint32_t)b << 16; }
INLINE int32_t smlad(uint32_t a, uint32_t b, int32_t sum) { return sum + low(a) * low(b) + high(a) * high(b); }
INLINE uint32_t unpack_even(uint32_t word) { return paired((int8_t)word, (int8_t)(word >> 16)); }
INLINE uint32_t unpack_odd(uint32_t word) { return paired((int8_t)(word >> 8), (int8_t)(word >> 24)); }
INLINE int32_t scaled(int32_t v, int32_t scale, int32_t rounding) {
    return (int32_t)(((int64_t)v * scale) >> 32) + rounding;
}
INLINE uint32_t clipped(int32_t v) { return v < 0 ? 0u : v > 127 ? 127u : (uint32_t)v; }
INLINE uint32_t shifted_and_clipped(int32_t v, const int shift) { return clipped(v >> shift); }
INLINE uint32_t larger_pair(uint32_t a, uint32_t b) {
    return paired(low(a) > low(b) ? low(a) : low(b), high(a) > high(b) ? high(a) : high(b));
}
INLINE uint32_t sum_pair(uint32_t a, uint32_t b) { return paired(low(a) + low(b), high(a) + high(b)); }
#endif

INLINE uint32_t word_at(const void *at) {
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(at, 4), 4);
    return word;
}

/* Four activations; a frame of one channel is aligned to 2 only, which LDR allows and LDRD does not. */
INLINE uint64_t four_at(const int16_t *at, const int aligned) {
    uint64_t four;
    if (aligned) {
        memcpy(&four, __builtin_assume_aligned(at, 4), 8);
    } else {
        uint32_t a, b;
        memcpy(&a, at, 4);
        memcpy(&b, at + 2, 4);
        four = a | (uint64_t)b << 32;
    }
    return four;
}

/* A layer's constants. */
typedef struct shape {
    unsigned positions, outputs;   /* computed at once: 4 x 1, 2 x 2 or 1 x 4 */
    unsigned rows, columns;        /* of the result */
    unsigned channels;             /* of the result, a multiple of `outputs` */
    unsigned runs, run;            /* of a window: kernel rows, and groups of four in each */
    unsigned step, line;           /* activations from position to position and from row to row of the source */
    unsigned target_step, target_line;
    int aligned, shift, current_shift; /* of requantisation, 0: one for each channel; of the current */
} shape;

/* The sums of a block in C: what has no loop of its own below. */
INLINE void sums_in_c(const shape s, const int16_t *at, const int8_t *w, int32_t *sums) {
    unsigned p, o, i;
    for (i = 0; i < s.run; i++) {
        for (o = 0; o < s.outputs; o++) {
            const uint32_t word = word_at(w), even = unpack_even(word), odd = unpack_odd(word);
#pragma GCC unroll 4
            for (p = 0; p < s.positions; p++) {
                const uint64_t four = four_at(at + p * s.step, s.aligned);
                int32_t *sum = &sums[p * s.outputs + o];
                *sum = smlad((uint32_t)four, even, *sum);
                *sum = smlad((uint32_t)(four >> 32), odd, *sum);
            }
            w += 4;
        }
        at += 4;
    }
}

#if defined(__ARM_FEATURE_DSP)
/* 1 position, 4 outputs: 18 instructions for 16 products, beside the loop. */
#define ONE_BY_FOUR                                                                       \
    "ldmia %[at]!, {r4, r5}\n\tldmia %[w]!, {r6, r8, r9, r10}\n\t"                        \
    "sxtb16 r12, r6, ror #8\n\tsxtb16 r6, r6\n\tsmlad %[a], r4, r6, %[a]\n\tsmlad %[a], r5, r12, %[a]\n\t"    \
    "sxtb16 r12, r8, ror #8\n\tsxtb16 r8, r8\n\tsmlad %[b], r4, r8, %[b]\n\tsmlad %[b], r5, r12, %[b]\n\t"    \
    "sxtb16 r12, r9, ror #8\n\tsxtb16 r9, r9\n\tsmlad %[c], r4, r9, %[c]\n\tsmlad %[c], r5, r12, %[c]\n\t"    \
    "sxtb16 r12, r10, ror #8\n\tsxtb16 r10, r10\n\tsmlad %[d], r4, r10, %[d]\n\tsmlad %[d], r5, r12, %[d]\n\t"
INLINE void sums_1x4(const shape s, const int16_t *at, const int8_t *w, int32_t *sums) {
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    unsigned left = s.run / 4u;
#define OPERANDS                                                                                              \
    [at] "+r"(at), [w] "+r"(w), [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d)
#define USED "r4", "r5", "r6", "r8", "r9", "r10", "r12", "cc", "memory"
    if (s.run >= 4u) {
        __asm__ volatile("1:\n\t" ONE_BY_FOUR ONE_BY_FOUR ONE_BY_FOUR ONE_BY_FOUR "subs %[left], #1\n\tbne 1b"
                         : OPERANDS, [left] "+r"(left)
                         :
                         : USED);
    }
    if (s.run % 4u >= 1u) {
        __asm__ volatile(ONE_BY_FOUR : OPERANDS : : USED);
    }
    if (s.run % 4u >= 2u) {
        __asm__ volatile(ONE_BY_FOUR : OPERANDS : : USED);
    }
    if (s.run % 4u == 3u) {
        __asm__ volatile(ONE_BY_FOUR : OPERANDS : : USED);
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* 4 positions, 1 output, two groups at a time: 29 instructions for 32 products, beside the loop. */
#define AT_POSITION(sum, even, odd, p, offset)                                      \
    "ldrd r4, r5, [%[at], %[" p "]+" offset "]\n\tsmlad %[" sum "], r4, " even ", %[" sum \
    "]\n\tsmlad %[" sum "], r5, " odd ", %[" sum "]\n\t"
#define FOUR_BY_ONE(even, odd, offset)                                                              \
    "sxtb16 " odd ", " even ", ror #8\n\tsxtb16 " even ", " even "\n\t"                             \
    AT_POSITION("b", even, odd, "p1", offset) AT_POSITION("c", even, odd, "p2", offset)             \
    AT_POSITION("d", even, odd, "p3", offset)
INLINE void sums_4x1(const shape s, const int16_t *at, const int8_t *w, int32_t *sums) {
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    unsigned left = s.run / 2u;
#define FAR [p1] "i"(2u * s.step), [p2] "i"(4u * s.step), [p3] "i"(6u * s.step)
    if (s.run >= 2u) {
        __asm__ volatile("1: ldrd r8, r9, [%[w]], #8\n\t" /* two groups of weights */
                         FOUR_BY_ONE("r8", "r10", "0") "ldrd r4, r5, [%[at]], #8\n\t"
                         "smlad %[a], r4, r8, %[a]\n\tsmlad %[a], r5, r10, %[a]\n\t"
                         FOUR_BY_ONE("r9", "r10", "0") "ldrd r4, r5, [%[at]], #8\n\t"
                         "smlad %[a], r4, r9, %[a]\n\tsmlad %[a], r5, r10, %[a]\n\t"
                         "subs %[left], #1\n\tbne 1b"
                         : OPERANDS, [left] "+r"(left)
                         : FAR
                         : "r4", "r5", "r8", "r9", "r10", "cc", "memory");
    }
    if (s.run % 2u != 0u) {
        __asm__ volatile("ldr r8, [%[w]], #4\n\t" FOUR_BY_ONE("r8", "r10", "0") "ldrd r4, r5, [%[at]], #8\n\t"
                         "smlad %[a], r4, r8, %[a]\n\tsmlad %[a], r5, r10, %[a]\n\t"
                         : OPERANDS
                         : FAR
                         : "r4", "r5", "r8", "r9", "r10", "cc", "memory");
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}
#endif

/* Sums of `positions` windows and `outputs` channels. */
INLINE void sums_of(const shape s, const int16_t *x, const int8_t *w, int32_t *sums) {
    unsigned r, i;
    for (i = 0; i < s.positions * s.outputs; i++) {
        sums[i] = 0;
    }
#pragma GCC unroll 8
    for (r = 0; r < s.runs; r++) {
#if defined(__ARM_FEATURE_DSP)
        if (s.outputs == 4u) {
            sums_1x4(s, x, w, sums);
        } else if (s.positions == 4u && s.aligned != 0 && 6u * s.step <= 1020u) {
            sums_4x1(s, x, w, sums);
        } else
#endif
            sums_in_c(s, x, w, sums);
        w += s.run * 4u * s.outputs;
        x += s.line;
    }
}

/* A convolution or dense layer with its ReLU and requantisation: letter = clip(round(v / unit)) as one multiplication. */
INLINE void layer(const shape s, const int16_t *x, int16_t *target, const int8_t *w, const int32_t *bias,
                  const int32_t *scale, const int32_t *shifts) {
    const unsigned window = s.runs * s.run * 4u * s.outputs;
    unsigned y, column, c, p, o;
    for (y = 0; y < s.rows; y++) {
        for (column = 0; column < s.columns; column += s.positions) {
            /* What does not fill a block is computed with positions before it. */
            const unsigned first = column + s.positions <= s.columns ? column : s.columns - s.positions;
            const int16_t *from = x + y * s.line + first * s.step;
            int16_t *to = target + y * s.target_line + first * s.target_step;
            const int8_t *weights = w;
            const int32_t *b = bias, *m = scale, *own_shift = shifts;
            for (c = 0; c < s.channels; c += s.outputs) {
                int32_t sums[4];
                sums_of(s, from, weights, sums);
                weights += window;
#pragma GCC unroll 4
                for (o = 0; o < s.outputs; o++) {
                    const int32_t own = *b++, by = *m++, shift = s.shift != 0 ? s.shift : *own_shift++;
                    const int32_t rounding = 1 << (shift - 1);
#pragma GCC unroll 4
                    for (p = 0; p < s.positions; p++) {
                        const int32_t v = (int32_t)((uint32_t)sums[p * s.outputs + o] << s.current_shift) + own;
                        const int32_t letter = scaled(v, by, rounding);
                        to[p * s.target_step + o] =
                            (int16_t)(s.shift != 0 ? shifted_and_clipped(letter, s.shift) : clipped(letter >> shift));
                    }
                }
                to += s.outputs;
            }
        }
    }
}

/* The last layer: sums of one position. */
INLINE void readout(const shape s, const int16_t *x, int32_t *scores, const int8_t *w, const int32_t *bias) {
    unsigned c, o;
    for (c = 0; c < s.channels; c += s.outputs) {
        int32_t sums[4];
        sums_of(s, x, w, sums);
        w += s.runs * s.run * 4u * s.outputs;
        for (o = 0; o < s.outputs; o++) {
            *scores++ = (int32_t)((uint32_t)sums[o] << s.current_shift) + *bias++;
        }
    }
}

/* Largest values (or sums) of windows; channels is even. */
INLINE void pool(const int largest, const unsigned rows, const unsigned columns, const unsigned channels,
                 const unsigned kernel_rows, const unsigned kernel_columns, const unsigned stride_rows,
                 const unsigned stride_columns, const unsigned line, const unsigned target_line, const int16_t *x, int16_t *target) {
    unsigned y, column, c, i, j;
    for (y = 0; y < rows; y++) {
        const int16_t *from = x + y * stride_rows * line;
        int16_t *to = target + y * target_line;
        for (column = 0; column < columns; column++) {
            for (c = 0; c < channels; c += 2u) {
                uint32_t found = word_at(from);
#pragma GCC unroll 4
                for (i = 0; i < kernel_rows; i++) {
#pragma GCC unroll 4
                    for (j = 0; j < kernel_columns; j++) {
                        const uint32_t other = word_at(from + i * line + j * channels);
                        if (i != 0 || j != 0) {
                            found = largest ? larger_pair(found, other) : sum_pair(found, other);
                        }
                    }
                }
                memcpy(__builtin_assume_aligned(to, 4), &found, 4);
                from += 2;
                to += 2;
            }
            from += (stride_columns - 1u) * channels;
        }
    }
}

/* A frame for a dense layer: int8 to int16 in the order of SXTB16, four at a time. */
INLINE void enter_flat(const int8_t *frame, int16_t *target, const unsigned count) {
    unsigned i;
    for (i = 0; i + 4u <= count; i += 4u) {
        uint32_t word, even, odd;
        memcpy(&word, frame + i, 4);
        even = unpack_even(word);
        odd = unpack_odd(word);
        memcpy(__builtin_assume_aligned(target + i, 4), &even, 4);
        memcpy(__builtin_assume_aligned(target + i + 2, 4), &odd, 4);
    }
    for (; i < count; i++) {
        target[(i & ~3u) + ((i & 1u) << 1) + ((i >> 1) & 1u)] = frame[i];
    }
}

/* A frame int8 [channels][rows][columns] for a convolution. */
INLINE void enter(const int8_t *frame, int16_t *target, const unsigned channels, const unsigned rows,
                  const unsigned columns, const unsigned step, const unsigned line) {
    unsigned c, y, i;
    for (c = 0; c < channels; c++) {
        for (y = 0; y < rows; y++) {
            int16_t *to = target + c + y * line;
#pragma GCC unroll 4
            for (i = 0; i < columns; i++) {
                *to = *frame++;
                to += step;
            }
        }
    }
}

#endif
