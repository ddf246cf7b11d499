/* libFuzzer: the bytes choose a real program (bases.c, from build.py) and edit its fields and tables. What sl_validate
 * refuses must come with a status and is not run; what it lets pass runs in exactly the memory that it asks for, under
 * the sanitizers. Arrays are as long as the edited fields say: that much a validator of const data has to believe.
 *
 * byte 0: which program. byte 1: bit 0 repairs what follows from other fields, bit 1 lays out the memory anew, bit 2
 * takes sl_step instead of sl_run, bits 3 and 4 are the steps - 1, bit 5 goes on with sl_continue after the first call,
 * bit 6 takes sl_step_events where the frame counts events. byte 2: seed of frames and memory. Then edits. */
#include "editable.h"

extern const sl_program *const fuzz_bases[];
extern const unsigned fuzz_base_count;
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
const char *__asan_default_options(void);

/* Memory of programs that are gone is watched, but not so much of it that the bound on memory ends the search. */
const char *__asan_default_options(void) { return "quarantine_size_mb=16"; }

#define CELLS (1u << 16)    /* of one array */
#define MEMORY (1u << 18)   /* bytes of arena or state */
#define WORK (1u << 20)     /* additions of a step, roughly: what takes longer is no hang, only slow to fuzz */
#define REQUIRE(x) ((x) ? (void)0 : abort())
#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct edit {
    uint8_t what, index, field, how;
    uint32_t value;
} edit;

typedef struct field {
    size_t offset, size;
} field;

#define F(type, name) {offsetof(type, name), sizeof(((type *)0)->name)}
#define PAIR(type, name) F(type, name[0]), F(type, name[1])
static const field of_program[] = {F(sl_program, abi), F(sl_program, wire_count), F(sl_program, operation_count),
                                   F(sl_program, input), F(sl_program, classes), F(sl_program, state_size),
                                   F(sl_program, arena_size), F(sl_program, scratch), F(sl_program, scores),
                                   F(sl_program, steps), F(sl_program, max_steps)};
static const field of_wire[] = {F(sl_wire, offset), F(sl_wire, positions), F(sl_wire, channels), F(sl_wire, bytes),
                                F(sl_wire, limit)};
static const field of_operation[] = {F(sl_operation, kind), F(sl_operation, is_static), F(sl_operation, shift),
                                     F(sl_operation, other_shift), F(sl_operation, source), F(sl_operation, other),
                                     F(sl_operation, target)};
static const field of_synapse[] = {F(sl_synapse, in), F(sl_synapse, out), F(sl_synapse, padded_out), F(sl_synapse, groups),
                                   PAIR(sl_synapse, extent), PAIR(sl_synapse, outputs), PAIR(sl_synapse, kernel),
                                   PAIR(sl_synapse, stride), PAIR(sl_synapse, padding), PAIR(sl_synapse, dilation),
                                   PAIR(sl_synapse, move), PAIR(sl_synapse, back), PAIR(sl_synapse, tap_move),
                                   F(sl_synapse, group_rows), F(sl_synapse, tap_step), F(sl_synapse, line_step),
                                   F(sl_synapse, places), F(sl_synapse, room), F(sl_synapse, slides), F(sl_synapse, fresh),
                                   F(sl_synapse, chunk), F(sl_synapse, planes), F(sl_synapse, segment),
                                   F(sl_synapse, negative), F(sl_synapse, packed)};
static const field of_neuron[] = {F(sl_neuron, channels), F(sl_neuron, positions), F(sl_neuron, membrane),
                                  F(sl_neuron, levels), F(sl_neuron, leak_shift), F(sl_neuron, shift), F(sl_neuron, bytes)};
static const field of_readout[] = {F(sl_readout, channels), F(sl_readout, membrane), F(sl_readout, shift)};
static const field of_window[] = {PAIR(sl_window, extent), PAIR(sl_window, outputs), PAIR(sl_window, kernel),
                                  PAIR(sl_window, stride), PAIR(sl_window, move), PAIR(sl_window, tap_move)};

typedef struct model {
    editable of;
    void *kept[MOST * 6u + 8u]; /* to be freed */
    unsigned kept_count;
    int small; /* every array is as long as it has to be */
} model;

