/* Sums and largest values of windows; all windows lie inside. Places are offsets: the last move leads out of the wire. */
#include "internal.h"

#include <string.h>

#if SL_WITH_POOL

/* The larger of each two bytes, in place. */
static void bytes_max(uint8_t *row, const uint8_t *other, uint32_t count) {
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__) && !defined(SL_PORTABLE)
    for (; count >= 4u; count -= 4u) { /* SSUB8 marks the bytes that are not less, SEL takes these */
        uint32_t a, b, w;
        memcpy(&a, row, 4);
        memcpy(&b, other, 4);
        __asm__("ssub8 %[w], %[a], %[b]\n\tsel %[a], %[a], %[b]" : [a] "+r"(a), [w] "=&r"(w) : [b] "r"(b));
        memcpy(row, &a, 4);
        row += 4;
        other += 4;
    }
#endif
    for (; count != 0u; count--) {
        const int8_t a = (int8_t)*row, b = (int8_t)*other++;
        *row++ = (uint8_t)(a < b ? b : a);
    }
}

void sl_pool_execute(const sl_memory *memory, const sl_operation *operation) {
    const sl_window *window = operation->window;
    const sl_wire *from = &memory->program->wires[operation->source];
    const sl_wire *to = &memory->program->wires[operation->target];
    const uint8_t *source = sl_place(memory, operation->source);
    uint8_t *target = sl_place(memory, operation->target);
    sl_int32 *row = sl_currents(memory);
    const uint8_t shift = from->bytes >> 1;
    const int largest = operation->kind == SL_MAX_POOL, bytes = largest && from->bytes == 1u && to->bytes == 1u;
    uint32_t row_at = 0, i, j, ky, kx;
    for (i = 0; i < window->outputs[0]; i++) {
        uint32_t at = row_at;
        for (j = 0; j < window->outputs[1]; j++) {
            uint32_t line = at;
            for (ky = 0; ky < window->kernel[0]; ky++) {
                uint32_t tap = line;
                for (kx = 0; kx < window->kernel[1]; kx++) {
                    if (bytes && ky == 0u && kx == 0u) {
                        memcpy(target, source + tap, from->channels);
                    } else if (bytes) {
                        bytes_max(target, source + tap, from->channels);
                    } else if (ky == 0u && kx == 0u) {
                        sl_row_load(row, source + tap, from->bytes, from->channels);
                    } else if (largest) {
                        sl_row_max(row, source + tap, from->bytes, from->channels);
                    } else {
                        sl_row_add(row, source + tap, from->bytes, from->channels);
                    }
                    tap += window->tap_move[1] << shift;
                }
                line += window->tap_move[0] << shift;
            }
            if (!bytes) {
                sl_row_store(target, row, to->bytes, to->channels);
            }
            target += to->channels << (to->bytes >> 1);
            at += window->move[1] << shift;
        }
        row_at += window->move[0] << shift;
    }
}

#endif
