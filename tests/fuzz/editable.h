/* A program that may be changed: its const structures copied; arrays are those of the base. Operation i points to table
 * i of each kind, or to none. */
#ifndef SHIFTLIF_EDITABLE_H
#define SHIFTLIF_EDITABLE_H

#include "shiftlif.h"

#include <stdlib.h>
#include <string.h>

#define MOST 24u /* wires, operations */

typedef struct editable {
    sl_program program;
    sl_wire wires[MOST];
    sl_operation operations[MOST];
    sl_synapse synapses[MOST];
    sl_neuron neurons[MOST];
    sl_readout readouts[MOST];
    sl_window windows[MOST];
} editable;

static void editable_copy(editable *m, const sl_program *base) {
    unsigned i;
    memset(m, 0, sizeof *m);
    if (base->wire_count > MOST || base->operation_count > MOST) {
        abort();
    }
    m->program = *base;
    m->program.wires = m->wires;
    m->program.operations = m->operations;
    memcpy(m->wires, base->wires, base->wire_count * sizeof *m->wires);
    memcpy(m->operations, base->operations, base->operation_count * sizeof *m->operations);
    for (i = 0; i < base->operation_count; i++) {
        sl_operation *op = &m->operations[i];
        if (op->synapse != NULL) {
            m->synapses[i] = *op->synapse;
            op->synapse = &m->synapses[i];
        }
        if (op->neuron != NULL) {
            m->neurons[i] = *op->neuron;
            op->neuron = &m->neurons[i];
        }
        if (op->readout != NULL) {
            m->readouts[i] = *op->readout;
            op->readout = &m->readouts[i];
        }
        if (op->window != NULL) {
            m->windows[i] = *op->window;
            op->window = &m->windows[i];
        }
    }
}

#endif