static uint32_t noise(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Half of the time an edit is added or replaced as a whole, and values are such as lie at limits. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    static const uint32_t limits[] = {0u, 1u, 2u, 3u, 4u, 8u, 127u, 128u, 255u, 256u, 65535u, 1u << 20, 1u << 28,
                                      0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu};
    uint32_t random = seed, edits;
    size_t at;
    edit e;
    if (size < 3u || most < 11u || (noise(&random) & 1u) != 0u) {
        return LLVMFuzzerMutate(data, size, most);
    }
    e.what = (uint8_t)noise(&random);
    e.index = (uint8_t)(noise(&random) % 12u);
    e.field = (uint8_t)noise(&random);
    e.how = (uint8_t)noise(&random);
    e.value = limits[noise(&random) % COUNT(limits)];
    edits = (uint32_t)((size - 3u) / 8u);
    at = noise(&random) % (edits + 1u) * 8u + 3u;
    if (at + 8u > most) {
        return LLVMFuzzerMutate(data, size, most);
    }
    memcpy(data + at, &e, 8);
    return at + 8u > size ? at + 8u : size;
}

static void *keep(model *m, size_t bytes) {
    void *memory = malloc(bytes);
    REQUIRE(memory != NULL);
    m->kept[m->kept_count++] = memory;
    return memory;
}

static void change(void *place, size_t size, unsigned how, uint32_t value) {
    uint32_t old = 0;
    memcpy(&old, place, size); /* little-endian, as the machines are that run this */
    value = how == 0u ? value : how == 1u ? old + value : how == 2u ? old ^ value : value & 15u;
    memcpy(place, &value, size);
}

/* Which table an operation has: none, its own place of it, or that of another operation. */
static void change_table(model *m, sl_operation *op, unsigned kind, uint32_t value) {
    const uint32_t i = value % (MOST + 1u);
    switch (kind) {
    case 0: op->synapse = i == MOST ? NULL : &m->of.synapses[i]; break;
    case 1: op->neuron = i == MOST ? NULL : &m->of.neurons[i]; break;
    case 2: op->readout = i == MOST ? NULL : &m->of.readouts[i]; break;
    default: op->window = i == MOST ? NULL : &m->of.windows[i]; break;
    }
}

#define CHANGE(fields, item) \
    change((uint8_t *)&(item) + (fields)[e->field % COUNT(fields)].offset, (fields)[e->field % COUNT(fields)].size, how, e->value)
#define TABLES 7u /* edits of fields; beyond are edits of arrays */

static void change_field(model *m, const edit *e) {
    const unsigned how = e->how & 3u, i = e->index % MOST;
    switch (e->what) {
    case 0: CHANGE(of_program, m->of.program); break;
    case 1: CHANGE(of_wire, m->of.wires[i]); break;
    case 2:
        if (e->field % 11u < COUNT(of_operation)) {
            CHANGE(of_operation, m->of.operations[i]);
        } else {
            change_table(m, &m->of.operations[i], e->field % 11u - (unsigned)COUNT(of_operation), e->value);
        }
        break;
    case 3: CHANGE(of_synapse, m->of.synapses[i]); break;
    case 4: CHANGE(of_neuron, m->of.neurons[i]); break;
    case 5: CHANGE(of_readout, m->of.readouts[i]); break;
    default: CHANGE(of_window, m->of.windows[i]); break;
    }
}

/* An array of `cells` numbers with the base's own in turn; short where it would be too large to be had. */
static void *array(model *m, const void *from, uint64_t had, uint64_t cells, size_t size) {
    uint8_t *to;
    uint64_t i;
    if (cells > CELLS) {
        m->small = 0;
        cells = 0;
    }
    to = keep(m, (size_t)cells * size);
    for (i = 0; i < cells; i++) {
        if (from == NULL || had == 0u) {
            memset(to + i * size, 0, size);
        } else {
            memcpy(to + i * size, (const uint8_t *)from + (i % had) * size, size);
        }
    }
    return to;
}

