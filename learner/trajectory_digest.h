// What makes a response what it is, in 32 bytes.
#ifndef OPERANT_LEARNER_TRAJECTORY_DIGEST_H_
#define OPERANT_LEARNER_TRAJECTORY_DIGEST_H_

#include <string>

#include "operant/v1/trajectory.pb.h"

namespace operant::learner {

// SHA-256 over everything but the worker that sampled it: two workers of one
// build that sample the same id with the same weights agree on it.
std::string TrajectoryDigest(const v1::Trajectory& trajectory);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_TRAJECTORY_DIGEST_H_
