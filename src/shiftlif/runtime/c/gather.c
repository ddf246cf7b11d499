/* Events to currents: rows of weights are added digit plane by digit plane, the highest first, and the sum is doubled
 * between planes (Horner), so that no weight is shifted and none multiplied. */
#include "internal.h"

#if defined(__ARM_FEATURE_MVE) && defined(__GNUC__) && !defined(SL_PORTABLE)
#include "gather_mve.h" /* chunk_of, join, SL_MOST, and SL_GATHER, which sums a chunk of outputs */
#elif defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(SL_PORTABLE)
#include "gather_dsp.h"
#endif

#ifdef SL_GATHER

void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first) {
    uint32_t left = synapse->padded_out;
#ifdef SL_TURNS
    sl_turn turns[SL_TURNS];
    list_turns(synapse, events, turns);
#endif
    while (left != 0u) {
        /* A first chunk is summed in place, the others beside it: `widen` shifts what is there. */
        sl_int32 chunk[SL_MOST];
        sl_int32 *to = first != 0 ? sums : chunk;
        const uint32_t outputs = chunk_of(left);
#if SL_WITH_WEIGHTS_4 && SL_WITH_WEIGHTS_8
        if (SL_PACKED(synapse)) {
            SL_GATHER(1);
        } else {
            SL_GATHER(0);
        }
#elif SL_WITH_WEIGHTS_4
        SL_GATHER(1);
#else
        SL_GATHER(0);
#endif
        if (first == 0) {
            join(sums, chunk, outputs);
        }
        rows += SL_PACKED(synapse) ? outputs >> 1 : outputs;
        sums += outputs;
        left -= outputs;
    }
}

#else

/* The sums of a chunk are kept modulo 2^32: they may wrap where nobody proved that they do not. */
static inline uint32_t modulo(int32_t weight) { return (uint32_t)weight; }

static void add_rows(const sl_uint16 *list, const sl_uint16 *end, const int8_t *rows, uint32_t sums[SL_LANES]) {
    uint32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    while (list != end) {
        const int8_t *row = rows + ((uint32_t)*list++ << 2);
        a += modulo(row[0]);
        b += modulo(row[1]);
        c += modulo(row[2]);
        d += modulo(row[3]);
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* The same of packed rows: a byte b = 16 c + u holds the upper weight c and u = a + 8 of the lower one, and the sum of the
 * c is what the sum of the b is larger than that of the u. */
static void add_packed(const sl_uint16 *list, const sl_uint16 *end, const int8_t *rows, uint32_t sums[SL_LANES]) {
    const uint32_t eights = (uint32_t)(end - list) << 3;
    uint32_t a = 0, b = 0, c = 0, d = 0;
    while (list != end) {
        const int8_t *row = rows + ((uint32_t)*list++ << 1);
        const uint32_t first = modulo(row[0]), second = modulo(row[1]);
        a += first & 15u;
        b += second & 15u;
        c += first;
        d += second;
    }
    sums[0] += a - eights;
    sums[1] += b - eights;
    sums[2] += modulo((int32_t)(c - a) >> 4);
    sums[3] += modulo((int32_t)(d - b) >> 4);
}

static inline void add_list(const sl_synapse *synapse, const sl_uint16 *list, const sl_uint16 *end, const int8_t *rows,
                            uint32_t sums[SL_LANES]) {
    if (SL_PACKED(synapse)) {
        add_packed(list, end, rows, sums);
    } else {
        add_rows(list, end, rows, sums);
    }
}

static void negate(uint32_t sums[SL_LANES]) {
    sums[0] = 0u - sums[0];
    sums[1] = 0u - sums[1];
    sums[2] = 0u - sums[2];
    sums[3] = 0u - sums[3];
}

void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first) {
    const uint32_t count = sl_lists(synapse);
    const sl_uint16 *const lists = events->lists;
    uint32_t left;
    uint8_t plane;
    for (left = synapse->padded_out; left != 0u; left -= SL_LANES) {
        const sl_uint16 *start = events->starts + count, *end = events->ends + count;
        uint32_t total[SL_LANES] = {0, 0, 0, 0};
        for (plane = synapse->planes; plane != 0u; plane--) {
            total[0] += total[0];
            total[1] += total[1];
            total[2] += total[2];
            total[3] += total[3];
            if (synapse->negative != 0u && *--start != *--end) { /* t - w = -(-t + w) */
                negate(total);
                add_list(synapse, lists + *start, lists + *end, rows, total);
                negate(total);
            }
            start--;
            end--;
            add_list(synapse, lists + *start, lists + *end, rows, total);
        }
        sums[0] = sl_sum(first != 0 ? 0 : sums[0], (int32_t)total[0]);
        sums[1] = sl_sum(first != 0 ? 0 : sums[1], (int32_t)total[1]);
        sums[2] = sl_sum(first != 0 ? 0 : sums[2], (int32_t)total[2]);
        sums[3] = sl_sum(first != 0 ? 0 : sums[3], (int32_t)total[3]);
        sums += SL_LANES;
        rows += 1u << sl_row_shift(synapse);
    }
}

#endif
