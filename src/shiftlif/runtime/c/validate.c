/* Whether a program is one. Everything the others rely on is checked here, with arithmetic that cannot wrap. */
#include "internal.h"

static int wire_good(const sl_program *p, const sl_wire *w) {
    const uint64_t size = (uint64_t)w->positions * w->channels * w->bytes;
    return (w->bytes == 1u || w->bytes == 2u || w->bytes == 4u) && w->positions != 0u && w->channels != 0u && w->limit <= 127u &&
           w->positions < (1u << 28) && w->channels < (1u << 28) && (w->offset & 3u) == 0u &&
           (uint64_t)w->positions * w->channels < (1u << 28) && w->offset + size <= p->scratch;
}

static int scratch_good(const sl_program *p, uint64_t bytes) { return p->scratch + bytes <= p->arena_size; }

static int state_good(const sl_program *p, uint32_t offset, uint64_t bytes) {
    return offset >= SL_HEADER && (offset & 3u) == 0u && offset + bytes <= p->state_size;
}

/* Windows along both axes stay inside the padded source. */
static int axis_good(uint32_t extent, uint32_t outputs, uint32_t kernel, uint32_t stride, uint32_t padding,
                     uint32_t dilation) {
    const uint64_t reach = ((uint64_t)kernel - 1u) * dilation + 1u;
    const uint32_t limit = 1u << 20;
    if (extent == 0u || outputs == 0u || kernel == 0u || stride == 0u || dilation == 0u || extent >= (1u << 28) ||
        outputs >= (1u << 28) || kernel > limit || stride > limit || padding > limit || dilation > limit) {
        return 0;
    }
    return ((uint64_t)outputs - 1u) * stride + reach <= (uint64_t)extent + 2u * (uint64_t)padding;
}

static int moves_good(const uint32_t extent[2], uint32_t channels, const uint32_t factor[2], const uint32_t move[2]) {
    return move[1] == (uint64_t)factor[1] * channels && move[0] == (uint64_t)factor[0] * extent[1] * channels;
}

/* How far the walk over windows and taps gets, one step past the last included: distances are 32-bit numbers. */
static int walk_good(const sl_synapse *s, uint64_t channels) {
    const uint64_t rows = (uint64_t)s->extent[0] + 2u * (uint64_t)s->padding[0] + s->stride[0] + s->dilation[0];
    const uint64_t columns = (uint64_t)s->extent[1] + 2u * (uint64_t)s->padding[1] + s->stride[1] + s->dilation[1];
    return rows * s->extent[1] * channels + columns * channels < (1u << 31);
}

/* Windows that share columns: the lists have places for one at least, and every offset fits 16 bits. */
static int run_good(const sl_synapse *s) {
    const uint64_t columns = s->kernel[1] + ((uint64_t)s->slides - 1u) * s->stride[1];
    const uint64_t column = (uint64_t)s->kernel[0] * s->in; /* rows */
    return s->groups == 1u && s->dilation[1] == 1u && s->stride[1] <= s->kernel[1] && s->tap_step != 0u &&
           s->chunk == column * s->kernel[1] && s->fresh == column * s->stride[1] && s->room >= s->chunk &&
           s->line_step == (uint64_t)s->kernel[1] * s->tap_step &&
           columns * s->tap_step + (uint64_t)s->kernel[0] * s->line_step <= 65535u;
}

