// A learner, its workers, the network and the disk between them, in one thread.
// The learner is the product's control plane; all else is made from the seed.
#ifndef OPERANT_TESTS_SIMULATION_CLUSTER_H_
#define OPERANT_TESTS_SIMULATION_CLUSTER_H_

#include <cstdint>

#include "tests/simulation/history.h"

namespace operant::simulation {

// One simulated hour with faults, then half an hour without.
History RunCluster(uint64_t seed);

}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_CLUSTER_H_
