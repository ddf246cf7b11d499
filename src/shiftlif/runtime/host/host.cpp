#include "host.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <stdexcept>

#if defined(SHIFTLIF_AARCH64) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace shiftlif {

namespace {

const Kernels *const all[] = {
#ifdef SHIFTLIF_X86
    &avx512vnni_kernels, &avx512_kernels, &avx2_kernels,
#elif defined(SHIFTLIF_AARCH64)
    &neondotprod_kernels, &neon_kernels,
#endif
    nullptr,
};

bool has(const std::string &name) {
#ifdef SHIFTLIF_X86
    __builtin_cpu_init();
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (name == "avx512vnni") return wide && __builtin_cpu_supports("avx512vnni");
    if (name == "avx512") return wide;
    if (name == "avx2") return __builtin_cpu_supports("avx2");
#elif defined(SHIFTLIF_AARCH64)
    if (name == "neon") return true;  // part of the architecture
#ifdef __linux__
    if (name == "neondotprod") return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#endif
#endif
    return name == "portable";
}

uint32_t up(uint32_t n, uint32_t to) { return (n + to - 1) / to * to; }

// No fast path for groups and for numbers of 32 bits, which are rare and small, and for padding far beyond the source.
bool fits(const sl_synapse &s, const sl_wire &from) {
    const uint64_t rows = s.extent[0] + 2ull * s.padding[0], row = (s.extent[1] + 2ull * s.padding[1]) * s.in * 2;
    return s.groups == 1 && from.bytes <= 2 && row < (1u << 28) && rows * row < (1u << 28);
}

std::unique_ptr<Dense> dense_of(const Kernels &k, const sl_synapse &s, const sl_wire &from) {
    auto d = std::make_unique<Dense>();
    d->element = from.bytes == 2 ? 2 : k.element;
    const uint32_t per_quad = 4 / d->element;
    const uint32_t position = s.in * d->element;
    d->rows = s.extent[0] + 2 * s.padding[0];
    d->row = (s.extent[1] + 2 * s.padding[1]) * position;
    d->copy = d->rows * d->row;
    // Taps that lie side by side are one stretch.
    const bool joined = s.dilation[1] == 1;
    const uint32_t taps = joined ? 1 : s.kernel[1], reach = joined ? s.kernel[1] : 1;
    d->runs = s.kernel[0] * taps;
    d->quads = up(reach * s.in, per_quad) / per_quad;
    for (uint32_t i = 0; i < s.kernel[0]; i++)
        for (uint32_t j = 0; j < taps; j++)
            d->run_at.push_back(i * s.dilation[0] * d->row + j * s.dilation[1] * position);
    for (uint32_t i = 0; i < s.outputs[0]; i++)
        for (uint32_t j = 0; j < s.outputs[1]; j++)
            d->windows.push_back(i * s.stride[0] * d->row + j * s.stride[1] * position);
    d->lanes = k.lanes;
    d->vectors = up(s.out, k.lanes) / k.lanes;
    // As many registers at once as there are, or the largest number below that leaves no rest.
    d->block = std::min(d->vectors, k.block);
    while (d->vectors % d->block != 0) d->block--;
    if (d->block == 1 && d->windows.size() == 1) {  // one sum alone waits for itself: rather columns that nobody reads
        const uint32_t strips = up(d->vectors, k.block) / k.block;
        d->block = up(d->vectors, strips) / strips;
        d->vectors = strips * d->block;
    }
    const size_t columns = static_cast<size_t>(d->block) * d->lanes;
    d->weights = aligned<int8_t>(static_cast<size_t>(d->vectors) * d->lanes * d->runs * d->quads * 4);
    d->start = aligned<int32_t>(static_cast<size_t>(d->vectors) * d->lanes);
    const uint32_t all_taps = s.kernel[0] * s.kernel[1];
    for (uint32_t tap = 0; tap < all_taps; tap++) {
        const uint32_t run = joined ? tap / s.kernel[1] : tap, inside = joined ? tap % s.kernel[1] : 0;
        for (uint32_t c = 0; c < s.in; c++) {
            const uint32_t number = inside * s.in + c, quad = number / per_quad, part = number % per_quad;
            for (uint32_t o = 0; o < s.out; o++) {
                const int8_t w = s.rows[(static_cast<size_t>(tap) * s.in + c) * s.padded_out + o];
                const size_t strip = o / columns, column = o % columns;
                const size_t at = (((strip * d->runs + run) * d->quads + quad) * columns + column) * 4;
                if (d->element == 1) {
                    d->weights[at + part] = w;
                    d->start[o] -= k.surplus * w;
                } else {
                    const int16_t wide = w;
                    std::memcpy(&d->weights[at + 2 * part], &wide, 2);
                }
            }
        }
    }
    return d;
}

std::unique_ptr<Fire> fire_of(const sl_neuron &n) {
    auto f = std::make_unique<Fire>();
    f->padded = up(n.channels, 32);
    f->hard = n.resets == nullptr;
    f->bias = aligned<int32_t>(f->padded);
    f->thresholds = aligned<int32_t>(static_cast<size_t>(n.levels) * f->padded);
    f->resets = aligned<int32_t>((static_cast<size_t>(n.levels) + 1) * f->padded);
    for (uint32_t k = 0; k <= n.levels; k++) {
        f->letters.push_back(n.letters[k] - (k > 0 ? n.letters[k - 1] : 0));
        for (uint32_t c = 0; c < f->padded; c++) {
            const bool real = c < n.channels;
            if (k < n.levels) f->thresholds[k * f->padded + c] = real ? n.thresholds[c * n.levels + k] : INT_MAX;
            if (real && !f->hard) {
                // Differences of tables may leave 32 bits; their sums come back, so unsigned arithmetic is exact.
                const auto here = static_cast<uint32_t>(n.resets[c * (n.levels + 1u) + k]);
                const auto below = k > 0 ? static_cast<uint32_t>(n.resets[c * (n.levels + 1u) + k - 1]) : 0u;
                f->resets[k * f->padded + c] = static_cast<int32_t>(here - below);
            }
        }
    }
    for (uint32_t c = 0; c < n.channels; c++) f->bias[c] = n.bias[c];
    if (n.bytes == 2) {
        // The membrane is proven to stay within +-32767 before and after it is reset, so sums may wrap on the way.
        f->bias16 = aligned<int16_t>(f->padded);
        f->below16 = aligned<int16_t>(static_cast<size_t>(n.levels) * f->padded);
        f->resets16 = aligned<int16_t>((static_cast<size_t>(n.levels) + 1) * f->padded);
        if (n.channels == 16) {  // two positions at once
            const auto twice = [&](int32_t *table) { std::copy(table, table + 16, table + 16); };
            twice(f->bias.get());
            for (uint32_t k = 0; k <= n.levels; k++) {
                twice(&f->resets[k * f->padded]);
                if (k < n.levels) twice(&f->thresholds[k * f->padded]);
            }
        }
        for (size_t i = 0; i < f->padded; i++) f->bias16[i] = static_cast<int16_t>(f->bias[i]);
        for (size_t i = 0; i < static_cast<size_t>(n.levels) * f->padded; i++)
            f->below16[i] = static_cast<int16_t>(std::clamp<int64_t>(int64_t{f->thresholds[i]} - 1, INT16_MIN, INT16_MAX));
        for (size_t i = 0; i < (static_cast<size_t>(n.levels) + 1) * f->padded; i++)
            f->resets16[i] = static_cast<int16_t>(f->resets[i]);
    }
    return f;
}

}  // namespace

