// The C runtime for Python: holds a program's structures, memory for calls, and lets several threads share a batch.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "host.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Frames = nb::ndarray<const int8_t, nb::c_contig, nb::device::cpu>;
using States = nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Logits = nb::ndarray<int32_t, nb::numpy, nb::ndim<2>, nb::c_contig>;

const char *text_of(sl_status status) {
    static const char *const texts[] = {"ok", "null pointer", "other ABI", "invalid program", "buffer too small or not aligned",
                                        "state of another program", "too many steps"};
    return status >= 0 && status < static_cast<int>(std::size(texts)) ? texts[status] : "unknown status";
}

void require(sl_status status) {
    if (status != SL_OK) throw std::invalid_argument(std::string("runtime: ") + text_of(status));
}

template <class T> T get(const nb::object &from, const char *name) {
    try {
        return nb::cast<T>(from.attr(name));
    } catch (const nb::cast_error &) {
        throw std::invalid_argument(std::string("runtime: ") + name + " does not fit its type");
    }
}

void get_pair(uint32_t (&to)[2], const nb::object &from, const char *name) {
    const auto pair = get<std::pair<uint32_t, uint32_t>>(from, name);
    to[0] = pair.first;
    to[1] = pair.second;
}

// What a recording of one operation is written to: [T, B, positions * channels].
struct Tape {
    uint16_t operation;
    int8_t *letters;     // nullptr for the read-out
    int32_t *membranes;
};

