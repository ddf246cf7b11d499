/* Edited programs that are programs again: what follows from other fields is computed from them, so that the fuzzer
 * gets past the validator with any geometry, and memory is laid out without a byte to spare. Independent of validate.c. */
#include "shiftlif.h"

void fuzz_repair(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit);
void fuzz_lay_out(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit);
uint64_t fuzz_work(const sl_program *program);

/* The distances of an axis pair, in elements of a wire [extent][channels]. */
static void moves(uint32_t move[2], const uint32_t factor[2], const uint32_t extent[2], uint32_t channels) {
    move[0] = factor[0] * extent[1] * channels;
    move[1] = factor[1] * channels;
}

static uint32_t windows(uint32_t extent, uint32_t kernel, uint32_t stride, uint32_t padding, uint32_t dilation) {
    const int64_t room = (int64_t)extent + 2 * (int64_t)padding - ((int64_t)kernel - 1) * dilation - 1;
    return stride == 0u || room < 0 ? 0u : (uint32_t)(room / stride + 1);
}

static void axes(uint32_t extent[2], const sl_wire *from) {
    if ((uint64_t)extent[0] * extent[1] != from->positions) {
        extent[0] = 1;
        extent[1] = from->positions;
    }
}

static void synapse(sl_synapse *s, const sl_wire *from) {
    int axis;
    axes(s->extent, from);
    if (s->groups == 0u || from->channels % s->groups != 0u) {
        s->groups = 1;
    }
    s->in = from->channels / s->groups;
    s->padded_out = (s->out + 3u) & ~3u;
    for (axis = 0; axis < 2; axis++) {
        s->outputs[axis] = windows(s->extent[axis], s->kernel[axis], s->stride[axis], s->padding[axis], s->dilation[axis]);
    }
    moves(s->move, s->stride, s->extent, from->channels);
    moves(s->back, s->padding, s->extent, from->channels);
    moves(s->tap_move, s->dilation, s->extent, from->channels);
    s->group_rows = s->kernel[0] * s->kernel[1] * s->in * s->padded_out;
    s->places = (uint16_t)((uint32_t)s->room * s->planes * (1u + s->negative));
    s->tap_step = (uint16_t)(s->in <= s->chunk ? s->in * (s->padded_out / 4u) : 0u);
    if (s->slides > 1u) {
        s->chunk = (uint16_t)(s->kernel[0] * s->kernel[1] * s->in);
    }
    s->line_step = (uint16_t)(s->slides > 1u ? s->kernel[1] * s->tap_step : 0u);
    s->fresh = (uint16_t)(s->slides > 1u ? s->kernel[0] * s->in * s->stride[1] : 0u);
}

static void window(sl_window *w, const sl_wire *from) {
    static const uint32_t one[2] = {1u, 1u};
    int axis;
    axes(w->extent, from);
    for (axis = 0; axis < 2; axis++) {
        w->outputs[axis] = windows(w->extent[axis], w->kernel[axis], w->stride[axis], 0u, 1u);
    }
    moves(w->move, w->stride, w->extent, from->channels);
    moves(w->tap_move, one, w->extent, from->channels);
}

void fuzz_repair(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit) {
    unsigned i;
    for (i = 0; i < program->operation_count && i < limit; i++) {
        sl_operation *op = &operations[i];
        const sl_wire *from = &wires[op->source % limit];
        sl_wire to = {0, from->positions, from->channels, 0, 0};
        /* The tables are the harness's own and may be written. */
        if (op->synapse != NULL && op->kind == SL_SYNAPSE) {
            synapse((sl_synapse *)op->synapse, from);
            to.positions = op->synapse->outputs[0] * op->synapse->outputs[1];
            to.channels = op->synapse->groups * op->synapse->out;
        } else if (op->window != NULL && (op->kind == SL_SUM_POOL || op->kind == SL_MAX_POOL)) {
            window((sl_window *)op->window, from);
            to.positions = op->window->outputs[0] * op->window->outputs[1];
        } else if (op->kind == SL_RESHAPE) {
            to.channels = from->positions * from->channels;
            to.positions = 1;
        }
        if (op->neuron != NULL) {
            ((sl_neuron *)op->neuron)->channels = to.channels;
            ((sl_neuron *)op->neuron)->positions = to.positions;
        }
        if (op->readout != NULL) {
            ((sl_readout *)op->readout)->channels = to.channels;
            program->classes = (uint16_t)to.channels;
        }
        if (op->target < limit) {
            wires[op->target].positions = to.positions;
            wires[op->target].channels = to.channels;
            wires[op->target].bytes = op->kind == SL_RESHAPE ? from->bytes : wires[op->target].bytes;
        }
    }
}

static uint32_t whole(uint64_t bytes) { return (uint32_t)((bytes + 3u) & ~(uint64_t)3u); }

/* Bytes of scratch of an operation. */
static uint64_t scratch_of(const sl_operation *op, const sl_wire *from) {
    if (op->kind == SL_SYNAPSE && op->synapse != NULL) {
        const sl_synapse *s = op->synapse;
        const uint64_t beside = s->groups > 1u ? (uint64_t)s->groups * s->out : 0u;
        const uint64_t lists = (uint64_t)s->planes * (1u + s->negative);
        const uint64_t starts = s->slides > 1u ? s->kernel[1] : 1u;
        return 4u * (s->padded_out + beside) + 2u * (lists + lists * starts + lists * s->room);
    }
    return op->kind == SL_RESHAPE ? 0u : 4u * (uint64_t)from->channels;
}

void fuzz_lay_out(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit) {
    uint64_t arena = 0, scratch = 0, state = 8;
    unsigned i;
    for (i = 0; i < program->wire_count && i < limit; i++) {
        wires[i].offset = (uint32_t)arena;
        arena += whole((uint64_t)wires[i].positions * wires[i].channels * wires[i].bytes);
    }
    program->scores = (uint32_t)state;
    state += 4u * (uint64_t)program->classes;
    for (i = 0; i < program->operation_count && i < limit; i++) {
        sl_operation *op = &operations[i];
        const uint64_t needed = scratch_of(op, &wires[op->source % limit]);
        scratch = needed > scratch ? needed : scratch;
        if (op->neuron != NULL) {
            sl_neuron *n = (sl_neuron *)op->neuron;
            n->membrane = (uint32_t)state;
            state += whole((uint64_t)n->channels * n->positions * n->bytes);
        }
        if (op->readout != NULL) {
            ((sl_readout *)op->readout)->membrane = program->scores;
        }
    }
    program->scratch = (uint32_t)arena;
    program->arena_size = whole(arena + scratch);
    program->state_size = (uint32_t)state;
}

/* Additions of a step, roughly. */
uint64_t fuzz_work(const sl_program *program) {
    uint64_t work = 0;
    unsigned i;
    for (i = 0; i < program->operation_count; i++) {
        const sl_operation *op = &program->operations[i];
        const sl_wire *from = &program->wires[op->source];
        work += (uint64_t)from->positions * from->channels;
        if (op->synapse != NULL) {
            const sl_synapse *s = op->synapse;
            const uint64_t places = (uint64_t)s->outputs[0] * s->outputs[1] * s->groups;
            const uint64_t flushes = s->group_rows / s->padded_out / s->chunk + 1u;
            work += places * (s->group_rows + flushes * s->planes * s->padded_out * 2u);
        } else if (op->window != NULL) {
            work += (uint64_t)op->window->outputs[0] * op->window->outputs[1] * op->window->kernel[0] *
                    op->window->kernel[1] * from->channels;
        }
    }
    return work;
}
