/* The gather of cores with the DSP extension (Cortex-M4, M7, M33, M55): SXTAB16 adds two weights to two 16-bit sums.
 * A word holds the weights of outputs 0 to 3: its bytes 0 and 2 go to the even pair of sums, 1 and 3 to the odd one.
 * `segment` planes are summed in 16 bits, which the program's range proof covers; then they are added to 32 bits.
 * Packed bytes are summed as they are, and their lower halves again: what is larger about the first sum is 16 times
 * that of the upper weights. */
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

static inline int32_t lower(uint32_t pair) { return (int16_t)(uint16_t)(pair & 0xFFFFu); }

static inline int32_t upper(uint32_t pair) { return (int32_t)pair >> 16; }

/* Adds the 16-bit sums of four outputs to their 32-bit sums, which are shifted before; fresh: there are none yet. */
static inline __attribute__((always_inline)) void widen(sl_int32 *sums, uint32_t even, uint32_t odd, uint32_t shift,
                                                        int fresh) {
    const int32_t a = lower(even), b = lower(odd), c = upper(even), d = upper(odd);
    sums[0] = fresh ? a : sl_sum(sl_shl(sums[0], (uint8_t)shift), a);
    sums[1] = fresh ? b : sl_sum(sl_shl(sums[1], (uint8_t)shift), b);
    sums[2] = fresh ? c : sl_sum(sl_shl(sums[2], (uint8_t)shift), c);
    sums[3] = fresh ? d : sl_sum(sl_shl(sums[3], (uint8_t)shift), d);
}

static inline __attribute__((always_inline)) void widen_one(sl_int32 *sum, int32_t found, uint32_t shift, int fresh) {
    *sum = fresh ? found : sl_sum(sl_shl(*sum, (uint8_t)shift), found);
}

/* The same of the sums of eight packed outputs: of bytes a, b and of their lower halves c, d, to each of which 8 was added
 * so many times; few: there are four. */
static inline __attribute__((always_inline)) void widen_word(sl_int32 *sums, uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                                                             uint32_t times, uint32_t shift, int fresh, const int few) {
    const int32_t eights = sl_shl((int32_t)times, 3);
    widen_one(sums, sl_difference(lower(c), eights), shift, fresh);
    widen_one(sums + 1, sl_difference(lower(d), eights), shift, fresh);
    widen_one(sums + 2, (lower(a) - lower(c)) >> 4, shift, fresh);
    widen_one(sums + 3, (lower(b) - lower(d)) >> 4, shift, fresh);
    if (!few) {
        widen_one(sums + 4, sl_difference(upper(c), eights), shift, fresh);
        widen_one(sums + 5, sl_difference(upper(d), eights), shift, fresh);
        widen_one(sums + 6, (upper(a) - upper(c)) >> 4, shift, fresh);
        widen_one(sums + 7, (upper(b) - upper(d)) >> 4, shift, fresh);
    }
}

/* The 16-bit sums of 16, 8 or 4 outputs: two for each word of a row; of packed rows for each half of one. */
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
#define SL_HALVES(a, b, c, d) SL_PAIR(a, b, "%[w]") "and %[w], %[w], #0x0F0F0F0F\n\t" SL_PAIR(c, d, "%[w]")
#define SL_PACKED_16                                                                                          \
    "ldrh %[row], [%[at]], #2\n\tadd %[row], %[rows], %[row], lsl #1\n\tldr %[w], [%[row]]\n\t"               \
    SL_HALVES("a", "b", "c", "d") "ldr %[w], [%[row], #4]\n\t" SL_HALVES("e", "f", "g", "h")
