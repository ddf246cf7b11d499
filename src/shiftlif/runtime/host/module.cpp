// The C runtime for Python: holds a program's structures, memory for calls, and lets several threads share a batch.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "host.hpp"
#include "share.hpp"
#include "tables.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using shiftlif::require;
using shiftlif::share;
using Frames = nb::ndarray<const int8_t, nb::c_contig, nb::device::cpu>;
using States = nb::ndarray<uint8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Events = nb::ndarray<const uint32_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;  // index and count
using Logits = nb::ndarray<int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// What a recording of one operation is written to: [T, B, positions * channels].
struct Tape {
    uint16_t operation;
    int8_t *letters;     // nullptr for the read-out
    int32_t *membranes;
};

class Program {
  public:
    Program(const nb::object &plan, const nb::tuple &shape, const std::string &path) : tables_(plan) {
        for (nb::handle extent : shape) shape_.push_back(nb::cast<size_t>(extent));
        const nb::module_ numpy = nb::module_::import_("numpy");
        empty_ = numpy.attr("empty");
        int32_ = numpy.attr("dtype")("int32");
        for (uint16_t i = 0; i < program_.operation_count; i++)
            if (const sl_synapse *s = program_.operations[i].synapse; s != nullptr)
                products_ += static_cast<uint64_t>(s->group_rows) * s->groups * s->outputs[0] * s->outputs[1];
        by_layer_ = shiftlif::get<bool>(plan, "by_layer");
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
        const size_t frame = static_cast<size_t>(program_.wires[0].positions) * program_.wires[0].channels;
        if (states.shape(1) != program_.state_size || frames.size() != frame * batch * (sequence ? steps : 1))
            throw std::invalid_argument("runtime: frames or states do not fit the program");
        std::vector<Tape> tapes = tapes_of(record, steps, batch);
        const int8_t *x = frames.data();
        uint8_t *state = states.data();
        nb::gil_scoped_release release;
        advance(x, state, batch, frame, steps, sequence, threads, tapes);
    }

    // Steps of one frame for every stream, in arenas [B, arena_size] that are kept for `go_on`.
    void show(const Frames &frames, States &states, States &arenas, uint32_t steps, uint32_t threads) {
        const size_t frame = static_cast<size_t>(program_.wires[0].positions) * program_.wires[0].channels;
        if (frames.size() != frame * states.shape(0)) throw std::invalid_argument("runtime: frames do not fit the program");
        kept(states, arenas, threads, [&](Lease &lease, uint8_t *state, uint8_t *arena, size_t b) {
            return plan_->run(program_, state, arena, lease.host(), frames.data() + b * frame, steps, nullptr, nullptr);
        });
    }

    // More steps of the frames that the last call left in the arenas.
    void go_on(States &states, States &arenas, uint32_t steps, uint32_t threads) {
        kept(states, arenas, threads, [&](Lease &lease, uint8_t *state, uint8_t *arena, size_t) {
            return plan_->go_on(program_, state, arena, lease.host(), steps);
        });
    }

    // One step of one stream with the events of its frame; the arena is for `go_on`.
    void step_events(const Events &events, States &states, std::optional<States> arena) {
        if (states.shape(0) != 1 || states.shape(1) != program_.state_size ||
            (arena && (arena->shape(0) != 1 || arena->shape(1) != program_.arena_size)))
            throw std::invalid_argument("runtime: states or arenas do not fit the program");
        static_assert(sizeof(sl_event) == 2 * sizeof(uint32_t));
        const auto *list = reinterpret_cast<const sl_event *>(events.data());
        nb::gil_scoped_release release;
        Lease lease(*this);
        uint8_t *memory = arena ? arena->data() : lease.arena();
        require(plan_->step_events(program_, states.data(), memory, lease.host(), list, events.shape(0)));
    }

    // How frames are to be read.
    struct Shown {
        size_t batch;
        uint32_t steps;
        bool sequence;
    };

    // Frames [B, *shape] for `steps` steps (0: the program's own), or [T, B, *shape]. Throws where the shape is another.
    Shown shown(const Frames &frames, uint32_t steps) const {
        const size_t rank = shape_.size(), axes = frames.ndim();
        bool fits = axes == rank + 1 || axes == rank + 2;
        for (size_t i = 0; fits && i < rank; i++) fits = frames.shape(axes - rank + i) == shape_[i];
        if (!fits || frames.size() == 0) throw std::invalid_argument("runtime: frames do not fit the program");
        const bool sequence = axes == rank + 2;
        if (sequence && steps == 0) steps = static_cast<uint32_t>(frames.shape(0));
        if (sequence && steps != frames.shape(0)) throw std::invalid_argument("runtime: not one frame per step");
        return {frames.shape(sequence ? 1 : 0), steps == 0 ? program_.steps : steps, sequence};
    }