std::vector<std::string> paths() {
    std::vector<std::string> names;
    for (const Kernels *k : all)
        if (k != nullptr && has(k->name)) names.emplace_back(k->name);
    names.emplace_back("portable");
    return names;
}

Plan::Plan(const std::string &path, const sl_program &program) {
    if (!has(path)) throw std::invalid_argument("this machine has no path '" + path + "'");
    for (const Kernels *k : all)
        if (k != nullptr && path == k->name) kernels_ = k;
    if (kernels_ == nullptr) return;
    entries_.resize(program.operation_count);
    for (uint16_t i = 0; i < program.operation_count; i++) {
        const sl_operation &op = program.operations[i];
        const auto reads = [&](uint16_t wire) {
            return wire != SL_NONE && program.wires[wire].offset == program.wires[program.input].offset;
        };
        frame_stays_ |= op.is_static == 0 && (reads(op.source) || reads(op.other));
        if (op.kind == SL_SYNAPSE && fits(*op.synapse, program.wires[op.source])) {
            entries_[i].dense = dense_of(*kernels_, *op.synapse, program.wires[op.source]);
            const Dense &d = *entries_[i].dense;
            copy_ = std::max<size_t>(copy_, size_t{d.copy} * (d.windows.size() == 1 ? BLOCK : 1));
            currents_ = std::max<size_t>(currents_, static_cast<size_t>(BLOCK) * d.vectors * d.lanes);
        }
        if (op.neuron != nullptr) {
            entries_[i].fire = fire_of(*op.neuron);
            currents_ = std::max<size_t>(currents_, static_cast<size_t>(BLOCK) * entries_[i].fire->padded);
        }
    }
}

