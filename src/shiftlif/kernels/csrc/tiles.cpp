// Sequences tile by tile: a few hundred neurons at a time, all steps, so that the membrane and what the backward pass
// recomputes stay in the nearest cache while every [T, N] array is touched once.
//
// Compiled once per instruction set; SHIFTLIF_ISA names the namespace (CMakeLists.txt).
#include "tiles.hpp"

#include "choose.hpp"
#include "rows.hpp"
#include "scratch.hpp"
#include "tables.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {
namespace {

// Rows ahead of the computed one that are asked for.
constexpr std::int64_t kForwardAhead = 4, kBackwardAhead = 8;
// Lanes add up in float32 for so many steps before they are moved to a double.
constexpr std::int64_t kFlushSteps = 256;

void fill_scales(const Mechanism& m, Lanes lanes, float* scale, float* inverse) {
    const auto channels = static_cast<std::int64_t>(m.scale.size());
    for (std::int64_t j = 0; j < kTile; ++j) {
        scale[j] = m.scale[static_cast<std::size_t>(channels == 1 ? 0 : (lanes.from + j) / m.channel_size % channels)];
        inverse[j] = 1.0f / scale[j];
    }
}

// The rows add up gs (S - g H); dS/ds = Q - u g is that over s, and the part through a hard reset over s squared.
void flush(const Mechanism& m, float* row, std::vector<double>& sums, Lanes lanes) {
    const auto channels = static_cast<std::int64_t>(m.scale.size());
    if (channels == 1) {
        double total = 0.0;
        for (std::int64_t j = 0; j < kTile; ++j) total += static_cast<double>(row[j]);
        sums[0] += total;
    } else {
        for (std::int64_t j = 0; j < lanes.width; ++j)
            sums[static_cast<std::size_t>((lanes.from + j) / m.channel_size % channels)] += static_cast<double>(row[j]);
    }
    std::fill(row, row + kTile, 0.0f);
}

StepTile step_arguments(const Mechanism& m, const Tables& tables, std::int64_t steps, float* v, const float* scale) {
    StepTile a{};
    a.steps = steps;
    a.v = v;
    a.scale = scale;
    a.boundaries = tables.boundaries.data();
    a.values = tables.values.data();
    a.n = tables.n;
    a.decay = m.decay;
    return a;
}

// d loss / d (1 / tau) of a tile: the gradient of H times dH/d(1 / tau).
double decay_sum(const Mechanism& m, std::int64_t steps, const float* grad_h, const float* before,
                 TileRows<const float> currents, std::int64_t width) {
    double sum = 0.0;
    for (std::int64_t t = 0; t < steps; ++t) {
        const float *const gradient = grad_h + t * kTile, *const v = before + t * kTile;
        const float* const current = currents.at(t);
        for (std::int64_t j = 0; j < width; ++j)
            sum += static_cast<double>(gradient[j] * (m.decay_input ? current[j] - v[j] : -v[j]));
    }
    return sum;
}

}  // namespace

void forward(const Mechanism& m, const Tables& tables, const Forward& f, std::int64_t begin, std::int64_t end,
             bool stream) {
    const Step whole_step = choose_step(m, tables, false, stream), last_step = choose_step(m, tables, false, false);
    Scratch scratch(3 * f.steps + 3);
    float *const v = scratch.take(), *const scale = scratch.take(), *const inverse = scratch.take();
    float *const current_rows = scratch.take(f.steps), *const spike_rows = scratch.take(f.steps);
    float* const membrane_rows = scratch.take(f.steps);
    const Array currents{f.currents, f.element, f.steps}, spikes{f.spikes, f.element, f.steps};
    const Array membranes{f.membranes, Element::float32, f.steps};
    const Walk walk = currents.walk(begin, &spikes);
    RowsAhead ahead(&walk, 1, f.steps, kTile * currents.lane_bytes(), kForwardAhead);
    StepTile a = step_arguments(m, tables, f.steps, v, scale);
    for (Lanes lanes{begin, kTile}; lanes.from < end; lanes.from += kTile) {
        lanes.width = std::min<std::int64_t>(kTile, end - lanes.from);
        if (tables.per_lane) fill_scales(m, lanes, scale, inverse);
        start_row(v, f.initial, lanes);
        a.currents = currents.read(lanes, current_rows);
        a.spikes = spikes.target(lanes, spike_rows);
        if (!membranes.absent()) a.membranes = membranes.target(lanes, membrane_rows);
        (spikes.in_place(lanes) ? whole_step : last_step)(a, ahead);
        spikes.finish(lanes, spike_rows);
        if (!membranes.absent()) membranes.finish(lanes, membrane_rows);
        if (f.last != nullptr) copy_row(f.last + lanes.from, v, lanes.width);
    }
    if (stream) streams_done();
}

