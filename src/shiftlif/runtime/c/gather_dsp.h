/* The gather of cores with the DSP extension (Cortex-M4, M7, M33, M55): SXTAB16 adds two weights to two 16-bit sums.
 * A word holds the weights of outputs 0 to 3: its bytes 0 and 2 go to the even pair of sums, 1 and 3 to the odd one.
 * `segment` planes are summed in 16 bits, which the program's range proof covers; then they are added to 32 bits. */
#include <string.h>

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

/* Adds the 16-bit sums of four outputs to their 32-bit sums, which are shifted before; fresh: there are none yet. */
static inline __attribute__((always_inline)) void widen(sl_int32 *sums, uint32_t even, uint32_t odd, uint32_t shift,
                                                        int fresh) {
    const int32_t a = (int16_t)(uint16_t)(even & 0xFFFFu), b = (int16_t)(uint16_t)(odd & 0xFFFFu);
    const int32_t c = (int32_t)even >> 16, d = (int32_t)odd >> 16;
    sums[0] = fresh ? a : sl_sum(sl_shl(sums[0], (uint8_t)shift), a);
    sums[1] = fresh ? b : sl_sum(sl_shl(sums[1], (uint8_t)shift), b);
    sums[2] = fresh ? c : sl_sum(sl_shl(sums[2], (uint8_t)shift), c);
    sums[3] = fresh ? d : sl_sum(sl_shl(sums[3], (uint8_t)shift), d);
}

/* The 16-bit sums of 16, 8 or 4 outputs: two for each word of a row. */
typedef struct sl_sums {
    uint32_t a, b, c, d, e, f, g, h;
} sl_sums;

#if defined(__OPTIMIZE__)
/* Compilers load word by word and keep less in registers: these loops need 13 of them. */
#define SL_PAIR(a, b, w) "sxtab16 %[" a "], %[" a "], " w "\n\tsxtab16 %[" b "], %[" b "], " w ", ror #8\n\t"
#define SL_PLACE "ldrh %[row], [%[at]], #2\n\tadd %[row], %[rows], %[row], lsl #2\n\t"
#define SL_ROW_16                                                                                              \
    SL_PLACE "ldr %[w], [%[row]]\n\t" SL_PAIR("a", "b", "%[w]") "ldr %[w], [%[row], #4]\n\t"                   \
    SL_PAIR("c", "d", "%[w]") "ldrd %[w], %[row], [%[row], #8]\n\t" SL_PAIR("e", "f", "%[w]")                  \
    SL_PAIR("g", "h", "%[row]")
#define SL_ROW_8 SL_PLACE "ldrd %[w], %[row], [%[row]]\n\t" SL_PAIR("a", "b", "%[w]") SL_PAIR("c", "d", "%[row]")
#define SL_ROW_4 "ldrh %[row], [%[at]], #2\n\tldr %[row], [%[rows], %[row], lsl #2]\n\t" SL_PAIR("a", "b", "%[row]")
/* Two rows at a time; an odd one first. */
#define SL_ROWS(row) \
    "lsls %[row], %[row], #31\n\tbeq 1f\n\t" row "cmp %[at], %[end]\n\tbeq 2f\n\t1: " row row "cmp %[at], %[end]\n\tbne 1b\n\t2:"

/* Adds the rows of a list of `count`, which is not 0. */
static inline __attribute__((always_inline)) void add_list(sl_sums *s, const sl_uint16 *at, uint32_t count,
                                                           const int8_t *rows, const uint32_t words) {
    const sl_uint16 *const end = at + count;
    uint32_t row = count, w;
    if (words == 4u) {
        __asm__ volatile(SL_ROWS(SL_ROW_16)
                         : [a] "+r"(s->a), [b] "+r"(s->b), [c] "+r"(s->c), [d] "+r"(s->d), [e] "+r"(s->e),
                           [f] "+r"(s->f), [g] "+r"(s->g), [h] "+r"(s->h), [at] "+r"(at), [row] "+r"(row), [w] "=&r"(w)
                         : [rows] "r"(rows), [end] "r"(end)
                         : "cc", "memory");
    } else if (words == 2u) {
        __asm__ volatile(SL_ROWS(SL_ROW_8)
                         : [a] "+r"(s->a), [b] "+r"(s->b), [c] "+r"(s->c), [d] "+r"(s->d), [at] "+r"(at),
                           [row] "+r"(row), [w] "=&r"(w)
                         : [rows] "r"(rows), [end] "r"(end)
                         : "cc", "memory");
    } else {
        __asm__ volatile(SL_ROWS(SL_ROW_4)
                         : [a] "+r"(s->a), [b] "+r"(s->b), [at] "+r"(at), [row] "+r"(row)
                         : [rows] "r"(rows), [end] "r"(end)
                         : "cc", "memory");
    }
}
#else
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

