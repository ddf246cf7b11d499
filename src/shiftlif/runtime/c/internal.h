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

/* Rows of a chunk whose input has the signed digit +-2^plane, as offsets into the rows in units of SL_LANES. List after
 * list of `chunk` places: plane 0, plane 1 and so on, each followed by that of its negative digits where there are any. */
typedef struct sl_events {
    sl_uint16 *lists;
    sl_uint16 *ends; /* [planes * (1 + negative)]: where the next event of each list goes */
} sl_events;

/* How a frame gets onto its wire and how an operation is executed: in portable C, or faster. */
typedef struct sl_backend {
    void (*enter)(const sl_memory *memory, const int8_t *frame);
    void (*execute)(const sl_memory *memory, const sl_operation *operation);
} sl_backend;

/* Left shift of a signed number, defined for negative ones too; range analysis excludes overflow. */
static inline int32_t sl_shl(int32_t x, uint8_t shift) { return (int32_t)((uint32_t)x << shift); }

static inline uint8_t *sl_place(const sl_memory *memory, uint16_t wire) {
    return memory->arena + memory->program->wires[wire].offset;
}

static inline sl_int32 *sl_currents(const sl_memory *memory) {
    return (sl_int32 *)(void *)(memory->arena + memory->program->scratch);
}

/* rows.c: one row of integers of 1, 2 or 4 bytes, as 32-bit numbers. */
void sl_row_load(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_store(uint8_t *target, const sl_int32 *row, uint8_t bytes, uint32_t count);
void sl_row_add(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_max(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count);
void sl_row_add_shifted(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count, uint8_t shift);

/* events.c */
void sl_events_clear(const sl_synapse *synapse, const sl_events *events);
uint16_t sl_events_scan(const sl_synapse *synapse, const sl_events *events, const uint8_t *source, uint8_t bytes,
                        uint32_t count, uint16_t offset); /* returns the offset behind the last row */

/* gather.c */
/* Adds the events' rows to sums; first: sums are 0. */
void sl_gather(const sl_synapse *synapse, const sl_events *events, const int8_t *rows, sl_int32 *sums, int first);

/* synapse.c: the currents of all positions, handed on one position at a time. */
void sl_synapse_execute(const sl_memory *memory, const sl_operation *operation);

/* neuron.c: one position. */
void sl_neuron_fire(const sl_neuron *neuron, const sl_int32 *currents, uint8_t *membranes, int8_t *letters);
void sl_neuron_execute(const sl_memory *memory, const sl_operation *operation);
void sl_readout_add(const sl_readout *readout, const sl_int32 *currents, uint8_t *state);

/* pool.c */
void sl_pool_execute(const sl_memory *memory, const sl_operation *operation);

/* run.c */
void sl_execute(const sl_memory *memory, const sl_operation *operation);
sl_status sl_run_with(const sl_backend *backend, const sl_program *program, void *state, void *arena,
                      void *extra, const int8_t *frame, uint32_t steps, sl_observer observer, void *context);

#ifdef __cplusplus
}
#endif

#endif
