// The program called from C++: the same kernels as the Python module's, and a clock around nothing but its calls.
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include "host.hpp"

extern "C" {
extern const sl_program model_program;  // of the exported folder
}

namespace {

std::unique_ptr<shiftlif::Plan> plan;
shiftlif::Memory memory;
std::vector<uint32_t> state, arena;

}  // namespace

// 0 where the path exists and the runtime takes the program.
extern "C" int loop_open(const char *path) {
    uint16_t where;
    if (sl_validate(&model_program, &where) != SL_OK) return 1;
    try {
        plan = std::make_unique<shiftlif::Plan>(path, model_program);
        memory = plan->memory();
    } catch (const std::exception &) {
        return 2;
    }
    state.resize(model_program.state_size / 4 + 1);
    arena.resize(model_program.arena_size / 4 + 1);
    return 0;
}

// Seconds for `calls` inferences of a batch [batch][frame], from fresh states; the sums of the last one. Negative: failed.
extern "C" double loop_run(const int8_t *frames, size_t batch, size_t frame, size_t calls, int32_t *sums) {
    const size_t classes = model_program.classes;
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < calls; i++)
        for (size_t b = 0; b < batch; b++) {
            if (sl_reset(&model_program, state.data(), model_program.state_size) != SL_OK) return -1;
            if (plan->run(model_program, state.data(), arena.data(), memory, frames + b * frame, model_program.steps, nullptr,
                          nullptr) != SL_OK)
                return -1;
            std::memcpy(sums + b * classes, sl_scores(&model_program, state.data()), classes * 4);
        }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
