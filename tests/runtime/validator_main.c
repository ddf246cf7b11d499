/* One edit of a program after the other; prints what the validator says of each: status, place, operations. */
#include "editable.h"

#include <stdio.h>

extern const sl_program all_program, direct_program;

static editable m;
#define p m.program
#define w m.wires
#define op m.operations
#define synapse(i) m.synapses[i]
#define neuron(i) m.neurons[i]
#define readout(i) m.readouts[i]
#define window(i) m.windows[i]

/* More room than there is, for edits that only room would forbid; nothing is run. */
static void widen(void) {
    p.scratch = 0x10000000u;
    p.arena_size = p.state_size = 0x40000000u;
}

static void say(void) {
    uint16_t where = 9999;
    const int status = (int)sl_validate(&p, &where);
    printf("%d %u %u\n", status, (unsigned)where, (unsigned)p.operation_count);
}

int main(void) {
    (void)widen; /* no case may need it */
#include "cases.h"
    return sl_validate(NULL, NULL) == SL_E_NULL ? 0 : 1;
}
