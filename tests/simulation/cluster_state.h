// What a simulated cluster is made of and what its parts hold; cluster.cc moves
// it.
#ifndef OPERANT_TESTS_SIMULATION_CLUSTER_STATE_H_
#define OPERANT_TESTS_SIMULATION_CLUSTER_STATE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "learner/admission.h"
#include "learner/lease_control.h"
#include "learner/membership.h"
#include "learner/staleness_gate.h"
#include "learner/step_order.h"
#include "tests/simulation/simulated_worker.h"
#include "tests/simulation/world.h"

namespace operant::simulation {

// A cluster's make, from its seed.
struct Shape {
  uint64_t staleness;
  int prompts, samples, workers, checkpoint_every;
  absl::Duration heartbeat, timeout, lease, update;
  Faults faults;
};

inline Shape DrawShape(Chance& chance) {
  Shape shape;
  shape.staleness = chance.Whole(0, 3);
  shape.prompts = chance.Whole(1, 4);
  shape.samples = chance.Whole(1, 4);
  shape.workers = chance.Whole(1, 6);
  shape.checkpoint_every = chance.Whole(1, 6);
  shape.heartbeat = chance.Seconds(4, 8);
  shape.timeout = shape.heartbeat * chance.Real(3, 5);
  shape.lease = chance.Seconds(40, 200);
  shape.update = chance.Seconds(2, 30);
  const double bad = chance.Real(0, 1);
  shape.faults = {.drop = bad * chance.Real(0, 0.15),
                  .duplicate = chance.Real(0, 0.3),
                  .kill_seconds = chance.Real(60, 900),
                  .pause_seconds = chance.Real(60, 900),
                  .cut_seconds = chance.Real(60, 900),
                  .crash_seconds = chance.Real(120, 1500),
                  .forge = bad * chance.Real(0, 0.1),
                  .fail = bad * chance.Real(0, 0.2)};
  return shape;
}

// What the disk holds: the ledger's tables and the newest checkpoint.
struct Tables {
  struct Row {
    v1::Trajectory trajectory;
    uint64_t epoch = 0;
  };
  std::map<uint64_t, std::map<std::string, Row>> accepted;  // by step, by id
  std::set<uint64_t> manifests, committed;
  std::map<uint64_t, std::string> published;
  uint64_t checkpoint_step = 0;
  std::string checkpoint_weights;
};

// One run of the learner's process.
struct Learner {
  struct Generation {
    uint64_t step;
    learner::LeaseControl control;
    learner::AdmissionRules rules;
  };
  Learner(const learner::Membership::Limits& limits, const Shape& shape,
          const Tables& tables, uint64_t epoch)
      : epoch(epoch),
        members(limits),
        gate(shape.staleness, tables.checkpoint_step),
        order(tables.checkpoint_step),
        weights(tables.checkpoint_weights),
        published(tables.published),
        version(tables.checkpoint_step),
        next_step(tables.checkpoint_step) {}

  const uint64_t epoch;
  learner::Membership members;
  learner::StalenessGate gate;
  learner::StepOrder order;
  std::string weights;
  std::map<uint64_t, std::string> published;
  uint64_t version;
  uint64_t next_step;  // to generate
  std::optional<Generation> generation;
  std::deque<std::pair<uint64_t, std::vector<v1::Trajectory>>> batches;
  bool training = false;
};
}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_CLUSTER_STATE_H_
