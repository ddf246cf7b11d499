/* Where a convolution's windows lie; a dense layer is one window. Distances come with the program, so that walking is
 * adding. */
#include "internal.h"

#include <string.h>

typedef struct walk {
    const sl_synapse *synapse;
    sl_events events;
    sl_int32 *sums; /* of one group */
    const int8_t *base;
    uint32_t left; /* rows that every list has places for, at least */
    uint32_t rest; /* rows of the chunk beyond these */
    uint32_t step; /* from row to row in units of SL_LANES */
    uint16_t offset;
    int first; /* nothing has been added to the sums yet */
} walk;

static void flush(walk *w) {
    sl_gather(w->synapse, &w->events, w->base, w->sums, w->first);
    w->first = 0;
    sl_events_clear(w->synapse, &w->events);
}

/* Takes so many of the chunk's rows as the lists have room for. */
static void take(walk *w, uint32_t room) {
    w->left = room < w->rest ? room : w->rest;
    w->rest -= w->left;
}

/* Most lists stay far from full. Only when one is nearly so, or the chunk at its end, are their rows added up. */
static void make_room(walk *w) {
    const sl_synapse *s = w->synapse;
    const uint32_t room = w->rest != 0u ? sl_events_room(s, &w->events) : 0u;
    if (room > (uint32_t)(s->room >> 2)) {
        take(w, room);
        return;
    }
    flush(w);
    w->base += (uint32_t)w->offset << sl_row_shift(s);
    w->offset = 0;
    w->rest = s->chunk;
    take(w, s->room);
}

/* The next tap's rows: read from source, or passed over where it is NULL (padding). A chunk may end within them. */
static void tap_rows(walk *w, const uint8_t *source, uint8_t bytes) {
    const sl_synapse *s = w->synapse;
    uint32_t count = s->in;
    while (count != 0u) {
        const uint32_t part = count < w->left ? count : w->left;
        if (source != NULL) {
            w->offset = sl_events_scan(s, &w->events, source, bytes, part, w->offset);
            source += part << (bytes >> 1); /* 1, 2, 4 bytes: shifts of 0, 1, 2 */
        } else if (part == s->in && s->tap_step != 0u) {
            w->offset = (uint16_t)(w->offset + s->tap_step);
        } else {
            uint32_t i;
            for (i = part; i != 0u; i--) {
                w->offset = (uint16_t)(w->offset + w->step);
                SL_OPAQUE(i);
            }
        }
        count -= part;
        w->left -= part;
        if (w->left == 0u) {
            make_room(w);
        }
    }
}

/* Sums of one group at one window whose corner lies at (y, x), x elements after `origin`; the corner may be padding. */
static void window_sums(walk *w, const uint8_t *source, uint8_t bytes, int32_t y, int32_t x, int32_t origin) {
    const sl_synapse *s = w->synapse;
    uint32_t i, j;
    int32_t row_y = y, row_at = origin;
    for (i = 0; i < s->kernel[0]; i++) {
        int32_t tap_x = x, at = row_at;
        for (j = 0; j < s->kernel[1]; j++) {
            const int inside = row_y >= 0 && (uint32_t)row_y < s->extent[0] && tap_x >= 0 && (uint32_t)tap_x < s->extent[1];
            tap_rows(w, inside ? source + ((uint32_t)at << (bytes >> 1)) : NULL, bytes);
            tap_x += (int32_t)s->dilation[1];
            at += (int32_t)s->tap_move[1];
        }
        row_y += (int32_t)s->dilation[0];
        row_at += (int32_t)s->tap_move[0];
    }
    if (w->offset != 0u || w->first != 0) {
        flush(w);
    }
}

