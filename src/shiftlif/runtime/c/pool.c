/* Sums and largest values of windows; all windows lie inside. Places are offsets: the last move leads out of the wire. */
#include "internal.h"

#if SL_WITH_POOL

void sl_pool_execute(const sl_memory *memory, const sl_operation *operation) {
    const sl_window *window = operation->window;
    const sl_wire *from = &memory->program->wires[operation->source];
    const sl_wire *to = &memory->program->wires[operation->target];
    const uint8_t *source = sl_place(memory, operation->source);
    uint8_t *target = sl_place(memory, operation->target);
    sl_int32 *row = sl_currents(memory);
    const uint8_t shift = from->bytes >> 1;
    uint32_t row_at = 0, i, j, ky, kx;
    for (i = 0; i < window->outputs[0]; i++) {
        uint32_t at = row_at;
        for (j = 0; j < window->outputs[1]; j++) {
            uint32_t line = at;
            for (ky = 0; ky < window->kernel[0]; ky++) {
                uint32_t tap = line;
                for (kx = 0; kx < window->kernel[1]; kx++) {
                    if (ky == 0u && kx == 0u) {
                        sl_row_load(row, source + tap, from->bytes, from->channels);
                    } else if (operation->kind == SL_MAX_POOL) {
                        sl_row_max(row, source + tap, from->bytes, from->channels);
                    } else {
                        sl_row_add(row, source + tap, from->bytes, from->channels);
                    }
                    tap += window->tap_move[1] << shift;
                }
                line += window->tap_move[0] << shift;
            }
            sl_row_store(target, row, to->bytes, to->channels);
            target += to->channels << (to->bytes >> 1);
            at += window->move[1] << shift;
        }
        row_at += window->move[0] << shift;
    }
}

#endif
