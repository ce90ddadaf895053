// What happened in a simulated cluster, as the simulator saw it: the checker's
// only source.
#ifndef OPERANT_TESTS_SIMULATION_HISTORY_H_
#define OPERANT_TESTS_SIMULATION_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace operant::simulation {

// A response, reduced to what identifies it.
struct Response {
  uint64_t cursor = 0;
  uint32_t sample = 0;
  std::string id;
  int32_t token = 0;  // its content
  uint64_t version = 0;
};

// An optimiser step that was made, and perhaps lost again in a crash.
struct Update {
  uint64_t step = 0;
  std::vector<Response> batch;
  bool manifest_durable = false;  // when the update began
  std::string weights_after;
};

struct Publication {
  uint64_t version = 0;
  std::string weights;
  bool commit_durable = false;  // when workers were told
};

// A worker was given samples.
struct Grant {
  std::string worker;
  bool registered = false;  // with this epoch, and not silent for too long
  bool draining = false;
  uint64_t version = 0;    // that its last heartbeat or push named
  bool published = false;  // with the digest that was published for it
  uint64_t oldest_allowed = 0;
  int outstanding = 0;  // samples it holds now
  int limit = 0;
};

// The learner counted a response as here. `step` is that of its batch.
struct Acknowledged {
  uint64_t step = 0;
  std::string id;
  int32_t token = 0;
  bool durable = false;
};

struct History {
  uint64_t seed = 0;
  uint64_t staleness = 0;
  uint64_t prompts = 0;  // a step
  uint32_t samples = 0;  // a prompt
  std::string run_id;
  std::string first_weights;
  std::vector<Update> updates;  // in order; a step again after a restart
  std::vector<Publication> publications;
  std::vector<Grant> grants;
  std::vector<Acknowledged> acknowledged;
  // By (step, id): what is durable at the end.
  std::map<std::pair<uint64_t, std::string>, int32_t> ledger;
  std::vector<uint64_t> committed;  // durable at the end, ascending
  uint64_t stuck_seconds = 0;       // longest without a step once all healed
  uint64_t max_open_steps = 0;      // begun and not published, at any time
  std::string stopped;              // the error that ended the run; empty: none
  std::map<std::string, uint64_t> probes;  // interesting states, how often met
  uint64_t accepted = 0;
  uint64_t faults = 0;
};

}  // namespace operant::simulation

#endif  // OPERANT_TESTS_SIMULATION_HISTORY_H_
