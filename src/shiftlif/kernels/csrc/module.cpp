// The Python face of the kernels: pointers and numbers in, nothing of torch's headers.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "memory.hpp"
#include "pooling.hpp"
#include "sequence.hpp"

namespace nb = nanobind;
using namespace shiftlif;

namespace {

using Address = std::uintptr_t;  // of the first element; 0: absent
using RowsArgument = std::pair<Address, std::int64_t>;

template <typename T>
T* at(Address address) {
    return reinterpret_cast<T*>(address);
}

struct Neuron {
    Mechanism mechanism;

    Neuron(std::vector<float> levels, std::vector<float> boundaries, int surrogate, float alpha, bool decay_input,
           bool hard_reset, bool detach_reset) {
        if (levels.size() < 2 || boundaries.size() + 1 != levels.size())
            throw std::invalid_argument("a letter table needs one boundary between each two levels");
        if (surrogate < 0 || surrogate >= static_cast<int>(Surrogate::count))
            throw std::invalid_argument("unknown surrogate");
        if (hard_reset && levels.size() != 2) throw std::invalid_argument("a hard reset needs a binary table");
        mechanism.levels = std::move(levels);
        mechanism.boundaries = std::move(boundaries);
        mechanism.surrogate = static_cast<Surrogate>(surrogate);
        mechanism.alpha = alpha;
        mechanism.decay_input = decay_input;
        mechanism.hard_reset = hard_reset;
        mechanism.detach_reset = detach_reset;
    }

    // With this call's parameters: a copy, so that threads may share a neuron.
    Mechanism with(Address scale, std::int64_t scales, std::int64_t channel_size, float decay) const {
        Mechanism m = mechanism;
        m.scale.assign(at<const float>(scale), at<const float>(scale) + scales);
        m.channel_size = channel_size;
        m.decay = decay;
        return m;
    }
};

void forward(const Neuron& neuron, std::int64_t steps, std::int64_t neurons, bool bfloat16, Address currents,
             std::int64_t currents_stride, Address initial, Address scale, std::int64_t scales,
             std::int64_t channel_size, float decay, Address spikes, Address last, Address membranes, int threads) {
    const Mechanism m = neuron.with(scale, scales, channel_size, decay);
    Forward f{};
    f.steps = steps;
    f.neurons = neurons;
    f.element = bfloat16 ? Element::bfloat16 : Element::float32;
    f.currents = {at<void>(currents), currents_stride};
    f.initial = at<const float>(initial);
    f.spikes = {at<void>(spikes), neurons};
    f.last = at<float>(last);
    f.membranes = {at<void>(membranes), neurons};
    const nb::gil_scoped_release released;
    run_forward(m, f, threads);
}

// Returns (sum for the scale, sum for the scale through a hard reset, sum for the decay); empty where not wanted.
nb::tuple backward(const Neuron& neuron, std::int64_t steps, std::int64_t neurons, bool bfloat16, Address currents,
                   std::int64_t currents_stride, Address initial, Address scale, std::int64_t scales,
                   std::int64_t channel_size, float decay, Address grad_spikes, std::int64_t grad_spikes_stride,
                   Address grad_last, Address grad_membranes, std::int64_t grad_membranes_stride,
                   Address grad_currents, std::int64_t grad_currents_stride, Address grad_initial, bool wants_scale,
                   bool wants_decay, int threads) {
    const Mechanism m = neuron.with(scale, scales, channel_size, decay);
    std::vector<double> for_scale(wants_scale ? m.scale.size() : 0), for_reset(for_scale.size());
    double for_decay = 0.0;
    Backward b{};
    b.steps = steps;
    b.neurons = neurons;
    b.element = bfloat16 ? Element::bfloat16 : Element::float32;
    b.currents = {at<void>(currents), currents_stride};
    b.initial = at<const float>(initial);
    b.grad_spikes = {at<void>(grad_spikes), grad_spikes_stride};
    b.grad_last = at<const float>(grad_last);
    b.grad_membranes = {at<void>(grad_membranes), grad_membranes_stride};
    b.grad_currents = {at<void>(grad_currents), grad_currents_stride};
    b.grad_initial = at<float>(grad_initial);
    b.grad_scale = wants_scale ? for_scale.data() : nullptr;
    b.grad_scale_reset = wants_scale ? for_reset.data() : nullptr;
    b.grad_decay = wants_decay ? &for_decay : nullptr;
    {
        const nb::gil_scoped_release released;
        run_backward(m, b, threads);
    }
    return nb::make_tuple(for_scale, for_reset, for_decay);
}

// Forward with grad_y and grad_x 0, else backward, which writes no y.
void max_pool(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t window_height,
              std::int64_t window_width, Address x, Address y, Address grad_y, Address grad_x, int threads) {
    const Pooling p{planes,      height,         width,
                    window_height, window_width, at<const float>(x),
                    at<float>(y),  at<const float>(grad_y), at<float>(grad_x)};
    const nb::gil_scoped_release released;
    run_pooling(p, threads);
}

// A one-dimensional float32 torch tensor on pooled memory, which returns to the pool with the tensor.
nb::ndarray<nb::pytorch, float, nb::ndim<1>> empty(std::size_t elements) {
    void* const block = take_memory(elements * sizeof(float));
    const nb::capsule owner(block, [](void* p) noexcept { give_memory(p); });
    return nb::ndarray<nb::pytorch, float, nb::ndim<1>>(static_cast<float*>(block), {elements}, owner);
}

}  // namespace

NB_MODULE(_native, m) {
    nb::set_leak_warnings(false);  // neurons are cached for the life of the process
    m.doc() = "Fused sequences of spiking neurons on the CPU; shiftlif.kernels.cpu is the way in.";
    nb::class_<Neuron>(m, "Neuron")
        .def(nb::init<std::vector<float>, std::vector<float>, int, float, bool, bool, bool>());
    m.def("forward", &forward);
    m.def("backward", &backward);
    m.def("max_pool", &max_pool);
    m.def("empty", &empty);
    m.attr("POOLED_BYTES") = kPooledBytes;
    m.def("memory_use", [] {
        const MemoryUse use = memory_use();
        return nb::make_tuple(use.in_use, use.kept, use.peak);
    });
    m.def("release_kept_memory", &release_kept_memory);
    m.def("instruction_sets", &instruction_sets);
    m.def("chosen_instruction_set", &chosen_instruction_set);
    m.def("choose_instruction_set", &choose_instruction_set);
}
