/* shiftlif: runs an integer program of spiking neurons with adds, shifts and compares (C99).
 *
 * No allocation, no globals, no floating point, no recursion. A program is const data; the caller owns the state (the
 * membranes, kept from step to step) and the arena (wires and scratch, needed during a call only). Several instances of
 * one program are several states; two calls at a time need two arenas.
 *
 * Wires hold [positions][channels] integers, channels fastest; the frame that enters is [channels][positions] int8.
 */
#ifndef SHIFTLIF_H
#define SHIFTLIF_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SL_ABI 3u       /* of the structures below; sl_validate refuses others */
#define SL_LANES 4u     /* rows of weights are padded to a multiple of it */
#define SL_MAX_ROWS 256u /* added up at once: 256 * 127 fits 16 bits, so the sum of a digit plane cannot overflow */
#define SL_NO_LEAK 255u
#define SL_NONE 0xFFFFu

typedef enum sl_status {
    SL_OK = 0,
    SL_E_NULL,    /* a pointer is NULL */
    SL_E_ABI,     /* made for another version of this header */
    SL_E_PROGRAM, /* the program contradicts itself; sl_validate says where */
    SL_E_BUFFER,  /* state or arena is too small or not aligned to 4 bytes */
    SL_E_STATE,   /* the state was not reset for this program; of sl_continue, or made no step since */
    SL_E_STEPS,   /* more steps than the range proof covers, or none */
    SL_E_EVENT    /* an event outside the frame or with a count beyond the limit, or a program that reads no counts */
} sl_status;

typedef enum sl_kind {
    SL_SYNAPSE = 0, /* integers to currents; with a neuron or a read-out behind it, position by position */
    SL_NEURON,      /* currents to letters */
    SL_READOUT,     /* currents to sums over time */
    SL_SUM_POOL,
    SL_MAX_POOL,
    SL_ADD,     /* (a << shift) + (b << other_shift) */
    SL_RESHAPE, /* [positions][channels] to [channels * positions], in the order of the frame */
    SL_KINDS
} sl_kind;

/* A wire's place in the arena. */
typedef struct sl_wire {
    uint32_t offset; /* bytes, a multiple of 4 */
    uint32_t positions;
    uint32_t channels;
    uint8_t bytes; /* of one integer: 1, 2 or 4, signed */
    uint8_t limit; /* of the frame's wire, where it holds counts of events: the largest, at most 127; else 0 */
} sl_wire;

/* Convolution over two axes; a shorter one has extents of 1; a dense layer has extents of 1 throughout.
 * x[o] = sum over taps and inputs of weight[tap][in][o] * n[in], the product as shifts and adds of n's signed digits. */
typedef struct sl_synapse {
    /* [groups][taps][in][padded_out], taps in C order; aligned to 4. Packed: four weights a, b, c, d of -8 to 7 lie in the
     * bytes 16 c + a + 8 and 16 d + b + 8. */
    const int8_t *rows;
    uint32_t in;          /* channels of one group */
    uint32_t out;         /* channels of one group */
    uint32_t padded_out;  /* out, rounded up to SL_LANES */
    uint32_t groups;
    uint32_t extent[2];
    uint32_t outputs[2];
    uint32_t kernel[2];
    uint32_t stride[2];
    uint32_t padding[2];
    uint32_t dilation[2];
    /* Distances, so that nothing has to be multiplied on the way: in elements of the source, and of rows. */
    uint32_t move[2];      /* source, from one output to the next: stride * elements of an axis step */
    uint32_t back[2];      /* source, from the first window back to the padding: padding * axis step */
    uint32_t tap_move[2];  /* source, from tap to tap: dilation * axis step */
    uint32_t group_rows;   /* rows, from group to group */
    uint16_t tap_step;     /* rows, from tap to tap, in units of SL_LANES; 0 where a tap is larger than a chunk */
    uint16_t line_step;    /* the same from kernel row to kernel row, where windows share columns; else 0 */
    uint16_t places;       /* of the lists of events: room * planes * (1 + negative) */
    uint16_t room;         /* places of one list */
    uint16_t chunk;        /* rows that are added up at most before a flush, at most SL_MAX_ROWS */
    uint16_t slides;       /* windows of a run at most, which share the events of their columns; 1: each is decoded alone */
    uint16_t fresh;        /* rows of the columns that the next window of a run adds; 0 where slides is 1 */
    uint8_t planes;        /* signed digits of the largest input, 1 to 31 */
    uint8_t segment;       /* digits that can be summed up in 16 bits within a chunk, proven; at least 1 */
    uint8_t negative;      /* 1: digits may be negative */
    uint8_t packed;        /* 1: two weights in a byte */
} sl_synapse;

