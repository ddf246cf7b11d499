/* Integrate, leak, compare, emit, reset; and the sums of the read-out. */
#include "internal.h"

static inline int32_t leaked(int32_t v, uint8_t shift) {
    /* The right shift of a negative number rounds down on every compiler this is tested with; v - v is 0. What is
     * taken away has the sign of v and is no larger: this cannot wrap. */
    return v - (v >> shift);
}

static inline int32_t integrated(int32_t membrane, int32_t current, int32_t bias, uint8_t leak, uint8_t shift) {
    return sl_sum(leak == SL_NO_LEAK ? membrane : leaked(membrane, leak), sl_sum(sl_shl(current, shift), bias));
}

#if defined(__GNUC__)
#define SL_RARELY(condition) __builtin_expect((condition), 0)
#else
#define SL_RARELY(condition) (condition)
#endif

/* One loop for each width of a membrane and with and without a leak, so that they are decided once and not per neuron.
 * The common neurons: the lowest letter is 0 and the reset is soft. Most stay below their first threshold: that costs one
 * comparison, a letter of 0 and nothing to reset, so where the others' resets lie is found from how far the two other
 * tables were read. */
#define SL_FIRE(type, leak_)                                                                                   \
    do {                                                                                                       \
        type *membrane = (type *)(void *)membranes;                                                            \
        do {                                                                                                   \
            int32_t v = integrated(*membrane, *currents++, *bias++, leak_, shift);                             \
            const int32_t *const others = threshold + levels;                                                  \
            int8_t letter = 0;                                                                                 \
            if (SL_RARELY(v >= *threshold)) {                                                                  \
                const int32_t *next = threshold;                                                               \
                do {                                                                                           \
                    next++;                                                                                    \
                } while (next != others && v >= *next);                                                        \
                letter = neuron->letters[next - threshold];                                                    \
                v = sl_difference(v, neuron->resets[(next - neuron->thresholds) + (bias - neuron->bias) - 1]); \
            }                                                                                                  \
            *letters++ = letter;                                                                               \
            threshold = others;                                                                                \
            *membrane++ = (type)v;                                                                             \
        } while (letters != end);                                                                              \
    } while (0)

/* Every other neuron, one after the other. */
static void fire_any(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters) {
    const int32_t *bias = neuron->bias;
    const int32_t *threshold = neuron->thresholds;
    const int32_t *reset = neuron->resets; /* NULL: hard */
    const uint32_t levels = neuron->levels;
    uint32_t left;
    for (left = neuron->channels; left != 0u; left--) {
        sl_int16 *narrow = (sl_int16 *)(void *)membranes;
        sl_int32 *wide = (sl_int32 *)(void *)membranes;
        int32_t v = neuron->bytes == 2u ? *narrow : *wide;
        uint32_t k = 0;
        v = integrated(v, *currents++, *bias++, neuron->leak_shift, neuron->shift);
        while (k < levels && v >= threshold[k]) {
            k++;
        }
        *letters = neuron->letters[k];
        if (reset != NULL) {
            v = sl_difference(v, reset[k]);
            reset += levels + 1u;
        } else if (*letters != 0) {
            v = 0;
        }
        letters++;
        threshold += levels;
        if (neuron->bytes == 2u) {
            *narrow = (int16_t)v;
        } else {
            *wide = v;
        }
        membranes += neuron->bytes;
    }
}

void sl_neuron_fire(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters) {
    const int32_t *bias = neuron->bias;
    const int32_t *threshold = neuron->thresholds;
    const uint32_t levels = neuron->levels;
    const int8_t *const end = letters + neuron->channels;
    const uint8_t shift = neuron->shift, leak = neuron->leak_shift;
    if (neuron->letters[0] != 0 || neuron->resets == NULL) {
        fire_any(neuron, currents, membranes, letters);
    } else if (neuron->bytes == 2u) {
        if (leak == SL_NO_LEAK) {
            SL_FIRE(sl_int16, SL_NO_LEAK);
        } else {
            SL_FIRE(sl_int16, leak);
        }
    } else if (leak == SL_NO_LEAK) {
        SL_FIRE(sl_int32, SL_NO_LEAK);
    } else {
        SL_FIRE(sl_int32, leak);
    }
}

#if SL_WITH_NEURON
void sl_neuron_execute(const sl_memory *memory, const sl_operation *operation) {
    const sl_neuron *neuron = operation->neuron;
    const sl_wire *from = &memory->program->wires[operation->source];
    const uint8_t *source = sl_place(memory, operation->source);
    const uint32_t source_row = from->channels << (from->bytes >> 1);
    const uint32_t membrane_row = neuron->channels << (neuron->bytes >> 1);
    uint8_t *target = sl_place(memory, operation->target);
    uint8_t *membranes = memory->state + neuron->membrane;
    sl_int32 *currents = sl_currents(memory);
    uint32_t p;
    for (p = neuron->positions; p != 0u; p--) {
        sl_row_load(currents, source, from->bytes, from->channels);
        sl_neuron_fire(neuron, currents, membranes, (int8_t *)target);
        source += source_row;
        membranes += membrane_row;
        target += neuron->channels;
    }
}

#endif

void sl_readout_add(const sl_readout *readout, const sl_int32 *currents, uint8_t *state) {
    sl_int32 *sums = (sl_int32 *)(void *)(state + readout->membrane);
    uint32_t c;
    for (c = 0; c < readout->channels; c++) {
        sums[c] = sl_sum(sums[c], sl_sum(sl_shl(currents[c], readout->shift), readout->bias[c]));
    }
}