Memory Plan::memory() const {
    return Memory{aligned<uint8_t>(copy_), aligned<int32_t>(currents_)};
}

void enter(const sl_memory *memory, const void *frame) {
    const sl_program &program = *memory->program;
    const sl_wire &input = program.wires[program.input];
    static_cast<Extra *>(memory->extra)
        ->plan->kernels_->transpose(sl_place(memory, program.input), static_cast<const uint8_t *>(frame), input.channels,
                                    input.positions);
}

void follow(const sl_memory *memory, const sl_operation *op, const int32_t *currents, uint32_t pitch, uint32_t from,
            uint32_t count) {
    const Plan &plan = *static_cast<Extra *>(memory->extra)->plan;
    const sl_program &program = *memory->program;
    if (op->readout != nullptr) return sl_readout_add(op->readout, currents, memory->state);
    const sl_wire &to = program.wires[op->target];
    uint8_t *target = sl_place(memory, op->target) + size_t{from} * to.channels * to.bytes;
    if (const sl_neuron *n = op->neuron; n != nullptr) {
        const Fire &fire = *plan.entries_[static_cast<size_t>(op - program.operations)].fire;
        plan.kernels_->fire(fire, *n, currents, pitch, count, memory->state + n->membrane + size_t{from} * n->channels * n->bytes,
                            reinterpret_cast<int8_t *>(target));
        return;
    }
    for (uint32_t b = 0; b < count; b++)
        sl_row_store(target + size_t{b} * to.channels * to.bytes, currents + size_t{b} * pitch, to.bytes, to.channels);
}

void execute(const sl_memory *memory, const sl_operation *op) {
    const auto &extra = *static_cast<Extra *>(memory->extra);
    const Plan &plan = *extra.plan;
    const Kernels &k = *plan.kernels_;
    const sl_program &program = *memory->program;
    const Plan::Entry &entry = plan.entries_[static_cast<size_t>(op - program.operations)];
    const sl_wire &from = program.wires[op->source];
    const uint8_t *source = sl_place(memory, op->source);
    int32_t *currents = extra.memory->currents.get();
    if (op->kind == SL_SYNAPSE && entry.dense != nullptr) {
        const Dense &d = *entry.dense;
        const uint32_t pitch = d.vectors * d.lanes, positions = static_cast<uint32_t>(d.windows.size());
        k.pack(d, *op->synapse, from, source, extra.memory->copy.get());
        for (uint32_t at = 0; at < positions; at += BLOCK) {
            const uint32_t count = std::min(BLOCK, positions - at);
            k.dense(d, extra.memory->copy.get(), d.windows.data() + at, count, currents);
            follow(memory, op, currents, pitch, at, count);
        }
    } else if (op->kind == SL_NEURON) {
        const sl_neuron &n = *op->neuron;
        for (uint32_t at = 0; at < n.positions; at += BLOCK) {
            const uint32_t count = std::min(BLOCK, n.positions - at);
            const uint8_t *here = source + size_t{at} * n.channels * from.bytes;
            const int32_t *x = from.bytes == 4 ? reinterpret_cast<const int32_t *>(here) : currents;
            if (from.bytes < 4) sl_row_load(currents, here, from.bytes, count * n.channels);
            follow(memory, op, x, n.channels, at, count);
        }
    } else if (op->kind == SL_MAX_POOL || op->kind == SL_SUM_POOL) {
        k.pool(*op, *op->window, from, program.wires[op->target], source, sl_place(memory, op->target));
    } else {
        sl_execute(memory, op);
    }
}

const sl_backend &Plan::backend() const {
    static const sl_backend fast{enter, execute};
    return kernels_ == nullptr ? sl_portable : fast;
}

sl_status Plan::run(const sl_program &program, void *state, void *arena, Memory &memory, const int8_t *frame, uint32_t steps,
                    sl_observer observer, void *context) const {
    Extra extra{this, &memory};
    return sl_run_with(&backend(), &program, state, arena, &extra, frame, steps, observer, context);
}

sl_status Plan::go_on(const sl_program &program, void *state, void *arena, Memory &memory, uint32_t steps) const {
    Extra extra{this, &memory};
    return sl_run_with(&backend(), &program, state, arena, &extra, nullptr, steps, nullptr, nullptr);
}

sl_status Plan::step_events(const sl_program &program, void *state, void *arena, Memory &memory, const sl_event *events,
                            size_t count) const {
    Extra extra{this, &memory};
    return sl_step_events_with(&backend(), &program, state, arena, &extra, events, count);
}

}  // namespace shiftlif
