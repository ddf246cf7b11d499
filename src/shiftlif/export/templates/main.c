/* Self-test of ${name}: exit code 0 when every letter and membrane is that of the reference interpreter. */
#include "${name}_model.h"

#include <stdio.h>

static ${name}_state state;
static ${name}_arena arena;

int main(void) {
    ${name}_difference first = {0u, 0u, 0u, 0u};
    const uint32_t good = ${name}_self_test(&state, &arena, &first);
    printf("${name} %.8s: %lu of %lu samples equal in every letter and membrane\n", ${NAME}_DIGEST, (unsigned long)good,
           (unsigned long)${name}_self_test_samples);
    if (good == ${name}_self_test_samples) {
        return 0;
    }
    if (${name}_validate() != SL_OK) {
        printf("the runtime refuses the program\n");
    } else {
        printf("first difference: sample %lu, step %lu, layer %s, %s\n", (unsigned long)first.sample,
               (unsigned long)first.step, ${name}_layer_names[first.layer], first.membranes != 0u ? "membranes" : "letters");
    }
    return 1;
}