/* Bytes of a synapse's rows. */
static uint64_t rows_of(const sl_synapse *s) {
    const uint64_t weights = (uint64_t)s->group_rows * (s->groups > CELLS ? CELLS : s->groups);
    return s->packed != 0u ? weights >> 1 : weights;
}

/* Returns whether the validator may look: it reads the tables of neurons. */
static int make_arrays(model *m, const sl_program *base) {
    unsigned i;
    for (i = 0; i < MOST; i++) {
        const sl_operation *was = i < base->operation_count ? &base->operations[i] : NULL;
        sl_synapse *s = &m->of.synapses[i];
        sl_neuron *n = &m->of.neurons[i];
        sl_readout *r = &m->of.readouts[i];
        const int soft = n->resets != NULL;
        if (s->rows != NULL) {
            s->rows = array(m, s->rows, rows_of(was->synapse), rows_of(s), 1);
        }
        if (n->bias != NULL) {
            const uint64_t channels = was->neuron->channels, levels = was->neuron->levels;
            if ((uint64_t)n->channels * (n->levels + 1u) > CELLS) {
                return 0;
            }
            n->bias = array(m, n->bias, channels, n->channels, 4);
            n->thresholds = array(m, n->thresholds, channels * levels, (uint64_t)n->channels * n->levels, 4);
            n->letters = array(m, n->letters, levels + 1u, n->levels + 1u, 1);
            n->resets = soft ? array(m, n->resets, channels * (levels + 1u), (uint64_t)n->channels * (n->levels + 1u), 4) : NULL;
        }
        if (r->bias != NULL) {
            r->bias = array(m, r->bias, was->readout->channels, r->channels, 4);
        }
    }
    return 1;
}

/* One number of an array, or all of them (how & 4), or the array gone (how & 8). */
static void change_array(const edit *e, void **place, uint64_t cells, size_t size) {
    uint64_t i;
    if (*place == NULL || cells > CELLS) {
        return;
    }
    if ((e->how & 12u) == 8u) {
        *place = NULL;
        return;
    }
    for (i = 0; i < cells; i++) {
        if ((e->how & 4u) != 0u || i == ((uint64_t)e->field * 257u) % cells) {
            change((uint8_t *)*place + i * size, size, e->how & 3u, e->value);
        }
    }
}

static void change_element(model *m, const edit *e) {
    const unsigned i = e->index % MOST;
    sl_synapse *s = &m->of.synapses[i];
    sl_neuron *n = &m->of.neurons[i];
    sl_readout *r = &m->of.readouts[i];
    const uint64_t channels = n->channels, levels = n->levels;
    switch (e->what - TABLES) {
    case 0: change_array(e, (void **)&s->rows, rows_of(s), 1); break;
    case 1: change_array(e, (void **)&n->bias, channels, 4); break;
    case 2: change_array(e, (void **)&n->thresholds, channels * levels, 4); break;
    case 3: change_array(e, (void **)&n->resets, channels * (levels + 1u), 4); break;
    case 4: change_array(e, (void **)&n->letters, levels + 1u, 1); break;
    default: change_array(e, (void **)&r->bias, r->channels, 4); break;
    }
}

void fuzz_repair(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit);
void fuzz_lay_out(sl_program *program, sl_wire *wires, sl_operation *operations, unsigned limit);
uint64_t fuzz_work(const sl_program *program);

/* A step with events anywhere in the frame; one of them may be none. */
static sl_status step_events(model *m, void *state, void *arena, size_t frame_size, uint32_t *seed) {
    const sl_program *p = &m->of.program;
    const uint32_t limit = p->wires[p->input].limit;
    const size_t count = noise(seed) & 31u;
    sl_event *events = keep(m, count * sizeof *events);
    int wrong = limit == 0u;
    sl_status status;
    size_t i;
    for (i = 0; i < count; i++) {
        const uint32_t odd = noise(seed) & 255u;
        events[i].index = odd == 0u ? (uint32_t)frame_size + (noise(seed) & 3u) : noise(seed) % (uint32_t)frame_size;
        events[i].count = odd == 1u ? limit + 1u + noise(seed) : noise(seed) % (limit + 1u);
        wrong |= odd < 2u;
    }
    status = sl_step_events(p, state, arena, events, count);
    REQUIRE(status == SL_E_STEPS || wrong == (status == SL_E_EVENT));
    return status == SL_E_EVENT ? sl_step_events(p, state, arena, NULL, 0) : status;
}

