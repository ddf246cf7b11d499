/* Integrate, leak, compare, emit, reset; and the sums of the read-out. */
#include "internal.h"

static inline int32_t leaked(int32_t v, uint8_t shift) {
    /* The right shift of a negative number rounds down on every compiler this is tested with; v - v is 0. What is
     * taken away has the sign of v and is no larger: this cannot wrap. */
    return shift == SL_NO_LEAK ? v : v - (v >> shift);
}

/* One loop for each width of a membrane, so that the width is decided once and not per neuron. Most neurons stay below
 * their first threshold: that costs one comparison, a letter of 0 and nothing to reset. `plain` is a constant: the lowest
 * letter is 0, and the reset is soft. */
#define SL_FIRE(type, plain)                                                                                   \
    do {                                                                                                       \
        type *membrane = (type *)(void *)membranes;                                                            \
        const int8_t *const end = letters + neuron->channels;                                                  \
        while (letters != end) {                                                                               \
            int32_t v = sl_sum(leaked(*membrane, leak), sl_sum(sl_shl(*currents++, shift), *bias++));          \
            int8_t letter = 0;                                                                                 \
            if (!(plain) || v >= *threshold) {                                                                 \
                uint32_t k = (plain) ? 1u : 0u;                                                                \
                while (k < levels && v >= threshold[k]) {                                                      \
                    k++;                                                                                       \
                }                                                                                              \
                letter = neuron->letters[k];                                                                   \
                if ((plain) || reset != NULL) {                                                                \
                    v = sl_difference(v, reset[k]);                                                            \
                } else if (letter != 0) {                                                                      \
                    v = 0;                                                                                     \
                }                                                                                              \
            }                                                                                                  \
            *letters++ = letter;                                                                               \
            threshold += levels;                                                                               \
            if ((plain) || reset != NULL) {                                                                    \
                reset += levels + 1u;                                                                          \
            }                                                                                                  \
            *membrane++ = (type)v;                                                                             \
        }                                                                                                      \
    } while (0)

void sl_neuron_fire(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters) {
    const int32_t *bias = neuron->bias;
    const int32_t *threshold = neuron->thresholds;
    const int32_t *reset = neuron->resets; /* NULL: hard */
    const uint32_t levels = neuron->levels;
    const uint8_t shift = neuron->shift, leak = neuron->leak_shift;
    if (neuron->letters[0] != 0 || reset == NULL) {
        if (neuron->bytes == 2u) {
            SL_FIRE(sl_int16, 0);
        } else {
            SL_FIRE(sl_int32, 0);
        }
    } else if (neuron->bytes == 2u) {
        SL_FIRE(sl_int16, 1);
    } else {
        SL_FIRE(sl_int32, 1);
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
