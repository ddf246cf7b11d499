/* Events to currents: rows of weights are added digit plane by digit plane, the highest first, and the sum is doubled
 * between planes (Horner), so that no weight is shifted and none multiplied. */
#include "internal.h"

#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(SL_PORTABLE)
#include "gather_dsp.h"
#else

static void add_rows(const sl_uint16 *list, const sl_uint16 *end, const int8_t *rows, int32_t sums[SL_LANES]) {
    int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
    while (list != end) {
        const int8_t *row = rows + ((uint32_t)*list++ << 2);
        a += row[0];
        b += row[1];
        c += row[2];
        d += row[3];
    }
    sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

static void negate(int32_t sums[SL_LANES]) {
    sums[0] = -sums[0];
    sums[1] = -sums[1];
    sums[2] = -sums[2];
    sums[3] = -sums[3];
}

void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first) {
    const uint32_t chunk = synapse->chunk;
    const uint8_t signs = (uint8_t)(1u + synapse->negative);
    const sl_uint16 *last_list = events->lists + synapse->places;
    const sl_uint16 *last_end = events->ends + (signs == 2u ? (uint32_t)synapse->planes << 1 : synapse->planes);
    uint32_t left;
    uint8_t plane;
    (void)first;
    for (left = synapse->padded_out; left != 0u; left -= SL_LANES) {
        const sl_uint16 *list = last_list, *end = last_end;
        int32_t total[SL_LANES] = {0, 0, 0, 0};
        for (plane = synapse->planes; plane != 0u; plane--) {
            total[0] += total[0];
            total[1] += total[1];
            total[2] += total[2];
            total[3] += total[3];
            if (signs == 2u) { /* t - w = -(-t + w) */
                list -= chunk;
                end--;
                if (list != events->lists + *end) {
                    negate(total);
                    add_rows(list, events->lists + *end, rows, total);
                    negate(total);
                }
            }
            list -= chunk;
            end--;
            add_rows(list, events->lists + *end, rows, total);
        }
        sums[0] += total[0];
        sums[1] += total[1];
        sums[2] += total[2];
        sums[3] += total[3];
        sums += SL_LANES;
        rows += SL_LANES;
    }
}

#endif
