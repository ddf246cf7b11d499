// The structures of a program for the C runtime, read from a plan in Python (plan.py); they point into its arrays.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>

#include <deque>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../c/shiftlif.h"

namespace shiftlif {

namespace nb = nanobind;

inline const char *text_of(sl_status status) {
    static const char *const texts[] = {"ok", "null pointer", "other ABI", "invalid program", "buffer too small or not aligned",
                                        "state of another program", "too many steps", "no event of the frame"};
    return status >= 0 && status < static_cast<int>(std::size(texts)) ? texts[status] : "unknown status";
}

inline void require(sl_status status) {
    if (status != SL_OK) throw std::invalid_argument(std::string("runtime: ") + text_of(status));
}

template <class T> T get(const nb::object &from, const char *name) {
    try {
        return nb::cast<T>(from.attr(name));
    } catch (const nb::cast_error &) {
        throw std::invalid_argument(std::string("runtime: ") + name + " does not fit its type");
    }
}

inline void get_pair(uint32_t (&to)[2], const nb::object &from, const char *name) {
    const auto pair = get<std::pair<uint32_t, uint32_t>>(from, name);
    to[0] = pair.first;
    to[1] = pair.second;
}

class Tables {
  public:
    // Throws std::invalid_argument where a field does not fit, or the runtime refuses the program.
    explicit Tables(const nb::object &plan) {
        for (nb::handle item : get<nb::tuple>(plan, "wires")) {
            const nb::object w = nb::borrow(item);
            wires_.push_back({get<uint32_t>(w, "offset"), get<uint32_t>(w, "positions"), get<uint32_t>(w, "channels"),
                              get<uint8_t>(w, "bytes"), get<uint8_t>(w, "limit")});
        }
        for (nb::handle item : get<nb::tuple>(plan, "steps")) operations_.push_back(operation(nb::borrow(item)));
        program_.abi = SL_ABI;
        program_.identity = get<uint32_t>(plan, "identity");
        program_.wires = wires_.data();
        program_.operations = operations_.data();
        program_.wire_count = static_cast<uint16_t>(wires_.size());
        program_.operation_count = static_cast<uint16_t>(operations_.size());
        program_.input = 0;
        program_.classes = get<uint16_t>(plan, "classes");
        program_.state_size = get<uint32_t>(plan, "state_size");
        program_.arena_size = get<uint32_t>(plan, "arena_size");
        program_.scratch = get<uint32_t>(plan, "scratch");
        program_.scores = get<uint32_t>(plan, "scores");
        program_.steps = get<uint32_t>(plan, "time_steps");
        program_.max_steps = get<uint32_t>(plan, "max_steps");
        uint16_t where = 0;
        const sl_status status = sl_validate(&program_, &where);
        if (status != SL_OK)
            throw std::invalid_argument(std::string("runtime: ") + text_of(status) + " at operation " + std::to_string(where));
    }
    Tables(const Tables &) = delete;

    const sl_program &program() const { return program_; }

  private:
    template <class T> const T *keep(const nb::object &from, const char *name, size_t expected) {
        auto array = get<nb::ndarray<const T, nb::c_contig, nb::device::cpu>>(from, name);
        if (array.size() != expected) throw std::invalid_argument(std::string("runtime: ") + name + " has another size");
        kept_.push_back(nb::cast(array));
        return array.data();
    }

    sl_operation operation(const nb::object &step) {
        sl_operation op{};
        op.kind = get<uint8_t>(step, "kind");
        op.is_static = get<bool>(step, "is_static");
        op.shift = get<uint8_t>(step, "shift");
        op.other_shift = get<uint8_t>(step, "other_shift");
        op.source = get<uint16_t>(step, "source");
        op.other = get<uint16_t>(step, "other");
        op.target = get<uint16_t>(step, "target");
        if (const nb::object s = step.attr("synapse"); !s.is_none()) op.synapse = &synapses_.emplace_back(synapse(s));
        if (const nb::object n = step.attr("neuron"); !n.is_none()) op.neuron = &neurons_.emplace_back(neuron(n));
        if (const nb::object r = step.attr("readout"); !r.is_none()) op.readout = &readouts_.emplace_back(readout(r));
        if (const nb::object w = step.attr("window"); !w.is_none()) op.window = &windows_.emplace_back(window(w));
        return op;
    }

