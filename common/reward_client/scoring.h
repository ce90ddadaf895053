// A step's items, asked for as they come.
#ifndef OPERANT_COMMON_REWARD_CLIENT_SCORING_H_
#define OPERANT_COMMON_REWARD_CLIENT_SCORING_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// The outcome of one item.
struct ItemScore {
  enum class Outcome { kScored, kIgnored, kDropped, kReplaced };
  Outcome outcome = Outcome::kDropped;
  double score = 0;  // if kScored, or kReplaced (reward.on_error value:X)
  // Named by the server; "endpoint/name" where several endpoints scored it.
  std::map<std::string, double> components;
  std::vector<v1::TokenReward> token_rewards;
  absl::Status error;  // why it was dropped or replaced
  std::string server;  // lineage: endpoint name, server name and version
  int attempts = 0;    // most of any endpoint; 0: remembered
  double latency_seconds = 0;  // of the slowest endpoint's last call

  bool has_score() const {
    return outcome == Outcome::kScored || outcome == Outcome::kReplaced;
  }
};

// What a Scoring is begun for.
struct ScoringPlan {
  size_t items = 0;  // that will be added
  // Items that share a group_id: a server that needs whole groups is asked for
  // a group once they are there. 0: not known before Finish().
  size_t group_items = 0;
  uint64_t step = 0;
  bool eval = false;
};

// Its life: Add() each item, Finish() once. One thread at a time.
class Scoring {
 public:
  // Unfinished: gives up what was not asked for; a call under way is waited
  // for, until its deadline at most.
  virtual ~Scoring() = default;

  // Item number `index` of the plan's is there; calls that carry it may begin
  // at once. Errors, after which the Scoring is of no use: InvalidArgument (an
  // id empty or twice, an item or group too large to send, an index that is
  // none or was added before), FailedPrecondition (a row that no endpoint
  // takes), and with reward.on_error `fail` that of an item that failed before.
  virtual absl::Status Add(size_t index, v1::ScoreItem item) = 0;

  // Waits until all items have their outcome; aligned with the plan's indices,
  // whatever order the servers answered in. An item whose retries are spent
  // follows reward.on_error: `fail` returns its error (with ExitCode
  // kRewardUnavailable when no server answered, kData when the server answered
  // nonsense), naming endpoint, item and cause. FailedPrecondition if an item
  // was not added.
  virtual absl::StatusOr<std::vector<ItemScore>> Finish() = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_SCORING_H_