#define SL_PACKED_8 "ldrh %[row], [%[at]], #2\n\tldr %[w], [%[rows], %[row], lsl #1]\n\t" SL_HALVES("a", "b", "c", "d")
#define SL_PACKED_4 "ldrh %[row], [%[at]], #2\n\tldrh %[w], [%[rows], %[row], lsl #1]\n\t" SL_HALVES("a", "b", "c", "d")
/* Two rows at a time; an odd one first. */
#define SL_ROWS(row) \
    "lsls %[row], %[row], #31\n\tbeq 1f\n\t" row "cmp %[at], %[end]\n\tbeq 2f\n\t1: " row row "cmp %[at], %[end]\n\tbne 1b\n\t2:"

#define SL_SUMS_4 [a] "+r"(s->a), [b] "+r"(s->b)
#define SL_SUMS_8 SL_SUMS_4, [c] "+r"(s->c), [d] "+r"(s->d)
#define SL_SUMS_16 SL_SUMS_8, [e] "+r"(s->e), [f] "+r"(s->f), [g] "+r"(s->g), [h] "+r"(s->h)
#define SL_ADD_ROWS(row_, sums)                                                                  \
    __asm__ volatile(SL_ROWS(row_) : sums, [at] "+r"(at), [row] "+r"(row), [w] "=&r"(w) \
                     : [rows] "r"(rows), [end] "r"(end) : "cc", "memory")

/* Adds the rows of a list of `count`, which is not 0. */
static inline __attribute__((always_inline)) void add_list(sl_sums *s, const sl_uint16 *at, uint32_t count,
                                                           const int8_t *rows, const uint32_t outputs, const int packed) {
    const sl_uint16 *const end = at + count;
    uint32_t row = count, w;
    if (packed) {
        if (outputs == 16u) {
            SL_ADD_ROWS(SL_PACKED_16, SL_SUMS_16);
        } else if (outputs == 8u) {
            SL_ADD_ROWS(SL_PACKED_8, SL_SUMS_8);
        } else {
            SL_ADD_ROWS(SL_PACKED_4, SL_SUMS_8);
        }
    } else if (outputs == 16u) {
        SL_ADD_ROWS(SL_ROW_16, SL_SUMS_16);
    } else if (outputs == 8u) {
        SL_ADD_ROWS(SL_ROW_8, SL_SUMS_8);
    } else {
        SL_ADD_ROWS(SL_ROW_4, SL_SUMS_4);
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

/* Words of packed rows may lie at any even address, and half of one is all there is for four outputs. */
static inline uint32_t word_at(const int8_t *row, const uint32_t size) {
    uint32_t word = 0;
    memcpy(&word, row, size);
    return word;
}

static inline void add_word(uint32_t *even, uint32_t *odd, uint32_t word) {
    *even = add_even(*even, word);
    *odd = add_odd(*odd, word);
}

static inline void add_list(sl_sums *s, const sl_uint16 *at, uint32_t count, const int8_t *rows, const uint32_t outputs,
                            const int packed) {
    for (; count != 0u; count--) {
        const int8_t *row = rows + ((uint32_t)*at++ << (packed ? 1u : 2u));
        if (packed) {
            const uint32_t word = word_at(row, outputs == 4u ? 2u : 4u);
            add_word(&s->a, &s->b, word);
            add_word(&s->c, &s->d, word & 0x0F0F0F0Fu);
            if (outputs == 16u) {
                add_word(&s->e, &s->f, word_at(row + 4, 4));
                add_word(&s->g, &s->h, word_at(row + 4, 4) & 0x0F0F0F0Fu);
            }
            continue;
        }
        add_word(&s->a, &s->b, word_at(row, 4));
        if (outputs > 4u) {
            add_word(&s->c, &s->d, word_at(row + 4, 4));
        }
        if (outputs > 8u) {
            add_word(&s->e, &s->f, word_at(row + 8, 4));
            add_word(&s->g, &s->h, word_at(row + 12, 4));
        }
    }
}
#endif

/* What is done to the sums of all words; those that are not there vanish: the arguments are constants. */
#define SL_EACH_PAIR(f_)                           \
    do {                                           \
        s.a = f_(s.a), s.b = f_(s.b);              \
        if (packed || outputs > 4u) {              \
            s.c = f_(s.c), s.d = f_(s.d);          \
        }                                          \
        if (outputs > 8u) {                        \
            s.e = f_(s.e), s.f = f_(s.f);          \
            s.g = f_(s.g), s.h = f_(s.h);          \
        }                                          \
    } while (0)

/* 4, 8 or 16 outputs from the highest digits down; `sums` are 32-bit sums of these events only. */
static inline __attribute__((always_inline)) void gather_words(const sl_synapse *synapse, const sl_events *events,
                                                               const int8_t *rows, sl_int32 *sums,
                                                               const uint32_t outputs, const int packed) {
    const uint32_t both = synapse->negative;
    const sl_uint16 *const lists = events->lists;
    const sl_uint16 *start = events->starts + sl_lists(synapse), *end = events->ends + sl_lists(synapse);
    uint32_t left = synapse->planes;
    int fresh = 1;
    do {
        /* The last segment ends with plane 0, and may be shorter. Planes above the first event are passed over. */
        sl_sums s = {0, 0, 0, 0, 0, 0, 0, 0};
        uint32_t made = 0, sign = 0; /* sign: the sums are those of the opposite weights */
        uint32_t times = 0;          /* that packed rows were added, in all */
        do {
            uint32_t turn, list;
            left--;
            start -= 1u + both;
            end -= 1u + both;
            if (made != 0u) {
                SL_EACH_PAIR(twice);
                times += times;
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
                        times = 0u - times;
                        sign = list;
                    }
                    add_list(&s, lists + from, count, rows, outputs, packed);
                    times += count;
                }
                list ^= 1u;
            }
        } while (left != 0u && made < synapse->segment);
        if (sign != 0u) {
            SL_EACH_PAIR(negative);
            times = 0u - times;
        }
        if (packed) {
            widen_word(sums, s.a, s.b, s.c, s.d, times, made, fresh, outputs == 4u);
            if (outputs > 8u) {
                widen_word(sums + 8, s.e, s.f, s.g, s.h, times, made, fresh, 0);
            }
        } else {
            widen(sums, s.a, s.b, made, fresh);
            if (outputs > 4u) {
                widen(sums + 4, s.c, s.d, made, fresh);
            }
            if (outputs > 8u) {
                widen(sums + 8, s.e, s.f, made, fresh);
                widen(sums + 12, s.g, s.h, made, fresh);
            }
        }
        fresh = 0;
    } while (left != 0u);
}

