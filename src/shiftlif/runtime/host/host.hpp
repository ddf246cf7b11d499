// The fast paths of computers: same integers, with wide registers and, where a processor has them, multiply-accumulate
// instructions. Weights and tables are rearranged once; everything that has no fast path falls back to the portable C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../c/internal.h"

namespace shiftlif {

struct Free {
    void operator()(void *p) const { std::free(p); }
};
template <class T> using Aligned = std::unique_ptr<T[], Free>;

template <class T> Aligned<T> aligned(size_t count) {
    const size_t bytes = (count * sizeof(T) + 64 + 63) / 64 * 64;  // room to read one register beyond the end
    auto *p = static_cast<T *>(std::aligned_alloc(64, bytes));
    if (p == nullptr) throw std::bad_alloc();
    for (size_t i = 0; i < bytes; i++) reinterpret_cast<unsigned char *>(p)[i] = 0;
    return Aligned<T>(p);
}

// A synapse as matrix product over windows of a padded copy of its source. A copy holds 16-bit numbers, or 8-bit ones
// plus what the instruction wants (128 where one factor is unsigned; `start` takes the surplus off).
struct Dense {
    uint32_t element;              // bytes of a copied number: 1 or 2
    uint32_t rows, row, copy;      // padded extents, bytes of one padded row, bytes of the copy
    uint32_t runs, quads;          // stretches of the copy that one window reads, 4-byte groups of each; the last group
                                   // may reach beyond the stretch, where its weights are 0
    std::vector<uint32_t> run_at;  // bytes from a window's corner to each stretch
    std::vector<uint32_t> windows; // bytes to each output position's corner
    uint32_t lanes, vectors, block; // numbers of a register, registers of an output row, of these summed at once
    Aligned<int8_t> weights;       // [vectors / block][runs][quads][block * lanes][4 bytes]
    Aligned<int32_t> start;        // [vectors * lanes]
};

// A neuron's tables level by level: what each passed threshold adds to letter and reset.
struct Fire {
    uint32_t padded;                // channels, rounded up to 32
    bool hard;
    Aligned<int32_t> bias;          // [padded]
    Aligned<int32_t> thresholds;    // [levels][padded]; beyond the channels: never passed
    Aligned<int32_t> resets;        // [levels + 1][padded]: of the lowest letter, then differences
    Aligned<int16_t> bias16, below16, resets16;  // where membranes have 16 bits; a threshold is passed above `below16`
    std::vector<int32_t> letters;   // the same
};

struct Memory {
    Aligned<uint8_t> copy;     // of the largest padded source
    Aligned<int32_t> currents; // of one block of positions
};

constexpr uint32_t BLOCK = 8;  // positions, or steps and inferences, whose currents are computed before they are fired

// One instruction set. `dense` gives the currents [count][vectors * lanes] of windows, whose corners are so many bytes
// into the copy.
struct Kernels {
    const char *name;
    uint32_t lanes;
    uint32_t element;  // bytes of a copied number whose source has 1
    int32_t surplus;   // that such a number is copied with
    uint32_t block;    // registers summed at once
    void (*transpose)(uint8_t *target, const uint8_t *source, uint32_t rows, uint32_t columns);  // of bytes
    void (*pack)(const Dense &, const sl_synapse &, const sl_wire &, const uint8_t *source, uint8_t *copy);
    void (*dense)(const Dense &, const uint8_t *copy, const uint32_t *windows, uint32_t count, int32_t *currents);
    void (*fire)(const Fire &, const sl_neuron &, const int32_t *currents, uint32_t pitch, uint32_t count,
                 uint8_t *membranes, int8_t *letters);
    void (*pool)(const sl_operation &, const sl_window &, const sl_wire &from, const sl_wire &to, const uint8_t *source,
                 uint8_t *target);
};

extern const Kernels avx2_kernels, avx512_kernels, avx512vnni_kernels, neon_kernels, neondotprod_kernels;

// What this processor can run, the fastest first; "portable" is the last and always there.
std::vector<std::string> paths();

// One of several inferences that are computed together.
struct Inference {
    uint8_t *state;
    const int8_t *frames;
    void *context;  // of the observer
};

class Plan {
  public:
    Plan(const std::string &path, const sl_program &program);
    sl_status run(const sl_program &program, void *state, void *arena, Memory &memory, const int8_t *frame, uint32_t steps,
                  sl_observer observer, void *context) const;
    // More steps with the frame that the last call left in the arena.
    sl_status go_on(const sl_program &program, void *state, void *arena, Memory &memory, uint32_t steps) const;
    // One step with the events of its frame.
    sl_status step_events(const sl_program &program, void *state, void *arena, Memory &memory, const sl_event *events,
                          size_t count) const;
    // All steps of up to BLOCK inferences, layer by layer: the weights of a layer with one position are read once for
    // BLOCK of them. Of each inference, `apart` bytes lie between the frames of two steps; 0: one frame for all steps.
    // `arenas` are BLOCK. The observer sees every step of an operation before the next operation.
    sl_status run_by_layer(const sl_program &program, const Inference *inferences, uint32_t count, uint8_t *arenas,
                           Memory &memory, uint32_t steps, size_t apart, sl_observer observer) const;
    Memory memory() const;
    const Kernels *kernels() const { return kernels_; }

  private:
    struct Entry {
        std::unique_ptr<Dense> dense;
        std::unique_ptr<Fire> fire;
    };
    template <class After> void execute_rows(const sl_operation &, const sl_memory *const *rows, uint32_t count, After) const;

    const sl_backend &backend() const;

    const Kernels *kernels_ = nullptr;
    std::vector<Entry> entries_;  // per operation
    size_t copy_ = 0, currents_ = 0;
    bool frame_stays_ = false;  // what is computed at every step may read the frame
    friend void enter(const sl_memory *, const void *);
    friend void execute(const sl_memory *, const sl_operation *);
    friend void follow(const sl_memory *, const sl_operation *, const int32_t *, uint32_t, uint32_t, uint32_t);
};

// What the portable executor hands back to us as memory->extra.
struct Extra {
    const Plan *plan;
    Memory *memory;
};

// The frame [channels][positions] onto its wire [positions][channels].
void enter(const sl_memory *memory, const void *frame);
// One operation: what `sl_execute` does, faster.
void execute(const sl_memory *memory, const sl_operation *op);
// What is behind a synapse, for the currents of positions from..from + count: the neuron, the read-out, or the wire.
void follow(const sl_memory *memory, const sl_operation *op, const int32_t *currents, uint32_t pitch, uint32_t from,
            uint32_t count);

}  // namespace shiftlif
