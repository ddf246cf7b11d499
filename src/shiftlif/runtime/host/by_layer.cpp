// Inferences layer by layer: every step of a layer before the next layer. Feed-forward layers read no later step, so the
// integers are those of the usual order, and a dense layer's weights are read once for several steps and inferences.
#include "host.hpp"

#include <algorithm>
#include <cstring>

namespace shiftlif {

// An operation for several rows, each a step of an inference in an arena of its own; those of one inference share its
// state and come in the order of time. `after` is called with each row when its state is that of its step.
template <class After>
void Plan::execute_rows(const sl_operation &op, const sl_memory *const *rows, uint32_t count, After after) const {
    const sl_program &program = *rows[0]->program;
    const Dense *d = entries_[static_cast<size_t>(&op - program.operations)].dense.get();
    if (d == nullptr || d->windows.size() != 1) {
        for (uint32_t i = 0; i < count; i++) {
            execute(rows[i], &op);
            after(i);
        }
        return;
    }
    Memory &memory = *static_cast<Extra *>(rows[0]->extra)->memory;
    const uint32_t pitch = d->vectors * d->lanes;
    uint32_t windows[BLOCK];
    for (uint32_t i = 0; i < count; i++) {
        windows[i] = i * d->copy + d->windows[0];
        kernels_->pack(*d, *op.synapse, program.wires[op.source], sl_place(rows[i], op.source), memory.copy.get() + windows[i]);
    }
    kernels_->dense(*d, memory.copy.get(), windows, count, memory.currents.get());
    for (uint32_t i = 0; i < count; i++) {
        follow(rows[i], &op, memory.currents.get() + size_t{i} * pitch, pitch, 0, 1);
        after(i);
    }
}

sl_status Plan::run_by_layer(const sl_program &program, const Inference *inferences, uint32_t count, uint8_t *arenas,
                             Memory &memory, uint32_t steps, size_t apart, sl_observer observer) const {
    for (uint32_t i = 0; i < count; i++) {
        const sl_status status = sl_check(&program, inferences[i].state, arenas, steps);
        if (status != SL_OK) return status;
    }
    Extra extra{this, &memory};
    const uint32_t most = std::min(BLOCK / count, steps);  // steps at once
    const uint16_t operations = program.operation_count;
    sl_memory rows[BLOCK];  // [inference][step]
    for (uint32_t i = 0; i < count * most; i++)
        rows[i] = {&program, inferences[i / most].state, arenas + size_t{i} * program.arena_size, &extra};
    // Where one frame is shown, what depends on it only is computed once, at the first step, and then there for all.
    for (uint32_t first = 0; first < steps; first += most) {
        const uint32_t wide = std::min(most, steps - first);
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t t = 0; t < wide; t++)
                if (apart != 0 || (first == 0 && (t == 0 || frame_stays_)))
                    enter(&rows[i * most + t], inferences[i].frames + (first + t) * apart);
        for (uint16_t o = 0; o < operations; o++) {
            const sl_operation &op = program.operations[o];
            const bool once = op.is_static != 0 && apart == 0;
            if (once && first != 0) continue;
            const sl_memory *active[BLOCK];
            const uint32_t each = once ? 1 : wide, active_count = count * each;
            for (uint32_t i = 0; i < active_count; i++) active[i] = &rows[i / each * most + i % each];
            execute_rows(op, active, active_count, [&](uint32_t i) {
                if (observer == nullptr) return;
                const uint32_t step = sl_steps_made(active[i]->state) + first + i % each;
                observer(inferences[i / each].context, step, o,
                         op.target == SL_NONE ? nullptr : sl_place(active[i], op.target), active[i]->state);
            });
            if (!once) continue;
            const sl_wire &to = program.wires[op.target];
            for (uint32_t i = 0; i < count; i++)
                for (uint32_t t = 1; t < wide; t++)
                    std::memcpy(sl_place(&rows[i * most + t], op.target), sl_place(&rows[i * most], op.target),
                                size_t{to.positions} * to.channels * to.bytes);
        }
    }
    for (uint32_t i = 0; i < count; i++) reinterpret_cast<sl_state_header *>(inferences[i].state)->steps += steps;
    return SL_OK;
}

}  // namespace shiftlif
