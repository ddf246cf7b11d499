// The letter table as a kernel uses it: compares against H itself wherever one scale serves all neurons.
#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include "problem.hpp"

namespace shiftlif {

// The smallest float h with fl(h / s) >= b. Division by s > 0 is monotone, so comparing h with it is the same as
// comparing the rounded quotient with b, without dividing.
inline float exact_threshold(float b, float s) {
    const float infinity = std::numeric_limits<float>::infinity();
    float h = b * s;
    while (h / s >= b) h = std::nextafter(h, -infinity);
    while (!(h / s >= b) && h < infinity) h = std::nextafter(h, infinity);
    return h;
}

// Short tables are padded to a few lengths, so that the compares unroll. Padding repeats the top value behind a
// boundary that only infinity and NaN reach, and those emit the top letter anyway.
struct Tables {
    bool per_lane;                  // a scale per channel (or an unusual one): compare H / s with the boundaries
    int n;                          // boundaries before padding
    std::vector<float> boundaries;  // padded to 1, 2, 4, 6 or 8; longer tables are not padded
    std::vector<float> values;      // what is emitted: s q, or q where the scale differs between lanes

    explicit Tables(const Mechanism& m) {
        const float s = m.scale[0];
        per_lane = m.scale.size() > 1 || !(s > 0.0f) || !std::isfinite(s);
        n = static_cast<int>(m.boundaries.size());
        for (float b : m.boundaries) boundaries.push_back(per_lane ? b : exact_threshold(b, s));
        for (float q : m.levels) values.push_back(per_lane ? q : q * s);
        const int sizes[] = {1, 2, 4, 6, 8};
        for (int size : sizes)
            if (n <= size) {
                boundaries.resize(size, std::numeric_limits<float>::infinity());
                values.resize(size + 1, values.back());
                break;
            }
    }
};

}  // namespace shiftlif