class Program {
  public:
    Program(const nb::object &plan, const nb::tuple &shape, const std::string &path) {
        for (nb::handle extent : shape) shape_.push_back(nb::cast<size_t>(extent));
        for (nb::handle item : get<nb::tuple>(plan, "wires")) {
            const nb::object w = nb::borrow(item);
            wires_.push_back({get<uint32_t>(w, "offset"), get<uint32_t>(w, "positions"), get<uint32_t>(w, "channels"),
                              get<uint8_t>(w, "bytes")});
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
        use(path);
    }

    // By what the processor has; "portable" is the plain C that a microcontroller runs.
    void use(const std::string &path) {
        auto plan = std::make_unique<shiftlif::Plan>(path, program_);
        std::lock_guard<std::mutex> lock(mutex_);
        plan_ = std::move(plan);
        free_.clear();
        path_ = path;
    }

    const std::string &path() const { return path_; }

    // One step for a stream, or all steps of an inference; states are changed in place.
    void run(const Frames &frames, States &states, uint32_t steps, bool sequence, uint32_t threads, nb::object record) {
        const size_t batch = states.shape(0);
        const size_t frame = static_cast<size_t>(wires_[0].positions) * wires_[0].channels;
        if (states.shape(1) != program_.state_size || frames.size() != frame * batch * (sequence ? steps : 1))
            throw std::invalid_argument("runtime: frames or states do not fit the program");
        std::vector<Tape> tapes = tapes_of(record, steps, batch);
        const int8_t *x = frames.data();
        uint8_t *state = states.data();
        nb::gil_scoped_release release;
        advance(x, state, batch, frame, steps, sequence, threads, tapes);
    }

    // From fresh states; the sums of the read-out [B, classes]. The shortest way from an array to answers: frames
    // [B, *shape] for `steps` steps (0: the program's own), or [T, B, *shape]. Throws where the shape is another.
    Logits logits(const Frames &frames, uint32_t steps, uint32_t threads) {
        const size_t rank = shape_.size(), axes = frames.ndim();
        bool fits = axes == rank + 1 || axes == rank + 2;
        for (size_t i = 0; fits && i < rank; i++) fits = frames.shape(axes - rank + i) == shape_[i];
        if (!fits || frames.size() == 0) throw std::invalid_argument("runtime: frames do not fit the program");
        const bool sequence = axes == rank + 2;
        if (sequence && steps == 0) steps = static_cast<uint32_t>(frames.shape(0));
        if (sequence && steps != frames.shape(0)) throw std::invalid_argument("runtime: not one frame per step");
        if (steps == 0) steps = program_.steps;
        const size_t frame = static_cast<size_t>(wires_[0].positions) * wires_[0].channels;
        const size_t batch = frames.shape(sequence ? 1 : 0);
        const size_t classes = program_.classes;
        auto *sums = new int32_t[batch * classes];
        nb::capsule owner(sums, [](void *p) noexcept { delete[] static_cast<int32_t *>(p); });
        const int8_t *x = frames.data();
        {
            nb::gil_scoped_release release;
            share(batch, threads, [&](size_t from, size_t to) {
                Lease lease(*this);
                for (size_t b = from; b < to; b++) {
                    require(sl_reset(&program_, lease.state(), program_.state_size));
                    one(lease, x, lease.state(), b, batch, frame, steps, sequence, {});
                    std::memcpy(sums + b * classes, sl_scores(&program_, lease.state()), classes * 4);
                }
            });
        }
        return Logits(sums, {batch, classes}, owner);
    }

    void reset(States &states) {
        if (states.shape(1) != program_.state_size) throw std::invalid_argument("runtime: states do not fit the program");
        for (size_t b = 0; b < states.shape(0); b++)
            require(sl_reset(&program_, states.data() + b * program_.state_size, program_.state_size));
    }

  private:
    struct Memory {
        std::vector<uint32_t> arena, state;
        shiftlif::Memory host;
    };

    // Memory of one call in one thread, given back for the next call.
    class Lease {
      public:
        explicit Lease(Program &program) : program_(program) {
            std::lock_guard<std::mutex> lock(program.mutex_);
            if (program.free_.empty()) {
                memory_ = std::make_unique<Memory>();
                memory_->arena.resize(program.program_.arena_size / 4 + 1);
                memory_->state.resize(program.program_.state_size / 4 + 1);
                memory_->host = program.plan_->memory();
            } else {
                memory_ = std::move(program.free_.back());
                program.free_.pop_back();
            }
        }
        ~Lease() {
            std::lock_guard<std::mutex> lock(program_.mutex_);
            program_.free_.push_back(std::move(memory_));
        }
        void *arena() { return memory_->arena.data(); }
        uint8_t *state() { return reinterpret_cast<uint8_t *>(memory_->state.data()); }
        shiftlif::Memory &host() { return memory_->host; }

      private:
        Program &program_;
        std::unique_ptr<Memory> memory_;
    };

    struct Recording {
        const Program *program;
        const std::vector<Tape> *tapes;
        size_t sample, batch, step;
    };

    static void observe(void *context, uint32_t, uint16_t operation, const void *wire, const void *state) {
        auto *r = static_cast<Recording *>(context);
        for (const Tape &tape : *r->tapes) {
            if (tape.operation != operation) continue;
            const sl_operation &op = r->program->operations_[operation];
            const bool readout = op.readout != nullptr;
            const size_t size = readout ? op.readout->channels : static_cast<size_t>(op.neuron->channels) * op.neuron->positions;
            const size_t at = (r->step * r->batch + r->sample) * size;
            const auto *bytes = static_cast<const uint8_t *>(state) + (readout ? op.readout->membrane : op.neuron->membrane);
            if (readout || op.neuron->bytes == 4) {
                std::memcpy(tape.membranes + at, bytes, size * 4);
            } else {
                for (size_t i = 0; i < size; i++) {
                    int16_t v;
                    std::memcpy(&v, bytes + 2 * i, 2);
                    tape.membranes[at + i] = v;
                }
            }
            if (tape.letters != nullptr) std::memcpy(tape.letters + at, wire, size);
        }
        if (operation + 1u == r->program->program_.operation_count) r->step++;
    }

    void one(Lease &lease, const int8_t *x, uint8_t *state, size_t sample, size_t batch, size_t frame, uint32_t steps,
             bool sequence, const std::vector<Tape> &tapes) {
        Recording recording{this, &tapes, sample, batch, 0};
        const sl_observer observer = tapes.empty() ? nullptr : observe;
        const uint32_t calls = sequence ? steps : 1, each = sequence ? 1 : steps;
        for (uint32_t t = 0; t < calls; t++)
            require(plan_->run(program_, state, lease.arena(), lease.host(), x + (t * batch + sample) * frame, each, observer,
                               &recording));
    }

    void advance(const int8_t *x, uint8_t *states, size_t batch, size_t frame, uint32_t steps, bool sequence, uint32_t threads,
                 const std::vector<Tape> &tapes) {
        share(batch, threads, [&](size_t from, size_t to) {
            Lease lease(*this);
            for (size_t b = from; b < to; b++)
                one(lease, x, states + b * program_.state_size, b, batch, frame, steps, sequence, tapes);
        });
    }

    // Samples are handed out a few at a time, so that a slow thread does not hold up the others.
    template <class Work> static void share(size_t batch, uint32_t threads, Work work) {
        const size_t workers = std::min<size_t>(std::max<uint32_t>(threads, 1), batch);
        if (workers <= 1) return work(0, batch);
        const size_t piece = std::max<size_t>(1, batch / (workers * 4));
        std::atomic<size_t> next{0};
        std::mutex failed;
        std::exception_ptr failure;
        const auto loop = [&] {
            try {
                for (size_t at; (at = next.fetch_add(piece)) < batch;) work(at, std::min(batch, at + piece));
            } catch (...) {
                std::lock_guard<std::mutex> lock(failed);
                failure = std::current_exception();
            }
        };
        std::vector<std::thread> pool;
        try {
            for (size_t i = 1; i < workers; i++) pool.emplace_back(loop);
        } catch (const std::system_error &) {  // no more threads to be had: those that there are do the work
        }
        loop();
        for (auto &thread : pool) thread.join();
        if (failure) std::rethrow_exception(failure);
    }

    std::vector<Tape> tapes_of(const nb::object &record, uint32_t steps, size_t batch) {
        std::vector<Tape> tapes;
        if (record.is_none()) return tapes;
        for (nb::handle item : nb::cast<nb::list>(record)) {
            const auto entry = nb::cast<nb::tuple>(item);
            const auto index = nb::cast<uint16_t>(entry[0]);
            const sl_operation &op = operations_.at(index);
            if (op.neuron == nullptr && op.readout == nullptr) throw std::invalid_argument("runtime: nothing to record there");
            const size_t size = op.neuron != nullptr ? static_cast<size_t>(op.neuron->channels) * op.neuron->positions
                                                     : static_cast<size_t>(op.readout->channels);
            Tape tape{index, nullptr, nullptr};
            auto membranes = nb::cast<nb::ndarray<int32_t, nb::c_contig, nb::device::cpu>>(entry[2], false);
            if (membranes.size() != size * steps * batch) throw std::invalid_argument("runtime: a record has another size");
            tape.membranes = membranes.data();
            if (op.neuron != nullptr) {
                auto letters = nb::cast<nb::ndarray<int8_t, nb::c_contig, nb::device::cpu>>(entry[1], false);
                if (letters.size() != size * steps * batch) throw std::invalid_argument("runtime: a record has another size");
                tape.letters = letters.data();
            }
            tapes.push_back(tape);
        }
        return tapes;
    }

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
    std::vector<size_t> shape_;  // of a frame
    std::vector<sl_wire> wires_;
    std::vector<sl_operation> operations_;
    std::deque<sl_synapse> synapses_;  // a deque: pointers to its elements stay good
    std::deque<sl_neuron> neurons_;
    std::deque<sl_readout> readouts_;
    std::deque<sl_window> windows_;
    std::vector<nb::object> kept_;  // the arrays that those point into
    std::unique_ptr<shiftlif::Plan> plan_;
    std::vector<std::unique_ptr<Memory>> free_;
    std::mutex mutex_;
    std::string path_ = "portable";
};

}  // namespace

NB_MODULE(_engine, m) {
    nb::class_<Program>(m, "Program")
        .def(nb::init<nb::object, nb::tuple, std::string>(), "plan"_a, "shape"_a, "path"_a)
        .def_prop_ro("path", &Program::path)
        // Nothing is converted: a float frame is refused, not rounded, and states are changed in place.
        .def("run", &Program::run, "frames"_a.noconvert(), "states"_a.noconvert(), "steps"_a, "sequence"_a, "threads"_a,
             "record"_a.none())
        .def("logits", &Program::logits, "frames"_a.noconvert(), "steps"_a, "threads"_a)
        .def("reset", &Program::reset, "states"_a.noconvert());
    m.def("paths", &shiftlif::paths);
}
