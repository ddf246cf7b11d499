/* Golden vectors of ${name}: frames, and CRC-32 sums of the letters and membranes that the reference interpreter
 * computed from them at every step and layer. */
#include "${name}_model.h"

#include <string.h>

#define SAMPLES ${samples}u
#define LAYERS ${layers}u
#define SL_ALIGNED

${tables}
const uint32_t ${name}_self_test_samples = SAMPLES;
const int8_t *const ${name}_self_test_frames = frames;

typedef struct check {
    const uint32_t *expected; /* of the next step */
    uint32_t at;              /* layer of this step */
    uint32_t step;
    int equal;
    ${name}_difference first;
} check;

/* CRC-32 as of zlib, four bits at a time. */
static uint32_t update(uint32_t crc, uint8_t byte) {
    static const uint32_t table[16] = {0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u,
                                       0x4DB26158u, 0x5005713Cu, 0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
                                       0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    crc ^= byte;
    crc = (crc >> 4) ^ table[crc & 15u];
    return (crc >> 4) ^ table[crc & 15u];
}

static uint32_t letters_sum(const uint8_t *letters, uint32_t count) {
    uint32_t crc = 0xFFFFFFFFu;
    while (count-- != 0u) {
        crc = update(crc, *letters++);
    }
    return ~crc;
}

/* Of 16-bit membranes as if they had 32 bits, least significant byte first on every machine. */
static uint32_t membranes_sum(const uint8_t *membranes, uint8_t bytes, uint32_t count) {
    uint32_t crc = 0xFFFFFFFFu;
    for (; count != 0u; count--) {
        uint32_t number;
        if (bytes == 2u) {
            int16_t narrow;
            memcpy(&narrow, membranes, 2);
            number = (uint32_t)(int32_t)narrow;
        } else {
            memcpy(&number, membranes, 4);
        }
        crc = update(crc, (uint8_t)(number & 255u));
        crc = update(crc, (uint8_t)((number >> 8) & 255u));
        crc = update(crc, (uint8_t)((number >> 16) & 255u));
        crc = update(crc, (uint8_t)(number >> 24));
        membranes += bytes;
    }
    return ~crc;
}

static void compare(check *c, uint16_t operation, uint8_t membranes, uint32_t sum) {
    const uint32_t expected = c->expected[2u * c->at + membranes];
    if (sum != expected && c->equal) {
        c->equal = 0;
        c->first.step = c->step;
        c->first.layer = operation;
        c->first.membranes = membranes;
    }
}

static void observe(void *context, uint32_t step, uint16_t index, const void *wire, const void *state) {
    check *c = (check *)context;
    const sl_operation *operation = &${name}_program.operations[index];
    const uint8_t *bytes = (const uint8_t *)state;
    c->step = step;
    if (operation->neuron != NULL) {
        const sl_neuron *n = operation->neuron;
        const uint32_t count = n->channels * n->positions;
        compare(c, index, 0, letters_sum((const uint8_t *)wire, count));
        compare(c, index, 1, membranes_sum(bytes + n->membrane, n->bytes, count));
        c->at++;
    } else if (operation->readout != NULL) {
        compare(c, index, 1, membranes_sum(bytes + operation->readout->membrane, 4, operation->readout->channels));
        c->at++;
    }
    if (c->at == LAYERS) {
        c->at = 0;
        c->expected += 2u * LAYERS;
    }
}

uint32_t ${name}_self_test(${name}_state *state, ${name}_arena *arena, ${name}_difference *difference) {
    uint32_t sample, good = 0;
    int reported = 0;
    if (${name}_validate() != SL_OK) {
        return 0;
    }
    for (sample = 0; sample < SAMPLES; sample++) {
        const int8_t *frame = frames + (size_t)sample * ${NAME}_FRAMES * ${NAME}_FRAME_SIZE;
        sl_status status = ${name}_reset(state);
        uint32_t i;
        check c;
        memset(&c, 0, sizeof c);
        c.expected = checksums + (size_t)sample * ${NAME}_STEPS * LAYERS * 2u;
        c.equal = 1;
        c.first.sample = sample;
        for (i = 0; i < ${NAME}_FRAMES && status == SL_OK; i++) {
            status = sl_run(&${name}_program, state, arena, frame, ${NAME}_STEPS / ${NAME}_FRAMES, observe, &c);
            frame += ${NAME}_FRAME_SIZE;
        }
        if (status == SL_OK && c.equal != 0 &&
            memcmp(${name}_scores(state), scores + (size_t)sample * ${NAME}_CLASSES, 4u * ${NAME}_CLASSES) == 0) {
            good++;
        } else if (difference != NULL && reported == 0) {
            *difference = c.first;
            reported = 1;
        }
    }
    return good;
}
