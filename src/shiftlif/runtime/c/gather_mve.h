/* The gather of cores with the vector extension (MVE, "Helium"; Cortex-M55, M85): VLDRB widens eight weights to 16-bit lanes,
 * VADD and VSUB add them to as many sums. `segment` planes are summed in 16 bits, which the program's range proof
 * covers; then they are added to 32 bits. */
#include <arm_mve.h>

/* The 16-bit sums of up to 32 outputs. */
typedef struct sl_sums {
    int16x8_t a, b, c, d;
} sl_sums;

/* What is done to the sums of all vectors; those that are not there vanish, since `vectors` is a constant in each use. */
#define SL_EACH(s, f_)                   \
    do {                                 \
        (s).a = f_((s).a, 0);            \
        if (vectors > 1u) {              \
            (s).b = f_((s).b, 8);        \
        }                                \
        if (vectors > 2u) {              \
            (s).c = f_((s).c, 16);       \
            (s).d = f_((s).d, 24);       \
        }                                \
    } while (0)

/* Eight weights, never altered: nothing orders these loads. Compilers add `at` to the address first. */
#define SL_EIGHT(at)                                                                                    \
    __extension__({                                                                                     \
        int16x8_t eight;                                                                                \
        __asm__("vldrb.s16 %q[to], [%[row], %[by]]" : [to] "=w"(eight) : [row] "l"(row), [by] "i"(at)); \
        eight;                                                                                          \
    })
/* Of a last vector that is not full those weights that the row has: it is never read beyond its end. */
#define SL_WEIGHTS(at) (full == 0 && (at) == 8u * (vectors - 1u) ? vldrbq_z_s16(row + (at), last) : SL_EIGHT(at))
#define SL_PLUS(sum, at) vaddq_s16(sum, SL_WEIGHTS(at))
#define SL_MINUS(sum, at) vsubq_s16(sum, SL_WEIGHTS(at))
#define SL_TWICE(sum, at) vaddq_s16(sum, sum)

/* Adds the 16-bit sums to 32-bit sums, which are shifted before; fresh: there are none yet. */
static inline __attribute__((always_inline)) void widen(sl_int32 *sums, const int16_t *from, uint32_t outputs,
                                                        uint32_t shift, int fresh) {
    for (; outputs != 0u; outputs -= SL_LANES) {
        int32x4_t sum = vldrhq_s32(from);
        if (!fresh) {
            sum = vaddq_s32(vshlq_r_s32(vldrwq_s32((const int32_t *)sums), (int32_t)shift), sum);
        }
        vstrwq_s32((int32_t *)sums, sum);
        from += SL_LANES;
        sums += SL_LANES;
    }
}

/* Up to 8, 16 or 32 outputs (full: exactly) from the highest digits down; `sums` are 32-bit sums of these events only. */
static inline __attribute__((always_inline)) void gather_vectors(const sl_synapse *synapse, const sl_events *events,
                                                                 const int8_t *rows, sl_int32 *sums, uint32_t outputs,
                                                                 const uint32_t vectors, const int full) {
    const uint32_t both = synapse->negative;
    const mve_pred16_t last = vctp16q(outputs - 8u * (vectors - 1u));
    const sl_uint16 *const lists = events->lists;
    const sl_uint16 *start = events->starts + sl_lists(synapse), *end = events->ends + sl_lists(synapse);
    uint32_t left = synapse->planes;
    int fresh = 1;
    do {
        /* The last segment ends with plane 0, and may be shorter. Planes above the first event are passed over. */
        const int16x8_t none = vdupq_n_s16(0);
        sl_sums s = {none, none, none, none};
        int16_t stored[32];
        uint32_t made = 0;
        do {
            const sl_uint16 *at;
            uint32_t count;
            left--;
            start -= 1u + both;
            end -= 1u + both;
            if (made != 0u) {
                SL_EACH(s, SL_TWICE);
            } else if (fresh != 0 && left != 0u && start[0] == end[0] && start[both] == end[both]) {
                continue;
            }
            made++;
            at = lists + start[0];
            for (count = (uint32_t)end[0] - start[0]; count != 0u; count--) {
                const int8_t *row = rows + ((uint32_t)*at++ << 2);
                SL_EACH(s, SL_PLUS);
            }
            if (both == 0u) {
                continue;
            }
            at = lists + start[1];
            for (count = (uint32_t)end[1] - start[1]; count != 0u; count--) {
                const int8_t *row = rows + ((uint32_t)*at++ << 2);
                SL_EACH(s, SL_MINUS);
            }
        } while (left != 0u && made < synapse->segment);
        vstrhq_s16(stored, s.a);
        if (vectors > 1u) {
            vstrhq_s16(stored + 8, s.b);
        }
        if (vectors > 2u) {
            vstrhq_s16(stored + 16, s.c);
            vstrhq_s16(stored + 24, s.d);
        }
        widen(sums, stored, outputs, made, fresh);
        fresh = 0;
    } while (left != 0u);
}

#define SL_SHAPE static __attribute__((noinline)) void

SL_SHAPE gather32(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_vectors(s, e, rows, sums, 32, 4, 1);
}

SL_SHAPE gather16(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_vectors(s, e, rows, sums, 16, 2, 1);
}

SL_SHAPE gather12(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_vectors(s, e, rows, sums, 12, 2, 0);
}

SL_SHAPE gather8(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums, uint32_t outputs) {
    gather_vectors(s, e, rows, sums, outputs, 1, 0);
}

void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first) {
    uint32_t left = synapse->padded_out;
    while (left != 0u) {
        /* A first chunk is summed in place, the others beside it: `widen` shifts what is there. */
        sl_int32 chunk[32];
        sl_int32 *to = first != 0 ? sums : chunk;
        const uint32_t outputs = left >= 32u ? 32u : left >= 16u ? 16u : left;
        uint32_t i;
        if (outputs == 32u) {
            gather32(synapse, events, rows, to);
        } else if (outputs == 16u) {
            gather16(synapse, events, rows, to);
        } else if (outputs == 12u) {
            gather12(synapse, events, rows, to);
        } else {
            gather8(synapse, events, rows, to, outputs);
        }
        for (i = 0; first == 0 && i < outputs; i += SL_LANES) {
            const int32x4_t sum = vldrwq_s32((const int32_t *)sums + i);
            vstrwq_s32((int32_t *)sums + i, vaddq_s32(sum, vldrwq_s32((const int32_t *)chunk + i)));
        }
        rows += outputs;
        sums += outputs;
        left -= outputs;
    }
}
