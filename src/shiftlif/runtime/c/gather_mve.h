/* The gather of cores with the vector extension (MVE, "Helium"; Cortex-M55, M85): VLDRB widens eight weights to 16-bit lanes,
 * VADD and VSUB add them to as many sums. `segment` planes are summed in 16 bits, which the program's range proof
 * covers; then they are added to 32 bits. Packed bytes are summed as they are, and their lower halves again: what is
 * larger about the first sum is 16 times that of the upper weights. */
#include <arm_mve.h>

/* The 16-bit sums of up to 32 outputs; of packed rows a and b are those of the bytes, c and d of their lower halves. */
typedef struct sl_sums {
    int16x8_t a, b, c, d;
} sl_sums;

/* Eight weights, never altered: nothing orders these loads. Compilers add `at` to the address first. */
#define SL_EIGHT(at)                                                                                    \
    __extension__({                                                                                     \
        int16x8_t eight;                                                                                \
        __asm__("vldrb.s16 %q[to], [%[row], %[by]]" : [to] "=w"(eight) : [row] "l"(row), [by] "i"(at)); \
        eight;                                                                                          \
    })
/* Of a last vector that is not full what the row has: it is never read beyond its end. */
#define SL_VECTOR(at, is_last) (full == 0 && (is_last) ? vldrbq_z_s16(row + (at), last) : SL_EIGHT(at))
/* Vectors that are not there vanish, since outputs, full and packed are constants in each use. */
#define SL_ROW(add)                                             \
    do {                                                        \
        const int16x8_t first = SL_VECTOR(0, outputs == 8u || (packed && outputs == 16u)); \
        s.a = add(s.a, first);                                  \
        if (packed) {                                           \
            s.c = add(s.c, vandq_s16(first, halves));           \
        }                                                       \
        if (packed && outputs == 32u) {                         \
            const int16x8_t second = SL_VECTOR(8, 1);           \
            s.b = add(s.b, second);                             \
            s.d = add(s.d, vandq_s16(second, halves));          \
        }                                                       \
        if (!packed && outputs > 8u) {                          \
            s.b = add(s.b, SL_VECTOR(8, outputs == 16u));       \
        }                                                       \
        if (!packed && outputs > 16u) {                         \
            s.c = add(s.c, SL_VECTOR(16, 0));                   \
            s.d = add(s.d, SL_VECTOR(24, 1));                   \
        }                                                       \
    } while (0)

/* Sums of packed bytes and of their lower halves as those of four outputs after the other. */
static inline __attribute__((always_inline)) void store_packed(int16_t *to, int16x8_t bytes, int16x8_t halves,
                                                               uint32_t times) {
    int32x4x2_t both;
    both.val[0] = vreinterpretq_s32_s16(vsubq_n_s16(halves, (int16_t)(uint16_t)(times << 3)));
    both.val[1] = vreinterpretq_s32_s16(vshrq_n_s16(vsubq_s16(bytes, halves), 4));
    vst2q_s32((int32_t *)(void *)to, both);
}

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

/* The outputs of a block from the highest digits down: 32, 16 or 8, `there` of them if it is not full. `sums` are 32-bit
 * sums of these events only. */