    sl_synapse synapse(const nb::object &s) {
        sl_synapse to{};
        to.in = get<uint32_t>(s, "inputs");
        to.out = get<uint32_t>(s, "outputs_per_group");
        to.padded_out = get<uint32_t>(s, "padded_out");
        to.groups = get<uint32_t>(s, "groups");
        get_pair(to.extent, s, "extent");
        get_pair(to.outputs, s, "outputs");
        get_pair(to.kernel, s, "kernel");
        get_pair(to.stride, s, "stride");
        get_pair(to.padding, s, "padding");
        get_pair(to.dilation, s, "dilation");
        get_pair(to.move, s, "move");
        get_pair(to.back, s, "back");
        get_pair(to.tap_move, s, "tap_move");
        const size_t rows = static_cast<size_t>(to.kernel[0]) * to.kernel[1] * to.in * to.padded_out;
        to.group_rows = static_cast<uint32_t>(rows);
        to.chunk = get<uint16_t>(s, "chunk");
        to.line_step = get<uint16_t>(s, "line_step");
        to.room = get<uint16_t>(s, "room");
        to.fresh = get<uint16_t>(s, "fresh");
        to.slides = get<uint16_t>(s, "slides");
        to.planes = get<uint8_t>(s, "planes");
        to.segment = get<uint8_t>(s, "segment");
        to.negative = get<bool>(s, "negative");
        to.tap_step = get<uint16_t>(s, "tap_step");
        to.places = get<uint16_t>(s, "places");
        to.rows = keep<int8_t>(s, "rows", rows * to.groups);
        return to;
    }

    sl_neuron neuron(const nb::object &n) {
        sl_neuron to{};
        to.channels = get<uint32_t>(n, "channels");
        to.positions = get<uint32_t>(n, "positions");
        to.membrane = get<uint32_t>(n, "membrane");
        to.levels = get<uint8_t>(n, "levels");
        to.leak_shift = get<uint8_t>(n, "leak_shift");
        to.shift = get<uint8_t>(n, "shift");
        to.bytes = get<uint8_t>(n, "bytes");
        const size_t channels = to.channels, levels = to.levels;
        to.bias = keep<int32_t>(n, "bias", channels);
        to.thresholds = keep<int32_t>(n, "thresholds", channels * levels);
        to.resets = n.attr("resets").is_none() ? nullptr : keep<int32_t>(n, "resets", channels * (levels + 1));
        to.letters = keep<int8_t>(n, "letters", levels + 1);
        return to;
    }

    sl_readout readout(const nb::object &r) {
        sl_readout to{};
        to.channels = get<uint32_t>(r, "channels");
        to.membrane = get<uint32_t>(r, "membrane");
        to.shift = get<uint8_t>(r, "shift");
        to.bias = keep<int32_t>(r, "bias", to.channels);
        return to;
    }

    static sl_window window(const nb::object &w) {
        sl_window to{};
        get_pair(to.extent, w, "extent");
        get_pair(to.outputs, w, "outputs");
        get_pair(to.kernel, w, "kernel");
        get_pair(to.stride, w, "stride");
        get_pair(to.move, w, "move");
        get_pair(to.tap_move, w, "tap_move");
        return to;
    }

    sl_program program_{};
    std::vector<sl_wire> wires_;
    std::vector<sl_operation> operations_;
    std::deque<sl_synapse> synapses_;  // a deque: pointers to its elements stay good
    std::deque<sl_neuron> neurons_;
    std::deque<sl_readout> readouts_;
    std::deque<sl_window> windows_;
    std::vector<nb::object> kept_;  // the arrays that those point into
};

}  // namespace shiftlif