void backward(const Mechanism& m, const Tables& tables, const Backward& b, std::int64_t begin, std::int64_t end,
              bool stream, Sums& sums) {
    const bool scale_gradient = b.grad_scale != nullptr, decay_gradient = b.grad_decay != nullptr;
    const bool summed = b.grad_currents.stride == 0 && b.steps > 1;
    const Step step = choose_step(m, tables, true, false);
    const Gradient whole_gradient = choose_gradient(m, scale_gradient, stream && !summed);
    const Gradient last_gradient = choose_gradient(m, scale_gradient, false);
    const std::int64_t decay_rows = decay_gradient ? b.steps : 0;
    Scratch scratch(6 * b.steps + 2 * decay_rows + 7);
    float *const v = scratch.take(), *const grad_v = scratch.take(), *const total = scratch.take();
    float *const scale = scratch.take(), *const inverse = scratch.take();
    float *const scale_sum = scratch.take(), *const reset_sum = scratch.take();
    float *const h = scratch.take(b.steps), *const s = scratch.take(b.steps);
    float *const current_rows = scratch.take(b.steps), *const incoming_rows = scratch.take(b.steps);
    float *const outgoing_rows = scratch.take(b.steps), *const grad_membrane_rows = scratch.take(b.steps);
    float *const before = scratch.take(decay_rows), *const grad_h = scratch.take(decay_rows);
    const Array currents{b.currents, b.element, b.steps}, grad_spikes{b.grad_spikes, b.element, b.steps};
    const Array grad_currents{b.grad_currents, b.element, b.steps};
    const Array grad_membranes{b.grad_membranes, Element::float32, b.steps};
    std::fill(scale_sum, scale_sum + kTile, 0.0f);
    std::fill(reset_sum, reset_sum + kTile, 0.0f);
    std::fill(incoming_rows, incoming_rows + kTile, 0.0f);
    // A tile reads the currents forwards, then the gradients of the spikes backwards, beside which it writes.
    const Array& second = grad_spikes.absent() ? currents : grad_spikes;
    const Array* const written = grad_currents.absent() ? nullptr : &grad_currents;
    const Walk walks[] = {currents.walk(begin), second.walk(begin, written, true)};
    RowsAhead ahead(walks, 2, b.steps, kTile * currents.lane_bytes(), kBackwardAhead);
    StepTile a = step_arguments(m, tables, b.steps, v, scale);
    a.spikes = {s, kTile};
    a.potential = {h, kTile};
    if (decay_gradient) a.before = {before, kTile};
    GradientTile q{};
    q.steps = b.steps;
    q.h = {h, kTile};
    q.spikes = {s, kTile};
    if (decay_gradient) q.grad_h = {grad_h, kTile};
    q.scale = scale;
    q.inverse = inverse;
    q.grad_v = grad_v;
    q.grad_spikes = {incoming_rows, 0};  // zero, where they are absent
    q.scale_sum = scale_sum;
    q.reset_sum = reset_sum;
    q.total = summed ? total : nullptr;
    q.decay = m.decay;
    q.gain = m.decay_input ? m.decay : 1.0f;
    q.held = m.detach_reset ? 0.0f : 1.0f;
    fill_scales(m, {begin, kTile}, scale, inverse);
    std::int64_t pending = 0;
    for (Lanes lanes{begin, kTile}; lanes.from < end; lanes.from += kTile) {
        lanes.width = std::min<std::int64_t>(kTile, end - lanes.from);
        if (m.scale.size() > 1) fill_scales(m, lanes, scale, inverse);
        start_row(v, b.initial, lanes);
        a.currents = currents.read(lanes, current_rows);
        step(a, ahead);
        start_row(grad_v, b.grad_last, lanes);
        if (summed) std::fill(total, total + kTile, 0.0f);
        if (!grad_spikes.absent()) q.grad_spikes = grad_spikes.read(lanes, incoming_rows);
        if (!grad_membranes.absent()) q.grad_membranes = grad_membranes.read(lanes, grad_membrane_rows);
        const bool in_place = !summed && !grad_currents.absent() && grad_currents.in_place(lanes);
        q.grad_currents = {outgoing_rows, summed ? 0 : kTile};
        if (in_place) q.grad_currents = grad_currents.target(lanes, nullptr);
        (in_place ? whole_gradient : last_gradient)(q, m, ahead);
        if (!in_place && !grad_currents.absent()) grad_currents.store_rows(lanes, summed ? total : outgoing_rows);
        if (b.grad_initial != nullptr) copy_row(b.grad_initial + lanes.from, grad_v, lanes.width);
        if (decay_gradient) sums.decay += decay_sum(m, b.steps, grad_h, before, a.currents, lanes.width);
        pending += b.steps;
        if (scale_gradient && (m.scale.size() > 1 || pending >= kFlushSteps || lanes.from + kTile >= end)) {
            flush(m, scale_sum, sums.scale, lanes);
            flush(m, reset_sum, sums.scale_reset, lanes);
            pending = 0;
        }
    }
    if (stream) streams_done();
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
