// From what a neuron is to the tile functions compiled for it.
#pragma once
#include <type_traits>

#include "rows.hpp"
#include "tables.hpp"

namespace shiftlif {
namespace SHIFTLIF_ISA {

using Step = void (*)(const StepTile&, RowsAhead&);
using Gradient = void (*)(const GradientTile&, const Mechanism&, RowsAhead&);

// f(std::true_type) or f(std::false_type): a run-time choice among functions compiled for each answer.
template <typename F>
auto either(bool condition, F f) {
    return condition ? f(std::true_type{}) : f(std::false_type{});
}

template <bool DecayInput, bool PerLane, bool Kept, bool Stream>
Step choose_length(const Mechanism& m, const Tables& tables) {
    if (m.hard_reset) return step_tile<1, DecayInput, true, PerLane, Kept, Stream>;
    switch (tables.boundaries.size()) {
        case 1: return step_tile<1, DecayInput, false, PerLane, Kept, Stream>;
        case 2: return step_tile<2, DecayInput, false, PerLane, Kept, Stream>;
        case 4: return step_tile<4, DecayInput, false, PerLane, Kept, Stream>;
        case 6: return step_tile<6, DecayInput, false, PerLane, Kept, Stream>;
        case 8: return step_tile<8, DecayInput, false, PerLane, Kept, Stream>;
        default: return step_tile<0, DecayInput, false, PerLane, Kept, Stream>;
    }
}

inline Step choose_step(const Mechanism& m, const Tables& tables, bool keep_potential, bool stream) {
    return either(m.decay_input, [&](auto decay_input) {
        return either(tables.per_lane, [&](auto per_lane) {
            if (keep_potential) return choose_length<decay_input, per_lane, true, false>(m, tables);
            return either(stream, [&](auto streamed) {
                return choose_length<decay_input, per_lane, false, streamed>(m, tables);
            });
        });
    });
}

template <Surrogate Kind>
Gradient choose_kind(const Mechanism& m, bool scale_gradient, bool stream) {
    return either(m.hard_reset, [&](auto hard) {
        return either(scale_gradient, [&](auto scale) {
            return either(stream, [&](auto streamed) -> Gradient {
                return gradient_tile<Kind, hard, scale, streamed>;
            });
        });
    });
}

inline Gradient choose_gradient(const Mechanism& m, bool scale_gradient, bool stream) {
    switch (m.surrogate) {
        case Surrogate::relsget: return choose_kind<Surrogate::relsget>(m, scale_gradient, stream);
        case Surrogate::relsget_periodic: return choose_kind<Surrogate::relsget_periodic>(m, scale_gradient, stream);
        case Surrogate::rectangle: return choose_kind<Surrogate::rectangle>(m, scale_gradient, stream);
        case Surrogate::atan: return choose_kind<Surrogate::atan>(m, scale_gradient, stream);
        case Surrogate::triangle: return choose_kind<Surrogate::triangle>(m, scale_gradient, stream);
        default: return choose_kind<Surrogate::superspike>(m, scale_gradient, stream);
    }
}

}  // namespace SHIFTLIF_ISA
}  // namespace shiftlif
