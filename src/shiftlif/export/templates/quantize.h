/* Raw numbers to the frames of ${name}. For cores that have floating point, or for the computer beside them; the
 * program itself needs none. */
#ifndef ${NAME}_QUANTIZE_H
#define ${NAME}_QUANTIZE_H

#include "${name}_model.h"

#include <math.h>

/* raw: [channels][positions], in the unit of the training data. */
static inline void ${name}_quantize(int8_t *frame, const double *raw) {
    static const double offset[${channels}] = {${offsets}};
    static const double scale[${channels}] = {${scales}};
    unsigned c, p;
    for (c = 0; c < ${channels}u; c++) {
        for (p = 0; p < ${positions}u; p++) {
            const double n = (*raw++ - offset[c]) / scale[c] * ${factor}.0;
            ${rounding}
        }
    }
}

#endif