static void run(model *m, unsigned flags, uint32_t seed) {
    const sl_program *p = &m->of.program;
    const sl_wire *input = &p->wires[p->input];
    const size_t frame_size = (size_t)input->positions * input->channels;
    const uint32_t steps = 1u + (flags >> 3 & 3u);
    int8_t *frame = keep(m, frame_size);
    uint8_t *arena = keep(m, p->arena_size), *state = keep(m, p->state_size);
    sl_status status = SL_OK;
    uint32_t t;
    size_t i;
    for (i = 0; i < p->arena_size; i++) {
        arena[i] = (uint8_t)noise(&seed); /* a program that reads what nobody wrote reads anything */
    }
    REQUIRE(sl_step(p, state, arena, NULL) == SL_E_NULL && sl_reset(p, state, p->state_size - 1u) == SL_E_BUFFER);
    REQUIRE(sl_reset(p, state, p->state_size) == SL_OK && sl_continue(p, state, arena, 1, NULL, NULL) == SL_E_STATE);
    for (t = 0; t < steps && status == SL_OK; t++) {
        const int single = (flags & 4u) != 0u;
        for (i = 0; i < frame_size; i++) {
            frame[i] = (noise(&seed) & 3u) == 0u ? (int8_t)noise(&seed) : 0;
        }
        if ((flags & 32u) != 0u && t != 0u) {
            status = sl_continue(p, state, arena, steps - t, NULL, NULL);
            t = steps;
        } else if ((flags & 64u) != 0u && input->limit != 0u) {
            status = step_events(m, state, arena, frame_size, &seed);
        } else {
            status = single ? sl_step(p, state, arena, frame) : sl_run(p, state, arena, frame, steps, NULL, NULL);
            t = single ? t : steps;
        }
    }
    REQUIRE(status == SL_OK ? sl_steps_made(state) == steps : status == SL_E_STEPS && steps > p->max_steps);
    REQUIRE(sl_classify(p, state) < p->classes && sl_scores(p, state) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static model m;
    const sl_program *base;
    size_t at;
    int arrays = 0;
    if (size < 3u) {
        return 0;
    }
    base = fuzz_bases[data[0] % fuzz_base_count];
    editable_copy(&m.of, base);
    m.kept_count = 0;
    m.small = 1;
    for (;;) {
        for (at = 3; at + 8u <= size; at += 8u) {
            edit e;
            memcpy(&e, data + at, 8);
            e.what = (uint8_t)(e.what % (TABLES + 6u));
            if (!arrays && e.what < TABLES) {
                change_field(&m, &e);
            } else if (arrays && e.what >= TABLES) {
                change_element(&m, &e);
            }
        }
        if (arrays) {
            break;
        }
        m.of.program.wire_count = (uint16_t)(m.of.program.wire_count % (MOST + 1u));
        m.of.program.operation_count = (uint16_t)(m.of.program.operation_count % (MOST + 1u));
        if ((data[1] & 1u) != 0u) {
            fuzz_repair(&m.of.program, m.of.wires, m.of.operations, MOST);
        }
        if ((data[1] & 2u) != 0u) {
            fuzz_lay_out(&m.of.program, m.of.wires, m.of.operations, MOST);
        }
        if (!make_arrays(&m, base)) {
            break;
        }
        arrays = 1;
    }
    if (arrays) {
        uint16_t where = 0;
        const sl_status status = sl_validate(&m.of.program, &where);
        REQUIRE(where <= m.of.program.operation_count && status <= SL_E_PROGRAM);
        REQUIRE(size >= 11u || status == SL_OK); /* a program without edits, laid out anew or not, is one */
        if (status == SL_OK && m.small && m.of.program.arena_size <= MEMORY && m.of.program.state_size <= MEMORY &&
            fuzz_work(&m.of.program) <= WORK) {
            run(&m, data[1], data[2]);
        }
    }
    for (at = 0; at < m.kept_count; at++) {
        free(m.kept[at]);
    }
    return 0;
}