/* Tables per channel. h = leak(v) + (x << shift) + bias[c]; k = number of thresholds <= h; emit letters[k]. */
typedef struct sl_neuron {
    const int32_t *bias;       /* [channels] */
    const int32_t *thresholds; /* [channels][levels], ascending */
    const int32_t *resets;     /* [channels][levels + 1]; NULL: hard reset, 0 where a letter other than 0 is sent */
    const int8_t *letters;     /* [levels + 1] */
    uint32_t channels;
    uint32_t positions;
    uint32_t membrane;  /* offset in the state, bytes */
    uint8_t levels;     /* thresholds, 1 to 254 */
    uint8_t leak_shift; /* 0 to 24, or SL_NO_LEAK */
    uint8_t shift;      /* of the current, 0 to 30 */
    uint8_t bytes;      /* of a membrane: 2 or 4 */
} sl_neuron;

/* The sums of the read-out: v += (x << shift) + bias[c]. */
typedef struct sl_readout {
    const int32_t *bias;
    uint32_t channels;
    uint32_t membrane;
    uint8_t shift;
} sl_readout;

typedef struct sl_window {
    uint32_t extent[2];
    uint32_t outputs[2];
    uint32_t kernel[2];
    uint32_t stride[2];
    uint32_t move[2];     /* elements of the source, from one output to the next */
    uint32_t tap_move[2]; /* elements of the source, from tap to tap */
} sl_window;

typedef struct sl_operation {
    uint8_t kind;    /* sl_kind */
    uint8_t is_static; /* 1: depends on the frame only */
    uint8_t shift, other_shift;
    uint16_t source, other, target; /* wires; SL_NONE where there is none */
    const sl_synapse *synapse;
    const sl_neuron *neuron;   /* of SL_NEURON, or of the neuron fused behind a synapse */
    const sl_readout *readout; /* of SL_READOUT, or of the read-out fused behind a synapse */
    const sl_window *window;
} sl_operation;

typedef struct sl_program {
    uint32_t abi;
    uint32_t identity; /* of the model: the first 4 bytes of its digest */
    const sl_wire *wires;
    const sl_operation *operations;
    uint16_t wire_count, operation_count;
    uint16_t input;      /* wire the frame is written to */
    uint16_t classes;
    uint32_t state_size; /* bytes */
    uint32_t arena_size; /* bytes */
    uint32_t scratch;    /* offset in the arena of the currents of one position and the events of one chunk */
    uint32_t scores;     /* offset in the state of the read-out's sums, int32 [classes] */
    uint32_t steps;      /* of an inference */
    uint32_t max_steps;  /* that the range proof covers */
} sl_program;

/* Events at one place of a frame: how many. */
typedef struct sl_event {
    uint32_t index; /* in the frame [channels][positions] */
    uint32_t count; /* 0 to the limit of the frame's wire */
} sl_event;

/* Called after every operation, so that tests see every letter: with the step and the operation's index. */
typedef void (*sl_observer)(void *context, uint32_t step, uint16_t operation, const void *wire, const void *state);

/* Whether the program is one: every index, offset, extent and table within bounds. Run it once; the others trust it.
 * where: NULL, or receives the index of the operation at fault (operation_count: the program's own fields). */
sl_status sl_validate(const sl_program *program, uint16_t *where);

/* Membranes to 0, no step made. state: state_size bytes, aligned to 4. */
sl_status sl_reset(const sl_program *program, void *state, size_t state_size);

/* One step with the next frame int8 [channels][positions]. */
sl_status sl_step(const sl_program *program, void *state, void *arena, const int8_t *frame);

/* `steps` steps that all see one frame: what depends on the frame only is computed once. */
sl_status sl_run(const sl_program *program, void *state, void *arena, const int8_t *frame, uint32_t steps,
                 sl_observer observer, void *context);

/* `steps` more steps with the frame of the last call for this state, of whatever kind: what depends on the frame only is
 * in the arena and is not computed again. The arena has to be that call's, untouched since, which nobody can check:
 * another call with it, for another state too, leaves another frame there. SL_E_STATE where no step was made. */
sl_status sl_continue(const sl_program *program, void *state, void *arena, uint32_t steps, sl_observer observer,
                      void *context);

/* sl_step with the events of the step in place of the frame that counts them, for a program that reads counts: those of
 * one place are added up, in any order, and what is beyond the limit counts as the limit. An empty list, which may be
 * NULL, is a silent frame. SL_E_EVENT: nothing was executed, and state and arena are as they were. */
sl_status sl_step_events(const sl_program *program, void *state, void *arena, const sl_event *events, size_t count);

/* The read-out's sums so far, int32 [classes]; NULL for a NULL argument. */
const int32_t *sl_scores(const sl_program *program, const void *state);

/* The class with the largest sum, the lowest index on ties. */
uint16_t sl_classify(const sl_program *program, const void *state);

/* How many steps were made since the reset. */
uint32_t sl_steps_made(const void *state);

#ifdef __cplusplus
}
#endif

#endif
