// What a fused sequence call is given: plain pointers and numbers, no torch, no Python.
//
// One call runs T steps of N independent neurons (SPEC 2). Arrays are step-major: row t holds the N neurons
// of step t, contiguous; rows are `stride` elements apart, and a stride of 0 repeats one row (direct coding).
#pragma once
#include <cstdint>
#include <vector>

namespace shiftlif {

enum class Element : int { float32 = 0, bfloat16 = 1 };
enum class Surrogate : int { relsget = 0, relsget_periodic, rectangle, atan, triangle, superspike, count };

// The neuron, as the Python side describes it.
struct Mechanism {
    std::vector<float> levels;      // q_0 < ... < q_L
    std::vector<float> boundaries;  // b_1 < ... < b_L
    Surrogate surrogate = Surrogate::relsget;
    float alpha = 1.0f;
    bool decay_input = true;
    bool hard_reset = false;
    bool detach_reset = false;
    float decay = 0.5f;
    std::vector<float> scale;   // one, or one per channel
    std::int64_t channel_size = 1;  // neurons side by side that share a channel's scale
};

struct Rows {
    void* data = nullptr;  // null: absent
    std::int64_t stride = 0;
};

struct Forward {
    std::int64_t steps, neurons;
    Element element;
    Rows currents;
    const float* initial;  // V before the first step, or null for zero
    Rows spikes;
    float* last;      // V after the last step, optional
    Rows membranes;   // V after each step, float32, optional
};

struct Backward {
    std::int64_t steps, neurons;
    Element element;
    Rows currents;
    const float* initial;
    Rows grad_spikes;        // optional
    const float* grad_last;  // optional
    Rows grad_membranes;     // float32, optional
    Rows grad_currents;      // optional; stride 0: the sum over steps
    float* grad_initial;     // optional
    double* grad_scale;        // sum of grad Q - u g, one per scale entry, optional; added to
    double* grad_scale_reset;  // the part through a hard reset, present with grad_scale; added to
    double* grad_decay;      // one, optional; added to
};

}  // namespace shiftlif
