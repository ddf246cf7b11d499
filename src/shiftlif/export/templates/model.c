/* ${name}: made by shiftlif ${version} of the program ${short_digest}. Not to be edited. */
#include "${name}_model.h"

#if defined(__GNUC__)
#define SL_ALIGNED __attribute__((aligned(4)))
#else
#define SL_ALIGNED
#endif

${tables}
const sl_program ${name}_program = {
    .abi = SL_ABI,
    .identity = ${identity}u,
    .wires = wires,
    .operations = operations,
    .wire_count = ${wire_count}u,
    .operation_count = ${operation_count}u,
    .input = 0u,
    .classes = ${NAME}_CLASSES,
    .state_size = ${NAME}_STATE_SIZE,
    .arena_size = ${NAME}_ARENA_SIZE,
    .scratch = ${scratch}u,
    .scores = ${scores}u,
    .steps = ${NAME}_STEPS,
    .max_steps = ${NAME}_MAX_STEPS
};

const char *const ${name}_class_names[${NAME}_CLASSES] = {
${class_names}
};

const char *const ${name}_layer_names[] = {
${layer_names}
};

sl_status ${name}_validate(void) { return sl_validate(&${name}_program, NULL); }

sl_status ${name}_reset(${name}_state *state) { return sl_reset(&${name}_program, state, sizeof *state); }

sl_status ${name}_step(${name}_state *state, ${name}_arena *arena, const int8_t *frame) {
    return sl_step(&${name}_program, state, arena, frame);
}

sl_status ${name}_continue(${name}_state *state, ${name}_arena *arena, uint32_t steps) {
    return sl_continue(&${name}_program, state, arena, steps, NULL, NULL);
}
${events_model_c}
sl_status ${name}_infer(${name}_state *state, ${name}_arena *arena, const int8_t *frames) {
    sl_status status = SL_OK;
    uint32_t i;
    for (i = 0; i < ${NAME}_FRAMES && status == SL_OK; i++) {
        status = sl_run(&${name}_program, state, arena, frames, ${NAME}_STEPS / ${NAME}_FRAMES, NULL, NULL);
        frames += ${NAME}_FRAME_SIZE;
    }
    return status;
}

uint16_t ${name}_classify(const ${name}_state *state) { return sl_classify(&${name}_program, state); }

const int32_t *${name}_scores(const ${name}_state *state) { return sl_scores(&${name}_program, state); }
