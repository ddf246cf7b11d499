/* What the files of the runtime share; not for users. */
#ifndef SHIFTLIF_INTERNAL_H
#define SHIFTLIF_INTERNAL_H

#include "config.h"
#include "shiftlif.h"

#ifdef __cplusplus
extern "C" {
#endif

/* State and arena are plain bytes in which numbers of several widths lie, now these, now those. */
#if defined(__GNUC__)
#define SL_BYTES_AS(type) type __attribute__((__may_alias__))
#else
#define SL_BYTES_AS(type) type
#endif
typedef SL_BYTES_AS(int16_t) sl_int16;
typedef SL_BYTES_AS(uint16_t) sl_uint16;
typedef SL_BYTES_AS(int32_t) sl_int32;
typedef SL_BYTES_AS(uint32_t) sl_uint32;

/* A loop that adds stays one: a compiler that sees through it would multiply. */
#if defined(__GNUC__)
#define SL_OPAQUE(x) __asm__ volatile("" : "+r"(x))
#else
#define SL_OPAQUE(x) (void)(x)
#endif

#define SL_HEADER 8u /* bytes of the state before the membranes: identity, steps made */

typedef struct sl_state_header {
    sl_uint32 identity;
    sl_uint32 steps;
} sl_state_header;

/* One call's memory. */
typedef struct sl_memory {
    const sl_program *program;
    uint8_t *state;
    uint8_t *arena;
    void *extra; /* what another backend needs, NULL for the portable one */
} sl_memory;

/* Rows whose input has the signed digit +-2^plane, as offsets into the rows in units of SL_LANES. List after list of
 * `room` places: plane 0, plane 1 and so on, each followed by that of its negative digits where there are any. */
typedef struct sl_events {
    sl_uint16 *lists;
    sl_uint16 *ends;         /* [lists]: where the next event of each list goes */
    const sl_uint16 *starts; /* [lists]: the first event that counts */
} sl_events;

/* Windows along a row that share columns: each column is decoded once, and a window is what lies between the events of
 * its first column and the last ones. Offsets stay as they are while the rows move under them. */
typedef struct sl_slide {
    const sl_synapse *synapse;
    const uint8_t *source;
    sl_events events;
    sl_uint16 *marks, *marks_end; /* [kernel[1]][lists]: the ends before each of the last columns */
    sl_uint16 *next;              /* mark of the next column */
    int32_t y, x, at;             /* of the next window's corner, and its element of the source */
    int32_t column_x, column_at;  /* of the next column */
    uint32_t back;                /* rows from this window's first column back to the first of the run, in units of SL_LANES */
    uint32_t left;                /* windows until a new run begins, at most */
    uint32_t free;                /* rows that every list has places for, at least */
    uint32_t offset;              /* of the next column's rows */
    uint32_t channels;
    uint8_t bytes;
} sl_slide;

/* How a frame, or what stands for it, gets onto its wire and how an operation is executed: in portable C, or faster. */
typedef struct sl_backend {
    void (*enter)(const sl_memory *memory, const void *input);
    void (*execute)(const sl_memory *memory, const sl_operation *operation);
} sl_backend;

/* Shifts and sums wrap, by way of unsigned numbers, where C leaves signed ones undefined. The range proof says that
 * those of a compiled program never do; a program that nobody proved computes nonsense then, and nothing worse. */
static inline int32_t sl_shl(int32_t x, uint8_t shift) { return (int32_t)((uint32_t)x << shift); }
static inline int32_t sl_sum(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
static inline int32_t sl_difference(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }

static inline uint8_t *sl_place(const sl_memory *memory, uint16_t wire) {
    return memory->arena + memory->program->wires[wire].offset;
}

static inline sl_int32 *sl_currents(const sl_memory *memory) {
    return (sl_int32 *)(void *)(memory->arena + memory->program->scratch);
}

/* How many lists a synapse sorts its events into. */
static inline uint32_t sl_lists(const sl_synapse *synapse) { return (uint32_t)synapse->planes << synapse->negative; }

/* Whether two weights lie in a byte; a constant where the program has weights of one kind. */
#if SL_WITH_WEIGHTS_4 && SL_WITH_WEIGHTS_8
#define SL_PACKED(synapse) ((synapse)->packed)
#else
#define SL_PACKED(synapse) ((void)(synapse), SL_WITH_WEIGHTS_4)
#endif

/* Bytes of so many times SL_LANES weights are these shifted to the left. */
static inline uint32_t sl_row_shift(const sl_synapse *synapse) {
    return SL_PACKED(synapse) ? 1u : 2u;
}

/* rows.c: one row of integers of 1, 2 or 4 bytes, as 32-bit numbers. */
void sl_row_load(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_store(uint8_t *target, const sl_int32 *row, uint8_t bytes, uint32_t count);
void sl_row_add(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_max(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_add_shifted(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count, uint8_t shift);

/* events.c */
void sl_events_clear(const sl_synapse *synapse, const sl_events *events);
uint32_t sl_events_room(const sl_synapse *synapse, const sl_events *events); /* rows that every list has places for */
uint16_t sl_events_scan(const sl_synapse *synapse, const sl_events *events, const uint8_t *source, uint8_t bytes,
                        uint32_t count, uint16_t offset); /* returns the offset behind the last row */

/* gather.c */
/* Adds the events' rows to sums; first: there is nothing in the sums yet. */
void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first);

/* slide.c */
void sl_slide_row(sl_slide *slide, int32_t y, int32_t x, int32_t at);
void sl_slide_window(sl_slide *slide, sl_int32 *sums);

/* synapse.c: the currents of all positions, handed on one position at a time. */
void sl_synapse_execute(const sl_memory *memory, const sl_operation *operation);

/* neuron.c: one position. */
void sl_neuron_fire(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters);
void sl_neuron_execute(const sl_memory *memory, const sl_operation *operation);
void sl_readout_add(const sl_readout *readout, const sl_int32 *currents, uint8_t *state);

/* pool.c */
void sl_pool_execute(const sl_memory *memory, const sl_operation *operation);

/* counts.c */
sl_status sl_step_events_with(const sl_backend *backend, const sl_program *program, void *state, void *arena, void *extra,
                              const sl_event *events, size_t count);

/* run.c */
extern const sl_backend sl_portable;
sl_status sl_check(const sl_program *program, const void *state, const void *arena, uint32_t steps);
void sl_execute(const sl_memory *memory, const sl_operation *operation);
/* input: what the backend's `enter` takes; NULL: more steps with what entered last. */
sl_status sl_run_with(const sl_backend *backend, const sl_program *program, void *state, void *arena,
                      void *extra, const void *input, uint32_t steps, sl_observer observer, void *context);

#ifdef __cplusplus
}
#endif

#endif