    // A new array for the sums of a batch. NumPy's own, since making one of foreign memory takes it longer than a small
    // program takes to run.
    nb::object empty(size_t batch) const { return empty_(nb::make_tuple(batch, program_.classes), int32_); }

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
                const size_t most = program.together();
                memory_->arena.resize(program.program_.arena_size / 4 * most + 1);
                memory_->state.resize(program.program_.state_size / 4 * most + 1);
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
        uint8_t *arena() { return reinterpret_cast<uint8_t *>(memory_->arena.data()); }
        uint8_t *state() { return reinterpret_cast<uint8_t *>(memory_->state.data()); }
        shiftlif::Memory &host() { return memory_->host; }

      private:
        Program &program_;
        std::unique_ptr<Memory> memory_;
    };

    // Without the interpreter lock, where the work is longer than giving it up and taking it back (a microsecond or so).
    class Unlocked {
      public:
        Unlocked(const Program &program, const Shown &shown) {
            if (program.products_ * shown.steps * shown.batch >= 65536) release_.emplace();
        }

      private:
        std::optional<nb::gil_scoped_release> release_;
    };

    // From fresh states; the sums of the read-out [B, classes].
    void infer(const int8_t *x, const Shown &shown, uint32_t threads, int32_t *sums) {
        const Unlocked unlocked(*this, shown);
        share(shown.batch, threads, [&](size_t from, size_t to) {
            Lease lease(*this);
            infer(lease, x, shown, from, to, sums);
        });
    }

    // Samples from..to of a batch, in this thread.
    void infer(Lease &lease, const int8_t *x, const Shown &shown, size_t from, size_t to, int32_t *sums) {
        const size_t frame = static_cast<size_t>(program_.wires[0].positions) * program_.wires[0].channels;
        const size_t classes = program_.classes, most = together();
        for (size_t b = from; b < to; b += most) {
            const size_t count = std::min(most, to - b);
            for (size_t i = 0; i < count; i++)
                require(sl_reset(&program_, lease.state() + i * program_.state_size, program_.state_size));
            some(lease, x, lease.state(), b, count, shown.batch, frame, shown.steps, shown.sequence, {});
            for (size_t i = 0; i < count; i++)
                std::memcpy(sums + (b + i) * classes, sl_scores(&program_, lease.state() + i * program_.state_size), classes * 4);
        }
    }

    // The shortest way from an array to answers.
    nb::object logits(const Frames &frames, uint32_t steps, uint32_t threads) {
        const Shown how = shown(frames, steps);
        nb::object made = empty(how.batch);
        infer(frames.data(), how, threads, nb::cast<Logits>(made, false).data());
        return made;
    }

    void reset(States &states) {
        if (states.shape(1) != program_.state_size) throw std::invalid_argument("runtime: states do not fit the program");
        for (size_t b = 0; b < states.shape(0); b++)
            require(sl_reset(&program_, states.data() + b * program_.state_size, program_.state_size));
    }

  private:
    struct Recording {
        const Program *program;
        const std::vector<Tape> *tapes;
        size_t sample, batch;
        uint32_t first;  // step since the reset
    };

    static void observe(void *context, uint32_t step, uint16_t operation, const void *wire, const void *state) {
        auto *r = static_cast<Recording *>(context);
        for (const Tape &tape : *r->tapes) {
            if (tape.operation != operation) continue;
            const sl_operation &op = r->program->program_.operations[operation];
            const bool readout = op.readout != nullptr;
            const size_t size = readout ? op.readout->channels : static_cast<size_t>(op.neuron->channels) * op.neuron->positions;
            const size_t at = ((step - r->first) * r->batch + r->sample) * size;
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
    }

    // A call for every stream, each with an arena of its own.
    template <class Call> void kept(States &states, States &arenas, uint32_t threads, Call call) {
        if (states.shape(1) != program_.state_size || arenas.shape(1) != program_.arena_size || arenas.shape(0) != states.shape(0))
            throw std::invalid_argument("runtime: states or arenas do not fit the program");
        uint8_t *state = states.data(), *arena = arenas.data();
        nb::gil_scoped_release release;
        share(states.shape(0), threads, [&](size_t from, size_t to) {
            Lease lease(*this);
            for (size_t b = from; b < to; b++)
                require(call(lease, state + b * program_.state_size, arena + b * program_.arena_size, b));
        });
    }

    bool by_layer() const { return by_layer_ && plan_->kernels() != nullptr; }

    // Samples that are computed at once, at most.
    size_t together() const { return by_layer() ? shiftlif::BLOCK : 1; }

    // All steps of `count` samples that are computed at once; their states lie one behind the other. One sample that
    // sees one frame goes step by step: its first layer is computed once, and copying that to the steps takes as long
    // as reading the smaller layers behind it again.
    void some(Lease &lease, const int8_t *x, uint8_t *states, size_t sample, size_t count, size_t batch, size_t frame,
              uint32_t steps, bool sequence, const std::vector<Tape> &tapes) {
        const sl_observer observer = tapes.empty() ? nullptr : observe;
        if (count == 1 && !(by_layer() && sequence && steps > 1))
            return one(lease, x, states, sample, batch, frame, steps, sequence, tapes);
        shiftlif::Inference inferences[shiftlif::BLOCK];
        Recording recordings[shiftlif::BLOCK];
        for (size_t i = 0; i < count; i++) {
            uint8_t *state = states + i * program_.state_size;
            recordings[i] = {this, &tapes, sample + i, batch, sl_steps_made(state)};
            inferences[i] = {state, x + (sample + i) * frame, &recordings[i]};
        }
        require(plan_->run_by_layer(program_, inferences, static_cast<uint32_t>(count), lease.arena(), lease.host(), steps,
                                    sequence ? batch * frame : 0, observer));
    }

    void one(Lease &lease, const int8_t *x, uint8_t *state, size_t sample, size_t batch, size_t frame, uint32_t steps,
             bool sequence, const std::vector<Tape> &tapes) {
        Recording recording{this, &tapes, sample, batch, sl_steps_made(state)};
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
            const size_t most = together();
            for (size_t b = from; b < to; b += most)
                some(lease, x, states + b * program_.state_size, b, std::min(most, to - b), batch, frame, steps, sequence, tapes);
        });
    }

    std::vector<Tape> tapes_of(const nb::object &record, uint32_t steps, size_t batch) {
        std::vector<Tape> tapes;
        if (record.is_none()) return tapes;
        for (nb::handle item : nb::cast<nb::list>(record)) {
            const auto entry = nb::cast<nb::tuple>(item);
            const auto index = nb::cast<uint16_t>(entry[0]);
            if (index >= program_.operation_count) throw std::invalid_argument("runtime: no such operation");
            const sl_operation &op = program_.operations[index];
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

    const shiftlif::Tables tables_;
    const sl_program &program_ = tables_.program();
    std::vector<size_t> shape_;   // of a frame
    bool by_layer_ = false;
    uint64_t products_ = 0;       // weights times positions: what a step takes at most
    nb::object empty_, int32_;    // numpy.empty and its dtype
    std::unique_ptr<shiftlif::Plan> plan_;
    std::vector<std::unique_ptr<Memory>> free_;
    std::mutex mutex_;
    std::string path_ = "portable";
};

// A program with an array of frames that stays where it is: what a call needs is looked at once, when it is made.
class Bound {
  public:
    Bound(Program &program, Frames frames, uint32_t steps, uint32_t threads)
        : program_(program), frames_(std::move(frames)), shown_(program.shown(frames_, steps)), threads_(threads),
          made_(program.empty(shown_.batch)), sums_(nb::cast<Logits>(made_, false).data()), lease_(program) {}

    nb::object call() {
        if (std::min<size_t>(threads_, shown_.batch) > 1 || busy_.test_and_set(std::memory_order_acquire)) {
            program_.infer(frames_.data(), shown_, threads_, sums_);  // several threads, of one call or of several
        } else {
            const Held held(busy_);
            const Program::Unlocked unlocked(program_, shown_);
            program_.infer(lease_, frames_.data(), shown_, 0, shown_.batch, sums_);
        }
        return made_;
    }

  private:
    Program &program_;
    const Frames frames_;
    const Program::Shown shown_;
    const uint32_t threads_;
    const nb::object made_;  // the array that every call fills
    int32_t *const sums_;
    Program::Lease lease_;  // memory of its own, for one call at a time
    std::atomic_flag busy_ = ATOMIC_FLAG_INIT;

    struct Held {
        explicit Held(std::atomic_flag &flag) : flag_(flag) {}
        ~Held() { flag_.clear(std::memory_order_release); }
        std::atomic_flag &flag_;
    };
};

}  // namespace