static int synapse_good(const sl_program *p, const sl_synapse *s, const sl_wire *from) {
    const uint64_t channels = (uint64_t)s->groups * s->out;
    const uint64_t steps = (uint64_t)s->in * (s->padded_out / SL_LANES); /* of a tap's rows, in units of SL_LANES */
    uint64_t taps, lists;
    int axis;
    if (s->rows == NULL || s->in == 0u || s->out == 0u || s->groups == 0u || s->padded_out < s->out ||
        (s->padded_out & (SL_LANES - 1u)) != 0u || s->padded_out - s->out >= SL_LANES || channels >= (1u << 24) ||
        s->planes == 0u || s->planes > SL_MOST_PLANES || s->chunk == 0u || s->chunk > SL_MAX_ROWS || s->room == 0u || s->slides == 0u || s->segment == 0u || s->segment > s->planes ||
        s->negative > 1u || s->packed > 1u || s->packed != SL_PACKED(s) || ((uintptr_t)s->rows & 3u) != 0u ||
        s->places != (uint64_t)s->room * s->planes * (1u + s->negative) ||
        (s->tap_step != 0u && s->tap_step != steps)) {
        return 0;
    }
    for (axis = 0; axis < 2; axis++) {
        if (!axis_good(s->extent[axis], s->outputs[axis], s->kernel[axis], s->stride[axis], s->padding[axis],
                       s->dilation[axis])) {
            return 0;
        }
    }
    taps = (uint64_t)s->kernel[0] * s->kernel[1];
    if ((uint64_t)s->in * s->groups != from->channels || (uint64_t)s->extent[0] * s->extent[1] != from->positions ||
        !walk_good(s, from->channels) || taps * s->in >= (1u << 28) || /* the walk bounds both kernels: no wrap */
        taps * s->in * s->padded_out != s->group_rows || s->group_rows >= (1u << 28) ||
        !moves_good(s->extent, from->channels, s->stride, s->move) ||
        !moves_good(s->extent, from->channels, s->padding, s->back) ||
        !moves_good(s->extent, from->channels, s->dilation, s->tap_move)) {
        return 0;
    }
    if (s->slides > 1u ? !run_good(s)
                       : (uint64_t)s->chunk * (s->padded_out / SL_LANES) > 65535u || s->line_step != 0u || s->fresh != 0u) {
        return 0;
    }
    /* ends, starts and places of every list, 2 bytes each */
    lists = (uint64_t)s->planes * (1u + s->negative) * (1u + (s->slides > 1u ? s->kernel[1] : 1u) + (uint64_t)s->room) * 2u;
    return scratch_good(p, 4u * (s->padded_out + (s->groups > 1u ? channels : 0u)) + lists);
}

static int neuron_good(const sl_program *p, const sl_neuron *n, const sl_wire *to) {
    uint32_t c, k;
    int silent = 0;
    if (n == NULL || n->bias == NULL || n->thresholds == NULL || n->letters == NULL || n->levels == 0u ||
        n->levels == 255u || n->shift > 30u || (n->leak_shift > 24u && n->leak_shift != SL_NO_LEAK) ||
        (n->bytes != 2u && n->bytes != 4u) || n->channels != to->channels || n->positions != to->positions ||
        to->bytes != 1u || !state_good(p, n->membrane, (uint64_t)n->channels * n->positions * n->bytes)) {
        return 0;
    }
    for (k = 0; k <= n->levels; k++) {
        silent |= n->letters[k] == 0;
        if (n->letters[k] == -128 || (k != 0u && n->letters[k] <= n->letters[k - 1u])) {
            return 0;
        }
    }
    for (c = 0; c < n->channels; c++) {
        for (k = 1; k < n->levels; k++) {
            if (n->thresholds[(size_t)c * n->levels + k] < n->thresholds[(size_t)c * n->levels + k - 1u]) {
                return 0;
            }
        }
    }
    return silent;
}

static int readout_good(const sl_program *p, const sl_readout *r, uint64_t channels) {
    return r != NULL && r->bias != NULL && r->shift <= 30u && r->channels == channels && channels == p->classes &&
           r->membrane == p->scores && state_good(p, r->membrane, channels * 4u);
}

static int window_good(const sl_program *p, const sl_window *w, const sl_wire *from, const sl_wire *to) {
    static const uint32_t one[2] = {1u, 1u};
    int axis;
    if (w == NULL || from->channels != to->channels || !scratch_good(p, (uint64_t)from->channels * 4u)) {
        return 0;
    }
    for (axis = 0; axis < 2; axis++) {
        if (!axis_good(w->extent[axis], w->outputs[axis], w->kernel[axis], w->stride[axis], 0u, 1u)) {
            return 0;
        }
    }
    return (uint64_t)w->extent[0] * w->extent[1] == from->positions &&
           (uint64_t)w->outputs[0] * w->outputs[1] == to->positions &&
           moves_good(w->extent, from->channels, w->stride, w->move) &&
           moves_good(w->extent, from->channels, one, w->tap_move);
}

static int same_size(const sl_wire *a, const sl_wire *b) {
    return a->positions == b->positions && a->channels == b->channels;
}

static int apart(const sl_wire *a, const sl_wire *b) {
    const uint64_t a_end = a->offset + (uint64_t)a->positions * a->channels * a->bytes;
    const uint64_t b_end = b->offset + (uint64_t)b->positions * b->channels * b->bytes;
    return a_end <= b->offset || b_end <= a->offset;
}

/* Whether this build of the runtime has the operation (config.h). */
static int known(uint8_t kind) {
    return (kind != SL_NEURON || SL_WITH_NEURON) && (kind != SL_READOUT || SL_WITH_READOUT) &&
           ((kind != SL_SUM_POOL && kind != SL_MAX_POOL) || SL_WITH_POOL) && (kind != SL_ADD || SL_WITH_ADD) &&
           (kind != SL_RESHAPE || SL_WITH_RESHAPE);
}