static inline uint32_t word_at(const int8_t *row) {
    uint32_t word;
    memcpy(&word, __builtin_assume_aligned(row, 4), 4);
    return word;
}

static inline void add_list(sl_sums *s, const sl_uint16 *at, uint32_t count, const int8_t *rows, const uint32_t words) {
    for (; count != 0u; count--) {
        const int8_t *row = rows + ((uint32_t)*at++ << 2);
        s->a = add_even(s->a, word_at(row)), s->b = add_odd(s->b, word_at(row));
        if (words > 1u) {
            s->c = add_even(s->c, word_at(row + 4)), s->d = add_odd(s->d, word_at(row + 4));
        }
        if (words > 2u) {
            s->e = add_even(s->e, word_at(row + 8)), s->f = add_odd(s->f, word_at(row + 8));
            s->g = add_even(s->g, word_at(row + 12)), s->h = add_odd(s->h, word_at(row + 12));
        }
    }
}
#endif

/* What is done to the sums of all words; those that are not there vanish, since `words` is a constant in each use. */
#define SL_EACH_PAIR(f_)                           \
    do {                                           \
        s.a = f_(s.a), s.b = f_(s.b);              \
        if (words > 1u) {                          \
            s.c = f_(s.c), s.d = f_(s.d);          \
        }                                          \
        if (words > 2u) {                          \
            s.e = f_(s.e), s.f = f_(s.f);          \
            s.g = f_(s.g), s.h = f_(s.h);          \
        }                                          \
    } while (0)

/* 4, 8 or 16 outputs from the highest digits down; `sums` are 32-bit sums of these events only. */
static inline __attribute__((always_inline)) void gather_words(const sl_synapse *synapse, const sl_events *events,
                                                               const int8_t *rows, sl_int32 *sums,
                                                               const uint32_t words) {
    const uint32_t both = synapse->negative;
    const sl_uint16 *const lists = events->lists;
    const sl_uint16 *start = events->starts + sl_lists(synapse), *end = events->ends + sl_lists(synapse);
    uint32_t left = synapse->planes;
    int fresh = 1;
    do {
        /* The last segment ends with plane 0, and may be shorter. Planes above the first event are passed over. */
        sl_sums s = {0, 0, 0, 0, 0, 0, 0, 0};
        uint32_t made = 0, sign = 0; /* sign: the sums are those of the opposite weights */
        do {
            uint32_t turn, list;
            left--;
            start -= 1u + both;
            end -= 1u + both;
            if (made != 0u) {
                SL_EACH_PAIR(twice);
            } else if (fresh != 0 && left != 0u && start[0] == end[0] && start[both] == end[both]) {
                continue;
            }
            made++;
            list = sign; /* that of the sums' own sign first, then the other: t - w = -(-t + w) */
            for (turn = 0; turn <= both; turn++) {
                const uint32_t from = start[list], count = end[list] - from;
                if (count != 0u) {
                    if (list != sign) {
                        SL_EACH_PAIR(negative);
                        sign = list;
                    }
                    add_list(&s, lists + from, count, rows, words);
                }
                list ^= 1u;
            }
        } while (left != 0u && made < synapse->segment);
        if (sign != 0u) {
            SL_EACH_PAIR(negative);
        }
        widen(sums, s.a, s.b, made, fresh);
        if (words > 1u) {
            widen(sums + 4, s.c, s.d, made, fresh);
        }
        if (words > 2u) {
            widen(sums + 8, s.e, s.f, made, fresh);
            widen(sums + 12, s.g, s.h, made, fresh);
        }
        fresh = 0;
    } while (left != 0u);
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
        sl_int32 chunk[16];
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
            sums[i] = sl_sum(sums[i], chunk[i]);
        }
        rows += outputs;
        sums += outputs;
        left -= outputs;
    }
}
