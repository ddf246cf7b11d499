/* Integers to events: each is a sum of signed powers of two, and every one of these asks for one row of weights. */
#include "internal.h"

#include <string.h>

void sl_events_clear(const sl_synapse *synapse, const sl_events *events) {
    const uint32_t lists = synapse->negative != 0u ? (uint32_t)synapse->planes << 1 : synapse->planes;
    sl_uint16 *end = events->ends;
    uint32_t i, start = 0;
    for (i = 0; i < lists; i++) {
        *end++ = (uint16_t)start;
        start += synapse->chunk;
        SL_OPAQUE(start);
    }
}

/* The position of the highest bit set; digits is not 0. */
static inline uint32_t highest(uint32_t digits) {
#if defined(__GNUC__)
    return 31u - (uint32_t)__builtin_clz(digits);
#else
    uint32_t plane = 0;
    while ((digits >>= 1) != 0u) {
        plane++;
    }
    return plane;
#endif
}

/* The non-adjacent form has the fewest signed digits (Reitwiesner, 1960): a digit is set where n and 3 n differ.
 * Digits above the planes would be a program at odds with its range proof; they are left out, so that nothing is
 * written outside of the lists. */
static inline void push_digits(const sl_synapse *synapse, const sl_events *events, int32_t n, uint32_t offset) {
    const uint32_t known = ((1u << (synapse->planes - 1u)) << 1) - 1u;
    const uint32_t magnitude = n < 0 ? 0u - (uint32_t)n : (uint32_t)n;
    const uint32_t both = synapse->negative;
    sl_uint16 *const lists = events->lists, *const ends = events->ends;
    uint32_t triple = magnitude << 1, digits, minus;
    SL_OPAQUE(triple);
    triple += magnitude;
    digits = ((triple ^ magnitude) >> 1) & known;
    /* A digit is negative where 3 n has no bit and n has, or the reverse for a negative n. */
    minus = (n < 0 ? triple & ~magnitude : magnitude & ~triple) >> 1;
    if (both == 0u) {
        digits &= ~minus;
    }
    while (digits != 0u) {
        const uint32_t plane = highest(digits);
        lists[ends[(plane << both) + ((minus >> plane) & both)]++] = (uint16_t)offset;
        digits ^= 1u << plane;
    }
}

/* Numbers whose digits are all positive are their own digits. */
static inline void push_bits(const sl_events *events, uint32_t bits, uint32_t offset) {
    sl_uint16 *const lists = events->lists, *const ends = events->ends;
    while (bits != 0u) {
        const uint32_t plane = highest(bits);
        lists[ends[plane]++] = (uint16_t)offset;
        bits ^= 1u << plane;
    }
}

/* One loop for each kind of number. Bytes are looked at four at a time: silent letters cost one look. */
#define SL_SCAN_BYTES(push)                        \
    do {                                           \
        uint32_t four, part = count;               \
        if (count >= 4u) {                         \
            memcpy(&four, source, 4);              \
            if (four == 0u) {                      \
                source += 4;                       \
                count -= 4u;                       \
                at += four_steps;                  \
                SL_OPAQUE(at);                     \
                continue;                          \
            }                                      \
            part = 4;                              \
        }                                          \
        count -= part;                             \
        do {                                       \
            const int32_t n = (int8_t)*source;     \
            push;                                  \
            at += step;                            \
            source++;                              \
            SL_OPAQUE(at);                         \
        } while (--part != 0u);                    \
    } while (count != 0u)

uint16_t sl_events_scan(const sl_synapse *synapse, const sl_events *events, const uint8_t *source, uint8_t bytes,
                        uint32_t count, uint16_t offset) {
    const uint32_t step = synapse->padded_out >> 2, four_steps = step << 2;
    const uint32_t known = ((1u << (synapse->planes - 1u)) << 1) - 1u;
    uint32_t at = offset;
    if (bytes == 1u && synapse->negative == 0u) {
        SL_SCAN_BYTES(push_bits(events, (uint32_t)n & known, at));
    } else if (bytes == 1u) {
        SL_SCAN_BYTES(push_digits(synapse, events, n, at));
    } else {
        for (; count != 0u; count--) {
            const int32_t n =
                bytes == 2u ? *(const sl_int16 *)(const void *)source : *(const sl_int32 *)(const void *)source;
            push_digits(synapse, events, n, at);
            source += bytes;
            at += step;
            SL_OPAQUE(at);
        }
    }
    return (uint16_t)at;
}
