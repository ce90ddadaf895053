// Judges a history with code of its own: none of the product's.
#ifndef OPERANT_TESTS_SIMULATION_CHECKER_H_
#define OPERANT_TESTS_SIMULATION_CHECKER_H_

#include <string>
#include <vector>

#include "tests/simulation/history.h"

namespace operant::simulation {

// What a worker with `weights` draws for a sample: the simulated model.
int32_t DrawnToken(uint64_t cursor, uint32_t sample,
                   const std::string& weights);
// The simulated update.
std::string UpdatedWeights(const std::string& weights,
                           const std::vector<Response>& batch);

// Each violation in words, beginning with its invariant: I1 exactly once, I2
// weights, I3 order of records, I7 staleness, I8 durability, I10 bounds, I11
// liveness, I12 no stop without a cause outside.
std::vector<std::string> Violations(const History& history);

}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_CHECKER_H_