static int operation_good(const sl_program *p, const sl_operation *op) {
    const sl_wire *from, *to = NULL, *other = NULL;
    const int ends = op->kind == SL_READOUT || (op->kind == SL_SYNAPSE && op->readout != NULL);
    if (op->kind >= SL_KINDS || !known(op->kind) || op->is_static > 1u || op->source >= p->wire_count ||
        (op->target == SL_NONE) != ends || (!ends && op->target >= p->wire_count) || op->shift > 30u ||
        op->other_shift > 30u || (op->kind == SL_ADD) != (op->other != SL_NONE)) {
        return 0;
    }
    /* No table of another kind, which nobody would check. */
    if ((op->neuron != NULL && op->kind != SL_SYNAPSE && op->kind != SL_NEURON) ||
        (op->readout != NULL && op->kind != SL_SYNAPSE && op->kind != SL_READOUT) ||
        (op->synapse != NULL && op->kind != SL_SYNAPSE) ||
        (op->window != NULL && op->kind != SL_SUM_POOL && op->kind != SL_MAX_POOL)) {
        return 0;
    }
    from = &p->wires[op->source];
    if (op->other != SL_NONE) {
        if (op->other >= p->wire_count) {
            return 0;
        }
        other = &p->wires[op->other];
    }
    if (!ends) {
        to = &p->wires[op->target];
        if (!apart(from, to) || (other != NULL && !apart(other, to)) || op->target == p->input) {
            return 0;
        }
    }
    switch (op->kind) {
    case SL_SYNAPSE:
        if (op->synapse == NULL || !synapse_good(p, op->synapse, from) || (op->neuron != NULL && op->readout != NULL)) {
            return 0;
        }
        if (ends) {
            return op->synapse->outputs[0] == 1u && op->synapse->outputs[1] == 1u &&
                   readout_good(p, op->readout, (uint64_t)op->synapse->groups * op->synapse->out);
        }
        return (uint64_t)op->synapse->groups * op->synapse->out == to->channels &&
               (uint64_t)op->synapse->outputs[0] * op->synapse->outputs[1] == to->positions &&
               (op->neuron == NULL || neuron_good(p, op->neuron, to));
    case SL_NEURON:
        return same_size(from, to) && scratch_good(p, (uint64_t)from->channels * 4u) && neuron_good(p, op->neuron, to);
    case SL_READOUT:
        return from->positions == 1u && scratch_good(p, (uint64_t)from->channels * 4u) &&
               readout_good(p, op->readout, from->channels);
    case SL_SUM_POOL:
    case SL_MAX_POOL:
        return window_good(p, op->window, from, to);
    case SL_ADD:
        return same_size(from, to) && same_size(other, to) && scratch_good(p, (uint64_t)to->channels * 4u);
    default:
        return to->positions == 1u && to->bytes == from->bytes &&
               (uint64_t)from->positions * from->channels == to->channels;
    }
}

sl_status sl_validate(const sl_program *program, uint16_t *where) {
    uint16_t i, ends = 0;
    if (where != NULL) {
        *where = program == NULL ? 0u : program->operation_count;
    }
    if (program == NULL) {
        return SL_E_NULL;
    }
    if (program->abi != SL_ABI) {
        return SL_E_ABI;
    }
    if (program->wires == NULL || program->operations == NULL) {
        return SL_E_NULL;
    }
    if (program->wire_count == 0u || program->wire_count == SL_NONE || program->operation_count == 0u ||
        program->input >= program->wire_count || program->classes == 0u || program->steps == 0u ||
        program->steps > program->max_steps || program->max_steps > (1u << 20) || (program->scratch & 3u) != 0u ||
        (program->arena_size & 3u) != 0u || (program->state_size & 3u) != 0u || program->state_size < SL_HEADER ||
        program->scratch > program->arena_size ||
        !state_good(program, program->scores, (uint64_t)program->classes * 4u)) {
        return SL_E_PROGRAM;
    }
    for (i = 0; i < program->wire_count; i++) {
        if (!wire_good(program, &program->wires[i])) {
            return SL_E_PROGRAM;
        }
    }
    if (program->wires[program->input].bytes != 1u) {
        return SL_E_PROGRAM;
    }
    for (i = 0; i < program->operation_count; i++) {
        const sl_operation *op = &program->operations[i];
        if (!operation_good(program, op)) {
            if (where != NULL) {
                *where = i;
            }
            return SL_E_PROGRAM;
        }
        ends = (uint16_t)(ends + (op->target == SL_NONE));
    }
    return ends == 1u && program->operations[program->operation_count - 1u].target == SL_NONE ? SL_OK : SL_E_PROGRAM;
}
