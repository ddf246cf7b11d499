// A whole sequence: the best instruction set of this processor, the neurons divided among threads.
#pragma once
#include <string>
#include <vector>

#include "problem.hpp"

namespace shiftlif {

void run_forward(const Mechanism&, const Forward&, int threads);
void run_backward(const Mechanism&, const Backward&, int threads);

// "baseline", and on x86 "avx2" and "avx512" where the processor has them; the last one is used unless chosen.
std::vector<std::string> instruction_sets();
std::string chosen_instruction_set();
bool choose_instruction_set(const std::string& name);  // false: not one of instruction_sets()

}  // namespace shiftlif