static inline __attribute__((always_inline)) void gather_block(const sl_synapse *synapse, const sl_events *events,
                                                               const int8_t *rows, sl_int32 *sums, uint32_t there,
                                                               const uint32_t outputs, const int full, const int packed) {
    const uint32_t both = synapse->negative, row_shift = packed ? 1u : 2u;
    const mve_pred16_t last = vctp16q(packed ? there >> 1 : (there & 7u) != 0u ? there & 7u : 8u);
    const sl_uint16 *const lists = events->lists;
    const sl_uint16 *start = events->starts + sl_lists(synapse), *end = events->ends + sl_lists(synapse);
    uint32_t left = synapse->planes;
    int fresh = 1;
    do {
        /* The last segment ends with plane 0, and may be shorter. Planes above the first event are passed over. */
        const int16x8_t none = vdupq_n_s16(0), halves = vdupq_n_s16(15);
        sl_sums s = {none, none, none, none};
        int16_t stored[32] __attribute__((aligned(4)));
        uint32_t made = 0, times = 0; /* that packed rows were added, in all */
        do {
            const sl_uint16 *at;
            uint32_t count;
            left--;
            start -= 1u + both;
            end -= 1u + both;
            if (made != 0u) {
                s.a = vaddq_s16(s.a, s.a);
                s.b = outputs > (packed ? 16u : 8u) ? vaddq_s16(s.b, s.b) : none;
                s.c = packed || outputs > 16u ? vaddq_s16(s.c, s.c) : none;
                s.d = outputs > 16u ? vaddq_s16(s.d, s.d) : none;
                times += times;
            } else if (fresh != 0 && left != 0u && start[0] == end[0] && start[both] == end[both]) {
                continue;
            }
            made++;
            at = lists + start[0];
            count = (uint32_t)end[0] - start[0];
            times += count;
            for (; count != 0u; count--) {
                const int8_t *row = rows + ((uint32_t)*at++ << row_shift);
                SL_ROW(vaddq_s16);
            }
            if (both != 0u) {
                at = lists + start[1];
                count = (uint32_t)end[1] - start[1];
                times -= count;
                for (; count != 0u; count--) {
                    const int8_t *row = rows + ((uint32_t)*at++ << row_shift);
                    SL_ROW(vsubq_s16);
                }
            }
        } while (left != 0u && made < synapse->segment);
        if (packed) {
            store_packed(stored, s.a, s.c, times);
            if (outputs == 32u) {
                store_packed(stored + 16, s.b, s.d, times);
            }
        } else {
            vstrhq_s16(stored, s.a);
            if (outputs > 8u) {
                vstrhq_s16(stored + 8, s.b);
            }
            if (outputs > 16u) {
                vstrhq_s16(stored + 16, s.c);
                vstrhq_s16(stored + 24, s.d);
            }
        }
        widen(sums, stored, there, made, fresh);
        fresh = 0;
    } while (left != 0u);
}

#define SL_SHAPE(name, full, outputs, packed)                                                                     \
    static __attribute__((noinline)) void name##_##packed(const sl_synapse *s, const sl_events *e, const int8_t *rows, \
                                                          sl_int32 *sums, uint32_t there) {                       \
        gather_block(s, e, rows, sums, there, outputs, full, packed);                                             \
    }
#define SL_SHAPES(packed) \
    SL_SHAPE(gather32, 1, 32, packed) SL_SHAPE(gather16, 1, 16, packed) SL_SHAPE(gather12, 0, 16, packed)
#define SL_GATHER(packed)                                        \
    do {                                                         \
        if (outputs == 32u) {                                    \
            gather32_##packed(synapse, events, rows, to, 32);    \
        } else if (outputs == 16u) {                             \
            gather16_##packed(synapse, events, rows, to, 16);    \
        } else if (packed || outputs == 12u) {                   \
            gather12_##packed(synapse, events, rows, to, outputs); \
        } else {                                                 \
            SL_GATHER_FEW(synapse, events, rows, to, outputs);   \
        }                                                        \
    } while (0)

#if SL_WITH_WEIGHTS_8 || !SL_WITH_WEIGHTS_4
SL_SHAPES(0)
SL_SHAPE(gather8, 0, 8, 0)
#define SL_GATHER_FEW gather8_0
#else
#define SL_GATHER_FEW gather12_1
#endif
#if SL_WITH_WEIGHTS_4
SL_SHAPES(1)
#endif

#define SL_MOST 32u /* outputs at once */

static inline uint32_t chunk_of(uint32_t left) { return left >= 32u ? 32u : left >= 16u ? 16u : left; }

static inline void join(sl_int32 *sums, const sl_int32 *chunk, uint32_t outputs) {
    uint32_t i;
    for (i = 0; i < outputs; i += SL_LANES) {
        const int32x4_t sum = vldrwq_s32((const int32_t *)sums + i);
        vstrwq_s32((int32_t *)sums + i, vaddq_s32(sum, vldrwq_s32((const int32_t *)chunk + i)));
    }
}
