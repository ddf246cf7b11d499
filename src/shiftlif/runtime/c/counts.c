/* A step whose frame comes as a list of events: they are counted on the frame's wire, and no frame is made. */
#include "internal.h"

#include <string.h>

/* a * b as shifts and adds. */
static uint32_t product(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (; b != 0u; b >>= 1) {
        sum += (b & 1u) != 0u ? a : 0u;
        a <<= 1;
        SL_OPAQUE(a);
    }
    return sum;
}

static int events_good(const sl_event *events, size_t count, uint32_t size, uint32_t limit) {
    for (; count != 0u; count--, events++) {
        if (events->index >= size || events->count > limit) {
            return 0;
        }
    }
    return limit != 0u;
}

/* Element c * positions + p of a frame is p * channels + c on its wire. top: a power of two, with 2 * top > channels. */
static uint32_t place_of(const sl_wire *wire, uint32_t index, uint32_t top, uint32_t top_positions) {
    uint32_t channel = 0;
    if (wire->positions == 1u || wire->channels == 1u) {
        return index;
    }
    for (; top != 0u; top >>= 1, top_positions >>= 1) { /* a division by the positions */
        if (index >= top_positions) {
            index -= top_positions;
            channel += top;
        }
    }
    return product(index, wire->channels) + channel;
}

typedef struct list {
    const sl_event *events;
    size_t count;
} list;

static uint32_t size_of(const sl_wire *wire) { return product(wire->positions, wire->channels); }

static void enter_events(const sl_memory *memory, const void *input) {
    const sl_wire *wire = &memory->program->wires[memory->program->input];
    uint8_t *places = memory->arena + wire->offset;
    const sl_event *event = ((const list *)input)->events;
    size_t left = ((const list *)input)->count;
    uint32_t top = 1, top_positions = wire->positions;
    while (top <= wire->channels >> 1) {
        top <<= 1;
        top_positions <<= 1;
    }
    memset(places, 0, size_of(wire));
    for (; left != 0u; left--, event++) {
        uint8_t *place = places + place_of(wire, event->index, top, top_positions);
        const uint32_t sum = *place + event->count;
        *place = (uint8_t)(sum < wire->limit ? sum : wire->limit);
    }
}

sl_status sl_step_events_with(const sl_backend *backend, const sl_program *program, void *state, void *arena, void *extra,
                              const sl_event *events, size_t count) {
    const sl_status status = events == NULL && count != 0u ? SL_E_NULL : sl_check(program, state, arena, 1);
    if (status == SL_OK) {
        const sl_wire *wire = &program->wires[program->input];
        const sl_backend counting = {enter_events, backend->execute};
        const list input = {events, count};
        if (!events_good(events, count, size_of(wire), wire->limit)) {
            return SL_E_EVENT;
        }
        return sl_run_with(&counting, program, state, arena, extra, &input, 1, NULL, NULL);
    }
    return status;
}

sl_status sl_step_events(const sl_program *program, void *state, void *arena, const sl_event *events, size_t count) {
    return sl_step_events_with(&sl_portable, program, state, arena, NULL, events, count);
}
