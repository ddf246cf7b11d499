/* Rows of wires: integers of 1, 2 or 4 bytes, computed with as 32-bit numbers. */
#include "internal.h"

/* One loop for each width, so that the width is decided once and not per number. */
#define SL_FOR_EACH(bytes, source, count, statement)            \
    do {                                                        \
        uint32_t i;                                             \
        if ((bytes) == 1u) {                                    \
            const int8_t *from = (const int8_t *)(source);      \
            for (i = 0; i < (count); i++) {                     \
                const int32_t n = from[i];                      \
                statement;                                      \
            }                                                   \
        } else if ((bytes) == 2u) {                             \
            const sl_int16 *from = (const sl_int16 *)(const void *)(source); \
            for (i = 0; i < (count); i++) {                     \
                const int32_t n = from[i];                      \
                statement;                                      \
            }                                                   \
        } else {                                                \
            const sl_int32 *from = (const sl_int32 *)(const void *)(source); \
            for (i = 0; i < (count); i++) {                     \
                const int32_t n = from[i];                      \
                statement;                                      \
            }                                                   \
        }                                                       \
    } while (0)

void sl_row_load(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count) {
    SL_FOR_EACH(bytes, source, count, row[i] = n);
}

void sl_row_add(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count) {
    SL_FOR_EACH(bytes, source, count, row[i] = sl_sum(row[i], n));
}

void sl_row_max(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count) {
    SL_FOR_EACH(bytes, source, count, row[i] = n > row[i] ? n : row[i]);
}

void sl_row_add_shifted(sl_int32 *row, const uint8_t *source, uint8_t bytes, uint32_t count, uint8_t shift) {
    SL_FOR_EACH(bytes, source, count, row[i] = sl_sum(row[i], sl_shl(n, shift)));
}

void sl_row_store(uint8_t *target, const sl_int32 *row, uint8_t bytes, uint32_t count) {
    uint32_t i;
    if (bytes == 1u) {
        for (i = 0; i < count; i++) {
            ((int8_t *)target)[i] = (int8_t)row[i];
        }
    } else if (bytes == 2u) {
        for (i = 0; i < count; i++) {
            ((sl_int16 *)(void *)target)[i] = (int16_t)row[i];
        }
    } else {
        for (i = 0; i < count; i++) {
            ((sl_int32 *)(void *)target)[i] = row[i];
        }
    }
}
