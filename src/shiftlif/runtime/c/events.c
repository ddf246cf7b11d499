/* Integers to events: each is a sum of signed powers of two, and every one of these asks for one row of weights. */
#include "internal.h"

#include <string.h>

void sl_events_clear(const sl_synapse *synapse, const sl_events *events) {
    sl_uint16 *end = events->ends;
    uint32_t left, start = 0;
    for (left = sl_lists(synapse); left != 0u; left--) {
        *end++ = (uint16_t)start;
        start += synapse->room;
        SL_OPAQUE(start);
    }
}

uint32_t sl_events_room(const sl_synapse *synapse, const sl_events *events) {
    const sl_uint16 *end = events->ends;
    uint32_t left, start = 0, fullest = 0;
    for (left = sl_lists(synapse); left != 0u; left--) {
        const uint32_t length = *end++ - start;
        fullest = length > fullest ? length : fullest;
        start += synapse->room;
        SL_OPAQUE(start);
    }
    return synapse->room - fullest;
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

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The same of four bytes at once: bit 8 b + p of the word is bit p of byte b. */
static inline void push_four(const sl_events *events, uint32_t bits, uint32_t offset, const uint32_t steps[4]) {
    sl_uint16 *const lists = events->lists, *const ends = events->ends;
    while (bits != 0u) {
        const uint32_t bit = highest(bits), plane = bit & 7u;
        const uint32_t end = ends[plane];
        lists[end] = (uint16_t)(offset + steps[bit >> 3]);
        ends[plane] = (uint16_t)(end + 1u);
        bits ^= 1u << bit;
    }
}
#endif

/* The same of an int8 with digits of both signs: for each byte its lists, counted from 1, the lowest digit in the lowest
 * byte. `most`: lists that there are; digits above are left out. */
static const uint32_t lists_of[256] = {
    0x0u, 0x1u, 0x3u, 0x502u, 0x5u, 0x501u, 0x704u, 0x702u, 0x7u, 0x701u, 0x703u, 0x90602u,
    0x906u, 0x90601u, 0x904u, 0x902u, 0x9u, 0x901u, 0x903u, 0x90502u, 0x905u, 0x90501u, 0xB0804u, 0xB0802u,
    0xB08u, 0xB0801u, 0xB0803u, 0xB0602u, 0xB06u, 0xB0601u, 0xB04u, 0xB02u, 0xBu, 0xB01u, 0xB03u, 0xB0502u,
    0xB05u, 0xB0501u, 0xB0704u, 0xB0702u, 0xB07u, 0xB0701u, 0xB0703u, 0xD0A0602u, 0xD0A06u, 0xD0A0601u, 0xD0A04u, 0xD0A02u,
    0xD0Au, 0xD0A01u, 0xD0A03u, 0xD0A0502u, 0xD0A05u, 0xD0A0501u, 0xD0804u, 0xD0802u, 0xD08u, 0xD0801u, 0xD0803u, 0xD0602u,
    0xD06u, 0xD0601u, 0xD04u, 0xD02u, 0xDu, 0xD01u, 0xD03u, 0xD0502u, 0xD05u, 0xD0501u, 0xD0704u, 0xD0702u,
    0xD07u, 0xD0701u, 0xD0703u, 0xD090602u, 0xD0906u, 0xD090601u, 0xD0904u, 0xD0902u, 0xD09u, 0xD0901u, 0xD0903u, 0xD090502u,
    0xD0905u, 0xD090501u, 0xF0C0804u, 0xF0C0802u, 0xF0C08u, 0xF0C0801u, 0xF0C0803u, 0xF0C0602u, 0xF0C06u, 0xF0C0601u, 0xF0C04u, 0xF0C02u,
    0xF0Cu, 0xF0C01u, 0xF0C03u, 0xF0C0502u, 0xF0C05u, 0xF0C0501u, 0xF0C0704u, 0xF0C0702u, 0xF0C07u, 0xF0C0701u, 0xF0C0703u, 0xF0A0602u,
    0xF0A06u, 0xF0A0601u, 0xF0A04u, 0xF0A02u, 0xF0Au, 0xF0A01u, 0xF0A03u, 0xF0A0502u, 0xF0A05u, 0xF0A0501u, 0xF0804u, 0xF0802u,
    0xF08u, 0xF0801u, 0xF0803u, 0xF0602u, 0xF06u, 0xF0601u, 0xF04u, 0xF02u, 0x10u, 0x1001u, 0x1003u, 0x100502u,
    0x1005u, 0x100501u, 0x100704u, 0x100702u, 0x1007u, 0x100701u, 0x100703u, 0x10090602u, 0x100906u, 0x10090601u, 0x100904u, 0x100902u,
    0x1009u, 0x100901u, 0x100903u, 0x10090502u, 0x100905u, 0x10090501u, 0x100B0804u, 0x100B0802u, 0x100B08u, 0x100B0801u, 0x100B0803u, 0x100B0602u,
    0x100B06u, 0x100B0601u, 0x100B04u, 0x100B02u, 0x100Bu, 0x100B01u, 0x100B03u, 0x100B0502u, 0x100B05u, 0x100B0501u, 0x100B0704u, 0x100B0702u,
    0x100B07u, 0x100B0701u, 0x100B0703u, 0xE0A0602u, 0xE0A06u, 0xE0A0601u, 0xE0A04u, 0xE0A02u, 0xE0Au, 0xE0A01u, 0xE0A03u, 0xE0A0502u,
    0xE0A05u, 0xE0A0501u, 0xE0804u, 0xE0802u, 0xE08u, 0xE0801u, 0xE0803u, 0xE0602u, 0xE06u, 0xE0601u, 0xE04u, 0xE02u,
    0xEu, 0xE01u, 0xE03u, 0xE0502u, 0xE05u, 0xE0501u, 0xE0704u, 0xE0702u, 0xE07u, 0xE0701u, 0xE0703u, 0xE090602u,
    0xE0906u, 0xE090601u, 0xE0904u, 0xE0902u, 0xE09u, 0xE0901u, 0xE0903u, 0xE090502u, 0xE0905u, 0xE090501u, 0xC0804u, 0xC0802u,
    0xC08u, 0xC0801u, 0xC0803u, 0xC0602u, 0xC06u, 0xC0601u, 0xC04u, 0xC02u, 0xCu, 0xC01u, 0xC03u, 0xC0502u,
    0xC05u, 0xC0501u, 0xC0704u, 0xC0702u, 0xC07u, 0xC0701u, 0xC0703u, 0xA0602u, 0xA06u, 0xA0601u, 0xA04u, 0xA02u,
    0xAu, 0xA01u, 0xA03u, 0xA0502u, 0xA05u, 0xA0501u, 0x804u, 0x802u, 0x8u, 0x801u, 0x803u, 0x602u,
    0x6u, 0x601u, 0x4u, 0x2u,
};

static inline void push_listed(const sl_events *events, uint32_t listed, uint32_t offset, const uint32_t most) {
    sl_uint16 *const lists = events->lists, *const ends = events->ends - 1;
    while (listed != 0u) {
        const uint32_t list = listed & 255u;
        uint32_t end;
        if (list > most) {
            break;
        }
        end = ends[list];
        lists[end] = (uint16_t)offset;
        ends[list] = (uint16_t)(end + 1u);
        listed >>= 8;
    }
}

/* One loop for each kind of number. */
uint16_t sl_events_scan(const sl_synapse *synapse, const sl_events *events, const uint8_t *source, uint8_t bytes,
                        uint32_t count, uint16_t offset) {
    const uint32_t step = synapse->padded_out >> 2, four_steps = step << 2;
    const uint32_t known = ((1u << (synapse->planes - 1u)) << 1) - 1u;
    uint32_t at = offset;
    if (bytes == 1u && synapse->negative == 0u) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        uint32_t four, all = known & 255u, two_steps = step << 1, steps[4];
        SL_OPAQUE(two_steps);
        steps[0] = 0;
        steps[1] = step;
        steps[2] = two_steps;
        steps[3] = two_steps + step;
        all |= all << 8;
        SL_OPAQUE(all);
        all |= all << 16;
        for (; count >= 4u; count -= 4u) {
            memcpy(&four, source, 4);
            push_four(events, four & all, at, steps);
            source += 4;
            at += four_steps;
            SL_OPAQUE(at);
        }
#endif
        for (; count != 0u; count--) {
            push_bits(events, *source++ & known, at);
            at += step;
            SL_OPAQUE(at);
        }
    } else if (bytes == 1u && synapse->planes >= 8u) {
        for (; count != 0u; count--) { /* few of these are 0 */
            push_listed(events, lists_of[*source++], at, 255u);
            at += step;
            SL_OPAQUE(at);
        }
    } else if (bytes == 1u) {
        const uint32_t most = sl_lists(synapse);
        do { /* four at a time: silent letters cost one look */
            uint32_t four, part = count;
            if (count >= 4u) {
                memcpy(&four, source, 4);
                if (four == 0u) {
                    source += 4;
                    count -= 4u;
                    at += four_steps;
                    SL_OPAQUE(at);
                    continue;
                }
                part = 4;
            }
            count -= part;
            do {
                push_listed(events, lists_of[*source], at, most);
                at += step;
                source++;
                SL_OPAQUE(at);
            } while (--part != 0u);
        } while (count != 0u);
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