NB_MODULE(_engine, m) {
    nb::class_<Program>(m, "Program")
        .def(nb::init<nb::object, nb::tuple, std::string>(), "plan"_a, "shape"_a, "path"_a)
        .def_prop_ro("path", &Program::path)
        // Nothing is converted: a float frame is refused, not rounded, and states are changed in place.
        .def("run", &Program::run, "frames"_a.noconvert(), "states"_a.noconvert(), "steps"_a, "sequence"_a, "threads"_a,
             "record"_a.none())
        .def("show", &Program::show, "frames"_a.noconvert(), "states"_a.noconvert(), "arenas"_a.noconvert(), "steps"_a,
             "threads"_a)
        .def("go_on", &Program::go_on, "states"_a.noconvert(), "arenas"_a.noconvert(), "steps"_a, "threads"_a)
        .def("step_events", &Program::step_events, "events"_a.noconvert(), "states"_a.noconvert(), "arena"_a.none())
        .def("logits", &Program::logits, "frames"_a.noconvert(), "steps"_a, "threads"_a)
        .def("reset", &Program::reset, "states"_a.noconvert());
    nb::class_<Bound>(m, "Bound")
        .def(nb::init<Program &, Frames, uint32_t, uint32_t>(), "program"_a, "frames"_a.noconvert(), "steps"_a, "threads"_a,
             nb::keep_alive<1, 2>())
        .def("call", &Bound::call);  // a method: calling an instance takes Python twice as long
    m.def("paths", &shiftlif::paths);
}
