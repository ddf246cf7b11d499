/* Integrate, leak, compare, emit, reset; and the sums of the read-out. */
#include "internal.h"

static inline int32_t leaked(int32_t v, uint8_t shift) {
    /* The right shift of a negative number rounds down on every compiler this is tested with; v - v is 0. */
    return shift == SL_NO_LEAK ? v : v - (v >> shift);
}

/* One loop for each width of a membrane, so that the width is decided once and not per neuron. Most neurons stay below
 * their first threshold: with `quiet` that costs one comparison, a letter of 0 and nothing to reset. */
#define SL_FIRE(type)                                                                                          \
    do {                                                                                                       \
        type *membrane = (type *)(void *)membranes;                                                            \
        const int8_t *end = letters + neuron->channels;                                                        \
        while (letters != end) {                                                                               \
            int32_t v = leaked(*membrane, leak) + (sl_shl(*currents++, shift) + *bias++);                      \
            if (quiet && v < *threshold) {                                                                     \
                *letters++ = 0;                                                                                \
            } else {                                                                                           \
                uint32_t k = 0;                                                                                \
                while (k < levels && v >= threshold[k]) {                                                      \
                    k++;                                                                                       \
                }                                                                                              \
                *letters = neuron->letters[k];                                                                 \
                if (!hard) {                                                                                   \
                    v -= reset[k];                                                                             \
                } else if (*letters != 0) {                                                                    \
                    v = 0;                                                                                     \
                }                                                                                              \
                letters++;                                                                                     \
            }                                                                                                  \
            threshold += levels;                                                                               \
            reset += reset_step;                                                                               \
            *membrane++ = (type)v;                                                                             \
        }                                                                                                      \
    } while (0)

void sl_neuron_fire(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters) {
    const int32_t *bias = neuron->bias;
    const int32_t *threshold = neuron->thresholds;
    const int hard = neuron->resets == NULL;
    const int32_t *reset = hard ? threshold : neuron->resets; /* a hard reset never looks at it */
    const uint32_t levels = neuron->levels;
    const uint8_t shift = neuron->shift, leak = neuron->leak_shift;
    const uint32_t reset_step = hard ? 0u : levels + 1u;
    const int quiet = neuron->letters[0] == 0;
    if (neuron->bytes == 2u) {
        SL_FIRE(sl_int16);
    } else {
        SL_FIRE(sl_int32);
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
        sums[c] += sl_shl(currents[c], readout->shift) + readout->bias[c];
    }
}
