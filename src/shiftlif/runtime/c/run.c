/* Steps, state and answers. */
#include "internal.h"

#include <string.h>

/* [rows][columns] to [columns][rows], of numbers of 1, 2 or 4 bytes. */
static void transpose(uint8_t *target, const uint8_t *source, uint8_t bytes, uint32_t rows, uint32_t columns) {
    const uint32_t pitch = rows << (bytes >> 1);
    uint32_t r, c, b, first = 0;
    if (rows == 1u || columns == 1u) {
        memcpy(target, source, (size_t)(rows == 1u ? columns : rows) << (bytes >> 1));
        return;
    }
    for (r = 0; r < rows; r++) {
        uint32_t to = first; /* an offset: the last move leads out of the target */
        for (c = 0; c < columns; c++) {
            for (b = 0; b < bytes; b++) {
                target[to + b] = *source++;
            }
            to += pitch;
            SL_OPAQUE(source);
        }
        first += bytes;
    }
}

static void enter(const sl_memory *memory, const void *frame) {
    const sl_wire *input = &memory->program->wires[memory->program->input];
    transpose(memory->arena + input->offset, (const uint8_t *)frame, 1, input->channels, input->positions);
}

#if SL_WITH_ADD
static void add_execute(const sl_memory *memory, const sl_operation *operation) {
    const sl_wire *wires = memory->program->wires;
    const sl_wire *a = &wires[operation->source], *b = &wires[operation->other], *to = &wires[operation->target];
    const uint8_t *left = sl_place(memory, operation->source), *right = sl_place(memory, operation->other);
    uint8_t *target = sl_place(memory, operation->target);
    sl_int32 *row = sl_currents(memory);
    uint32_t p;
    for (p = to->positions; p != 0u; p--) {
        memset(row, 0, (size_t)to->channels << 2);
        sl_row_add_shifted(row, left, a->bytes, a->channels, operation->shift);
        sl_row_add_shifted(row, right, b->bytes, b->channels, operation->other_shift);
        sl_row_store(target, row, to->bytes, to->channels);
        left += a->channels << (a->bytes >> 1);
        right += b->channels << (b->bytes >> 1);
        target += to->channels << (to->bytes >> 1);
        SL_OPAQUE(p);
    }
}

#endif

void sl_execute(const sl_memory *memory, const sl_operation *operation) {
#if SL_WITH_READOUT || SL_WITH_RESHAPE
    const sl_wire *from = &memory->program->wires[operation->source];
#endif
    switch (operation->kind) {
    case SL_SYNAPSE:
        sl_synapse_execute(memory, operation);
        break;
#if SL_WITH_NEURON
    case SL_NEURON:
        sl_neuron_execute(memory, operation);
        break;
#endif
#if SL_WITH_READOUT
    case SL_READOUT:
        sl_row_load(sl_currents(memory), sl_place(memory, operation->source), from->bytes, from->channels);
        sl_readout_add(operation->readout, sl_currents(memory), memory->state);
        break;
#endif
#if SL_WITH_POOL
    case SL_SUM_POOL:
    case SL_MAX_POOL:
        sl_pool_execute(memory, operation);
        break;
#endif
#if SL_WITH_ADD
    case SL_ADD:
        add_execute(memory, operation);
        break;
#endif
#if SL_WITH_RESHAPE
    case SL_RESHAPE:
        transpose(sl_place(memory, operation->target), sl_place(memory, operation->source), from->bytes,
                  from->positions, from->channels);
        break;
#endif
    default: /* not in a validated program */
        break;
    }
}

const sl_backend sl_portable = {enter, sl_execute};

sl_status sl_check(const sl_program *program, const void *state, const void *arena, uint32_t steps) {
    const sl_state_header *header = (const sl_state_header *)state;
    if (program == NULL || state == NULL || arena == NULL) {
        return SL_E_NULL;
    }
    if (program->abi != SL_ABI) {
        return SL_E_ABI;
    }
    if (((uintptr_t)state & 3u) != 0u || ((uintptr_t)arena & 3u) != 0u) {
        return SL_E_BUFFER;
    }
    if (header->identity != program->identity) {
        return SL_E_STATE;
    }
    if (steps == 0u || steps > program->max_steps || header->steps > program->max_steps - steps) {
        return SL_E_STEPS;
    }
    return SL_OK;
}

sl_status sl_run_with(const sl_backend *backend, const sl_program *program, void *state, void *arena, void *extra,
                      const void *input, uint32_t steps, sl_observer observer, void *context) {
    const sl_status status = sl_check(program, state, arena, steps);
    sl_state_header *header = (sl_state_header *)state;
    sl_memory memory;
    int fresh = input != NULL;
    uint16_t i;
    if (status != SL_OK) {
        return status;
    }
    memory.program = program;
    memory.state = (uint8_t *)state;
    memory.arena = (uint8_t *)arena;
    memory.extra = extra;
    if (fresh) {
        backend->enter(&memory, input);
    } else if (header->steps == 0u) {
        return SL_E_STATE;
    }
    for (; steps != 0u; steps--) {
        const sl_operation *operation = program->operations;
        for (i = 0; i < program->operation_count; i++, operation++) {
            if (fresh || operation->is_static == 0u) {
                backend->execute(&memory, operation);
            }
            if (observer != NULL) {
                observer(context, header->steps, i,
                         operation->target == SL_NONE ? NULL : memory.arena + program->wires[operation->target].offset,
                         state);
            }
        }
        fresh = 0;
        header->steps++;
    }
    return SL_OK;
}

sl_status sl_run(const sl_program *program, void *state, void *arena, const int8_t *frame, uint32_t steps,
                 sl_observer observer, void *context) {
    return frame == NULL ? SL_E_NULL
                         : sl_run_with(&sl_portable, program, state, arena, NULL, frame, steps, observer, context);
}

sl_status sl_step(const sl_program *program, void *state, void *arena, const int8_t *frame) {
    return sl_run(program, state, arena, frame, 1, NULL, NULL);
}

sl_status sl_continue(const sl_program *program, void *state, void *arena, uint32_t steps, sl_observer observer,
                      void *context) {
    return sl_run_with(&sl_portable, program, state, arena, NULL, NULL, steps, observer, context);
}

sl_status sl_reset(const sl_program *program, void *state, size_t state_size) {
    if (program == NULL || state == NULL) {
        return SL_E_NULL;
    }
    if (program->abi != SL_ABI) {
        return SL_E_ABI;
    }
    if (state_size < program->state_size || ((uintptr_t)state & 3u) != 0u) {
        return SL_E_BUFFER;
    }
    memset(state, 0, program->state_size);
    ((sl_state_header *)state)->identity = program->identity;
    return SL_OK;
}

const int32_t *sl_scores(const sl_program *program, const void *state) {
    if (program == NULL || state == NULL) {
        return NULL;
    }
    return (const int32_t *)(const void *)((const uint8_t *)state + program->scores);
}

uint16_t sl_classify(const sl_program *program, const void *state) {
    const int32_t *scores = sl_scores(program, state);
    uint16_t best = 0, c;
    for (c = 1; scores != NULL && c < program->classes; c++) {
        if (scores[c] > scores[best]) {
            best = c;
        }
    }
    return best;
}

uint32_t sl_steps_made(const void *state) { return state == NULL ? 0u : ((const sl_state_header *)state)->steps; }
