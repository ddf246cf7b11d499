/* ${name}${trained}: an integer program of spiking neurons, made by shiftlif ${version}. Not to be edited.
 *
 *     static ${name}_state state;   kept from step to step, one for each stream
 *     static ${name}_arena arena;   needed during a call only, may be shared
 *
 *     ${name}_reset(&state);
 *     ${name}_infer(&state, &arena, frames);   or ${name}_step, frame by frame
 *     puts(${name}_class_names[${name}_classify(&state)]);
 */
#ifndef ${NAME}_MODEL_H
#define ${NAME}_MODEL_H

#include "shiftlif.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ${NAME}_DIGEST "${digest}"
#define ${NAME}_CLASSES ${classes}u
#define ${NAME}_STEPS ${steps}u      /* of an inference */
#define ${NAME}_MAX_STEPS ${max_steps}u  /* between two resets: what the range proof covers */
#define ${NAME}_FRAME_SIZE ${frame_size}u  /* int8 ${frame_shape}, from ${low} to ${high} */
#define ${NAME}_FRAMES ${frames}u     /* of an inference: ${frames_text} */
#define ${NAME}_STATE_SIZE ${state_size}u  /* bytes */
#define ${NAME}_ARENA_SIZE ${arena_size}u  /* bytes */

typedef struct ${name}_state {
    uint32_t words[${NAME}_STATE_SIZE / 4u];
} ${name}_state;

typedef struct ${name}_arena {
    uint32_t words[${NAME}_ARENA_SIZE / 4u];
} ${name}_arena;

/* Where a self-test differed; layer is an index of ${name}_layer_names. */
typedef struct ${name}_difference {
    uint32_t sample, step;
    uint16_t layer;
    uint8_t membranes; /* 1: the membranes, 0: the letters */
} ${name}_difference;

extern const sl_program ${name}_program;
extern const char *const ${name}_class_names[${NAME}_CLASSES];
extern const char *const ${name}_layer_names[];

/* Whether this build of the runtime can run the program; once, before anything else. */
sl_status ${name}_validate(void);

/* Membranes to 0. */
sl_status ${name}_reset(${name}_state *state);

/* One step with the next frame, ${NAME}_FRAME_SIZE numbers. */
sl_status ${name}_step(${name}_state *state, ${name}_arena *arena, const int8_t *frame);

/* More steps with the frame of the last call for this state. The arena has to be that call's, untouched since; what
 * depends on the frame only is in it and is not computed again. An early decision: one step, then one more until sure. */
sl_status ${name}_continue(${name}_state *state, ${name}_arena *arena, uint32_t steps);
${events_model_h}
/* All steps of an inference, after a reset: ${NAME}_FRAMES frames of ${NAME}_FRAME_SIZE numbers. */
sl_status ${name}_infer(${name}_state *state, ${name}_arena *arena, const int8_t *frames);

/* The class with the largest sum so far, and the sums, int32 [${NAME}_CLASSES]. */
uint16_t ${name}_classify(const ${name}_state *state);
const int32_t *${name}_scores(const ${name}_state *state);

/* Runs the golden vectors of vectors.c: every letter and membrane, at every step, by checksum. Returns how many samples
 * were equal; all of them is ${name}_self_test_samples. difference: NULL, or receives the first one. */
extern const uint32_t ${name}_self_test_samples;
extern const int8_t *const ${name}_self_test_frames; /* [samples][${NAME}_FRAMES][${NAME}_FRAME_SIZE] */
uint32_t ${name}_self_test(${name}_state *state, ${name}_arena *arena, ${name}_difference *difference);

#ifdef __cplusplus
}
#endif

#endif
