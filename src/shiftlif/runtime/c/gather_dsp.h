/* The gather of cores with the DSP extension (Cortex-M4, M7, M33, M55): SXTAB16 adds two weights to two 16-bit sums.
 * A word holds the weights of outputs 0 to 3: its bytes 0 and 2 go to the even pair of sums, 1 and 3 to the odd one.
 * `segment` planes are summed in 16 bits, which the program's range proof covers; then they are added to 32 bits. */
#include <string.h>

static inline uint32_t add_even(uint32_t sums, uint32_t weights) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2" : "=r"(result) : "r"(sums), "r"(weights));
    return result;
}

static inline uint32_t add_odd(uint32_t sums, uint32_t weights) {
    uint32_t result;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(result) : "r"(sums), "r"(weights));
    return result;
}

static inline uint32_t twice(uint32_t a) {
    uint32_t result;
    __asm__("sadd16 %0, %1, %1" : "=r"(result) : "r"(a));
    return result;
}

static inline uint32_t negative(uint32_t a) {
    uint32_t result;
    __asm__("ssub16 %0, %1, %2" : "=r"(result) : "r"(0), "r"(a));
    return result;
}

static inline uint32_t word_at(const int8_t *row) {
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(row, 4), 4);
    return word;
}

/* Adds the 16-bit sums of four outputs to their 32-bit sums, which are shifted before. */
static inline void widen(sl_int32 *sums, uint32_t even, uint32_t odd, uint32_t shift) {
    sums[0] = sl_shl(sums[0], (uint8_t)shift) + (int16_t)(uint16_t)(even & 0xFFFFu);
    sums[1] = sl_shl(sums[1], (uint8_t)shift) + (int16_t)(uint16_t)(odd & 0xFFFFu);
    sums[2] = sl_shl(sums[2], (uint8_t)shift) + (int16_t)(uint16_t)(even >> 16);
    sums[3] = sl_shl(sums[3], (uint8_t)shift) + (int16_t)(uint16_t)(odd >> 16);
}

/* What is done to the sums of all words; those that are not there vanish, since `words` is a constant in each use. */
#define SL_EACH_PAIR(f)            \
    do {                           \
        a = f(a), b = f(b);        \
        if (words > 1u) {          \
            c = f(c), d = f(d);    \
        }                          \
        if (words > 2u) {          \
            e = f(e), f_ = f(f_);  \
            g = f(g), h = f(h);    \
        }                          \
    } while (0)
#define SL_ADD_LIST                                              \
    do {                                                         \
        while (list_at != list_end) {                            \
            const int8_t *row = rows + ((uint32_t)*list_at++ << 2); \
            uint32_t w = word_at(row);                           \
            a = add_even(a, w), b = add_odd(b, w);               \
            if (words > 1u) {                                    \
                w = word_at(row + 4);                            \
                c = add_even(c, w), d = add_odd(d, w);           \
            }                                                    \
            if (words > 2u) {                                    \
                w = word_at(row + 8);                            \
                e = add_even(e, w), f_ = add_odd(f_, w);         \
                w = word_at(row + 12);                           \
                g = add_even(g, w), h = add_odd(h, w);           \
            }                                                    \
        }                                                        \
    } while (0)

/* 4, 8 or 16 outputs from the highest digits down; `sums` are 32-bit sums of this chunk only, 0 before. */
static inline __attribute__((always_inline)) void gather_words(const sl_synapse *synapse, const sl_events *events,
                                                               const int8_t *rows, sl_int32 *sums,
                                                               const uint32_t words) {
    const uint32_t chunk = synapse->chunk, both = synapse->negative;
    const sl_uint16 *list = events->lists + synapse->places;
    const sl_uint16 *ends = events->ends + ((uint32_t)synapse->planes << both);
    uint32_t left = synapse->planes;
    while (left != 0u) {
        /* The last segment ends with plane 0, so that the first one takes what does not fill one. */
        uint32_t a = 0, b = 0, c = 0, d = 0, e = 0, f_ = 0, g = 0, h = 0, made = 0;
        do {
            const sl_uint16 *list_at, *list_end;
            SL_EACH_PAIR(twice);
            if (both != 0u) { /* t - w = -(-t + w) */
                list -= chunk;
                list_at = list;
                list_end = events->lists + *--ends;
                if (list_at != list_end) {
                    SL_EACH_PAIR(negative);
                    SL_ADD_LIST;
                    SL_EACH_PAIR(negative);
                }
            }
            list -= chunk;
            list_at = list;
            list_end = events->lists + *--ends;
            SL_ADD_LIST;
            left--;
            made++;
        } while (left != 0u && made < synapse->segment);
        widen(sums, a, b, made);
        if (words > 1u) {
            widen(sums + 4, c, d, made);
        }
        if (words > 2u) {
            widen(sums + 8, e, f_, made);
            widen(sums + 12, g, h, made);
        }
    }
}

static __attribute__((noinline)) void gather16(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_words(s, e, rows, sums, 4);
}

static __attribute__((noinline)) void gather8(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_words(s, e, rows, sums, 2);
}

static __attribute__((noinline)) void gather4(const sl_synapse *s, const sl_events *e, const int8_t *rows, sl_int32 *sums) {
    gather_words(s, e, rows, sums, 1);
}

void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first) {
    uint32_t left = synapse->padded_out;
    while (left != 0u) {
        /* A first chunk is summed in place, the others beside it: `widen` shifts what is there. */
        sl_int32 chunk[16] = {0};
        sl_int32 *to = first != 0 ? sums : chunk;
        const uint32_t outputs = left >= 16u ? 16u : left >= 8u ? 8u : 4u;
        uint32_t i;
        if (outputs == 16u) {
            gather16(synapse, events, rows, to);
        } else if (outputs == 8u) {
            gather8(synapse, events, rows, to);
        } else {
            gather4(synapse, events, rows, to);
        }
        for (i = 0; first == 0 && i < outputs; i++) {
            sums[i] += chunk[i];
        }
        rows += outputs;
        sums += outputs;
        left -= outputs;
    }
}
