/* The gather of cores with the DSP extension (Cortex-M4, M7, M33, M55): SXTAB16 adds two weights to two 16-bit sums.
 * A word holds the weights of outputs 0 to 3: its bytes 0 and 2 go to the even pair of sums, 1 and 3 to the odd one.
 * `segment` planes are summed in 16 bits, which the program's range proof covers; then they are added to 32 bits.
 * Packed bytes are summed as they are, and their lower halves again: what is larger about the first sum is 16 times
 * that of the upper weights. */
#include <string.h>

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
                                                             int32_t times, uint32_t shift, int fresh, const int few) {
    const int32_t eights = sl_shl(times, 3);
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

/* A list whose rows are added, and what is done to the sums before. A segment ends with a turn without a list, whose flag is
 * obeyed too, and with one whose count is times * 256 + planes, and SL_LAST where no segment follows. */
typedef struct sl_turn {
    const sl_uint16 *list;
    uint32_t count;
} sl_turn;

#define SL_TWICE 0x40000000u
#define SL_NEGATED 0x80000000u /* the sums are those of the opposite weights, or are no more: t - w = -(-t + w) */
#define SL_LAST 128u
#define SL_TURNS (SL_MOST_PLANES << 2)

static inline sl_turn *turn_of(sl_turn *turn, const sl_uint16 *list, uint32_t count) {
    turn->list = list;
    turn->count = count;
    return turn + 1;
}

/* The turns from the highest digits down, which every chunk of outputs takes. */
static void list_turns(const sl_synapse *synapse, const sl_events *events, sl_turn *turn) {
    const uint32_t both = synapse->negative, segment = synapse->segment;
    const sl_uint16 *const lists = events->lists;
    const sl_uint16 *start = events->starts + sl_lists(synapse), *end = events->ends + sl_lists(synapse);
    uint32_t left = synapse->planes;
    int fresh = 1;
    do {
        /* The last segment ends with plane 0, and may be shorter. Planes above the first event are passed over. */
        uint32_t made = 0, sign = 0, times = 0; /* times: that packed rows were added, in all */
        do {
            uint32_t plus, minus = 0, flags = 0;
            left--;
            start -= 1u + both;
            end -= 1u + both;
            plus = (uint32_t)end[0] - start[0];
            if (both != 0u) {
                minus = (uint32_t)end[1] - start[1];
            }
            if (made != 0u) {
                flags = SL_TWICE;
                times += times;
            } else if (fresh != 0 && left != 0u && (plus | minus) == 0u) {
                continue;
            }
            made++;
            times += plus - minus;
            if (minus != 0u && sign != 0u) { /* the list of the sums' own sign first */
                turn = turn_of(turn, lists + start[1], minus + flags);
                minus = 0;
                flags = 0;
            }
            if (plus != 0u) {
                turn = turn_of(turn, lists + start[0], plus + flags + (sign << 31));
                sign = 0;
                flags = 0;
            }
            if (minus != 0u) {
                turn = turn_of(turn, lists + start[1], minus + flags + SL_NEGATED);
                sign = 1;
                flags = 0;
            }
            if (flags != 0u) {
                turn = turn_of(turn, lists, flags);
            }
        } while (left != 0u && made < segment);
        turn = turn_of(turn, NULL, sign << 31);
        turn = turn_of(turn, NULL, (times << 8) + made + (left == 0u ? SL_LAST : 0u));
        fresh = 0;
    } while (left != 0u);
}

#if defined(__OPTIMIZE__)
/* Compilers load word by word and keep less in registers: these loops need all 14 of them. */
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
#define SL_TWO(a, b) "sadd16 %[" a "], %[" a "], %[" a "]\n\tsadd16 %[" b "], %[" b "], %[" b "]\n\t"
#define SL_MINUS(a, b) "ssub16 %[" a "], %[row], %[" a "]\n\tssub16 %[" b "], %[row], %[" b "]\n\t"
#define SL_EACH_4(do_) do_("a", "b")
#define SL_EACH_8(do_) SL_EACH_4(do_) do_("c", "d")
#define SL_EACH_16(do_) SL_EACH_8(do_) do_("e", "f") do_("g", "h")
/* The turns of a segment; rows two at a time, an odd one first. Of the flags, `lsls` brings the upper into the carry and the
 * lower into the sign. */
#define SL_LOOP(row, each)                                                                       \
    "1: ldrd %[at], %[left], [%[turn]], #8\n\tlsls %[row], %[left], #1\n\tbpl 2f\n\t" each(SL_TWO)        \
    "2: bcc 3f\n\tmov %[row], #0\n\t" each(SL_MINUS)                                             \
    "3: cmp %[at], #0\n\tbeq 6f\n\tuxth %[left], %[left]\n\tlsrs %[left], %[left], #1\n\tbcc 4f\n\t" row \
    "4: beq 1b\n\t5: " row row "subs %[left], %[left], #1\n\tbne 5b\n\tb 1b\n\t6:"

#define SL_SUMS_4 [a] "+r"(s->a), [b] "+r"(s->b)
#define SL_SUMS_8 SL_SUMS_4, [c] "+r"(s->c), [d] "+r"(s->d)
#define SL_SUMS_16 SL_SUMS_8, [e] "+r"(s->e), [f] "+r"(s->f), [g] "+r"(s->g), [h] "+r"(s->h)
#define SL_ADD_SEGMENT(row_, each, sums)                                                                       \
    __asm__ volatile(SL_LOOP(row_, each) : sums, [turn] "+r"(turn), [at] "=&r"(at), [left] "=&r"(left),                \
                     [row] "=&r"(row), [w] "=&r"(w) : [rows] "r"(rows) : "cc", "memory")

/* Adds the rows of a segment to the sums, which are 0; returns its second end. */
static inline __attribute__((always_inline)) const sl_turn *add_segment(sl_sums *s, const sl_turn *turn, const int8_t *rows,
                                                                        const uint32_t outputs, const int packed) {
    uint32_t at, left, row, w;
    if (packed) {
        if (outputs == 16u) {
            SL_ADD_SEGMENT(SL_PACKED_16, SL_EACH_16, SL_SUMS_16);
        } else if (outputs == 8u) {
            SL_ADD_SEGMENT(SL_PACKED_8, SL_EACH_8, SL_SUMS_8);
        } else {
            SL_ADD_SEGMENT(SL_PACKED_4, SL_EACH_8, SL_SUMS_8);
        }
    } else if (outputs == 16u) {
        SL_ADD_SEGMENT(SL_ROW_16, SL_EACH_16, SL_SUMS_16);
    } else if (outputs == 8u) {
        SL_ADD_SEGMENT(SL_ROW_8, SL_EACH_8, SL_SUMS_8);
    } else {
        SL_ADD_SEGMENT(SL_ROW_4, SL_EACH_4, SL_SUMS_4);
    }
    return turn;
}
#else
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

static inline const sl_turn *add_segment(sl_sums *s, const sl_turn *turn, const int8_t *rows, const uint32_t outputs,
                                         const int packed) {
    for (;; turn++) {
        if ((turn->count & SL_TWICE) != 0u) {
            s->a = twice(s->a), s->b = twice(s->b), s->c = twice(s->c), s->d = twice(s->d);
            s->e = twice(s->e), s->f = twice(s->f), s->g = twice(s->g), s->h = twice(s->h);
        }
        if ((turn->count & SL_NEGATED) != 0u) {
            s->a = negative(s->a), s->b = negative(s->b), s->c = negative(s->c), s->d = negative(s->d);
            s->e = negative(s->e), s->f = negative(s->f), s->g = negative(s->g), s->h = negative(s->h);
        }
        if (turn->list == NULL) {
            return turn + 1;
        }
        add_list(s, turn->list, turn->count & 0xFFFFu, rows, outputs, packed);
    }
}
#endif

/* 4, 8 or 16 outputs; `sums` are 32-bit sums of these events only. */
static inline __attribute__((always_inline)) void gather_words(const sl_turn *turn, const int8_t *rows, sl_int32 *sums,
                                                               const uint32_t outputs, const int packed) {
    uint32_t ended = 0;
    do {
        const int fresh = ended == 0u;
        sl_sums s = {0, 0, 0, 0, 0, 0, 0, 0};
        uint32_t made;
        int32_t times;
        turn = add_segment(&s, turn, rows, outputs, packed);
        ended = turn->count;
        made = ended & (SL_LAST - 1u);
        times = (int32_t)ended >> 8;
        turn++;
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
    } while ((ended & SL_LAST) == 0u);
}

#define SL_SHAPE(outputs, packed)                                                                                \
    static __attribute__((noinline)) void gather##outputs##_##packed(const sl_turn *turns, const int8_t *rows,         \
                                                                     sl_int32 *sums) {                                 \
        gather_words(turns, rows, sums, outputs, packed);                                                              \
    }
#define SL_SHAPES(packed) SL_SHAPE(16, packed) SL_SHAPE(8, packed) SL_SHAPE(4, packed)
#define SL_GATHER(packed)                                      \
    do {                                                       \
        if (outputs == 16u) {                                  \
            gather16_##packed(turns, rows, to);      \
        } else if (outputs == 8u) {                            \
            gather8_##packed(turns, rows, to);       \
        } else {                                               \
            gather4_##packed(turns, rows, to);       \
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