static void position_currents(walk *w, const uint8_t *source, uint8_t bytes, int32_t y, int32_t x, int32_t origin,
                              sl_int32 *currents) {
    const sl_synapse *s = w->synapse;
    const int8_t *rows = s->rows;
    uint32_t group;
    for (group = 0; group < s->groups; group++) {
        w->base = rows;
        w->offset = 0;
        w->rest = s->chunk;
        take(w, s->room);
        w->first = 1;
        window_sums(w, source, bytes, y, x, origin);
        if (currents != w->sums) {
            memcpy(currents, w->sums, (size_t)s->out << 2);
        }
        currents += s->out;
        origin += (int32_t)s->in;
        rows += SL_PACKED(s) ? s->group_rows >> 1 : s->group_rows;
    }
}

void sl_synapse_execute(const sl_memory *memory, const sl_operation *operation) {
    const sl_synapse *s = operation->synapse;
    const sl_wire *from = &memory->program->wires[operation->source];
    const uint8_t *source = sl_place(memory, operation->source);
    sl_int32 *currents = sl_currents(memory);
    uint8_t *target = NULL, *membranes = NULL;
    uint32_t target_row = 0, membrane_row = 0, i, j, channels;
    int32_t y, x, row_at;
    uint8_t bytes = 4;
    sl_uint16 *marks;
    walk w;
    sl_slide slide;

    if (operation->neuron != NULL) {
        channels = operation->neuron->channels;
    } else {
        channels = operation->readout != NULL ? operation->readout->channels : memory->program->wires[operation->target].channels;
    }
    w.synapse = s;
    /* One group is summed where its currents are wanted, several beside it. */
    w.sums = s->groups == 1u ? currents : currents + channels;
    w.events.ends = (sl_uint16 *)(void *)(w.sums + s->padded_out);
    marks = w.events.ends + sl_lists(s);
    w.step = s->padded_out >> 2;
    if (s->slides > 1u) {
        slide.synapse = s;
        slide.source = source;
        slide.bytes = from->bytes;
        slide.channels = from->channels;
        slide.marks = marks;
        slide.marks_end = marks;
        for (i = s->kernel[1]; i != 0u; i--) {
            slide.marks_end += sl_lists(s);
            SL_OPAQUE(slide.marks_end);
        }
        slide.events.ends = w.events.ends;
        slide.events.lists = slide.marks_end;
    } else {
        w.events.starts = marks;
        w.events.lists = marks + sl_lists(s);
        sl_events_clear(s, &w.events);
        memcpy(marks, w.events.ends, (size_t)sl_lists(s) << 1);
    }

    if (operation->target != SL_NONE) {
        const sl_wire *to = &memory->program->wires[operation->target];
        target = sl_place(memory, operation->target);
        bytes = to->bytes;
        target_row = to->channels << (bytes >> 1);
    }
    if (operation->neuron != NULL) {
        membranes = memory->state + operation->neuron->membrane;
        membrane_row = operation->neuron->channels << (operation->neuron->bytes >> 1);
    }
    y = -(int32_t)s->padding[0];
    row_at = -(int32_t)s->back[0] - (int32_t)s->back[1];
    for (i = 0; i < s->outputs[0]; i++) {
        int32_t at = row_at;
        x = -(int32_t)s->padding[1];
        if (s->slides > 1u) {
            sl_slide_row(&slide, y, x, at);
        }
        for (j = 0; j < s->outputs[1]; j++) {
            if (s->slides > 1u) {
                sl_slide_window(&slide, currents);
            } else {
                position_currents(&w, source, from->bytes, y, x, at, currents);
            }
            if (operation->neuron != NULL) {
                sl_neuron_fire(operation->neuron, currents, membranes, (int8_t *)target);
                membranes += membrane_row;
            } else if (operation->readout != NULL) {
                sl_readout_add(operation->readout, currents, memory->state);
            } else {
                sl_row_store(target, currents, bytes, channels);
            }
            if (target != NULL) {
                target += target_row;
            }
            x += (int32_t)s->stride[1];
            at += (int32_t)s->move[1];
        }
        y += (int32_t)s->stride[0];
        row_at += (int32_t)s->move[0];
    }
}