#define SL_SHAPE(outputs, packed)                                                                                \
    static __attribute__((noinline)) void gather##outputs##_##packed(const sl_synapse *s, const sl_events *e,          \
                                                                     const int8_t *rows, sl_int32 *sums) {             \
        gather_words(s, e, rows, sums, outputs, packed);                                                               \
    }
#define SL_SHAPES(packed) SL_SHAPE(16, packed) SL_SHAPE(8, packed) SL_SHAPE(4, packed)
#define SL_GATHER(packed)                                      \
    do {                                                       \
        if (outputs == 16u) {                                  \
            gather16_##packed(synapse, events, rows, to);      \
        } else if (outputs == 8u) {                            \
            gather8_##packed(synapse, events, rows, to);       \
        } else {                                               \
            gather4_##packed(synapse, events, rows, to);       \
        }                                                      \
    } while (0)

#if SL_WITH_WEIGHTS_8 || !SL_WITH_WEIGHTS_4
SL_SHAPES(0)
#endif
#if SL_WITH_WEIGHTS_4
SL_SHAPES(1)
#endif

#define SL_MOST 16u /* outputs at once */

static inline uint32_t chunk_of(uint32_t left) { return left >= 16u ? 16u : left >= 8u ? 8u : 4u; }

static inline void join(sl_int32 *sums, const sl_int32 *chunk, uint32_t outputs) {
    uint32_t i;
    for (i = 0; i < outputs; i++) {
        sums[i] = sl_sum(sums[i], chunk[i]);
    }
}
