// Runs inferences by one path of the engine and writes every letter and membrane; without a path: the names of those
// that the processor has.
//
// Read: requests of three uint32, which program, how many frames, and steps of each, then the frames. Written: for each
// step and each neuron or read-out, in the order of the operations, its letters (none of a read-out) and its membranes.
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <vector>

#include "host.hpp"

extern "C" const sl_program *const programs[];

namespace {

void observe(void *context, uint32_t, uint16_t operation, const void *wire, const void *state) {
    const sl_operation &op = static_cast<const sl_program *>(context)->operations[operation];
    const auto *membranes = static_cast<const uint8_t *>(state);
    if (op.neuron != nullptr) {
        const size_t count = size_t{op.neuron->channels} * op.neuron->positions;
        std::fwrite(wire, 1, count, stdout);
        std::fwrite(membranes + op.neuron->membrane, op.neuron->bytes, count, stdout);
    } else if (op.readout != nullptr) {
        std::fwrite(membranes + op.readout->membrane, 4, op.readout->channels, stdout);
    }
}

struct Request {
    uint32_t program, frames, steps;
};

bool answer(const Request &request, const char *path) {
    const sl_program &program = *programs[request.program];
    if (sl_validate(&program, nullptr) != SL_OK) return false;
    static std::map<uint32_t, std::unique_ptr<shiftlif::Plan>> plans;
    auto &plan = plans[request.program];
    if (plan == nullptr) plan = std::make_unique<shiftlif::Plan>(path, program);
    shiftlif::Memory memory = plan->memory();
    std::vector<uint32_t> state(program.state_size / 4 + 1), arena(program.arena_size / 4 + 1);
    const sl_wire &input = program.wires[program.input];
    std::vector<int8_t> frame(size_t{input.positions} * input.channels);
    if (sl_reset(&program, state.data(), program.state_size) != SL_OK) return false;
    for (uint32_t i = 0; i < request.frames; i++) {
        if (std::fread(frame.data(), 1, frame.size(), stdin) != frame.size()) return false;
        if (plan->run(program, state.data(), arena.data(), memory, frame.data(), request.steps, observe,
                      const_cast<sl_program *>(&program)) != SL_OK)
            return false;
    }
    return true;
}

}  // namespace

int main(int count, char **arguments) {
    if (count < 2) {
        for (const auto &name : shiftlif::paths()) std::puts(name.c_str());
        return 0;
    }
    try {
        for (Request request; std::fread(&request, sizeof request, 1, stdin) == 1;)
            if (!answer(request, arguments[1])) return 1;
    } catch (const std::exception &error) {
        std::fputs(error.what(), stderr);
        return 2;
    }
    return 0;
}
