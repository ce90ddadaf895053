// The gateway's Scoring: routes items to endpoints, and makes one outcome of
// what the endpoints said.
#ifndef OPERANT_COMMON_REWARD_CLIENT_STEP_SCORING_H_
#define OPERANT_COMMON_REWARD_CLIENT_STEP_SCORING_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/metrics.h"
#include "common/reward_client/combination.h"
#include "common/reward_client/endpoint_client.h"
#include "common/reward_client/endpoint_run.h"
#include "common/reward_client/error_policy.h"
#include "common/reward_client/scoring.h"
#include "operant/v1/config.pb.h"

namespace operant {

class StepScoring : public Scoring {
 public:
  // The gateway's; not owned, outlive it.
  struct Parts {
    const v1::RewardSection& config;
    const std::vector<std::unique_ptr<EndpointClient>>& clients;  // greeted
    const ErrorPolicy& policy;
    Counter& dropped;
    Counter& replaced;
  };

  StepScoring(const Parts& parts, const ScoringPlan& plan);
  ~StepScoring() override;

  absl::Status Add(size_t index, v1::ScoreItem item) override;
  absl::StatusOr<std::vector<ItemScore>> Finish() override;

  // Add() that lets no call begin: where nothing is asked for before all items
  // are known to be good.
  absl::Status Put(size_t index, v1::ScoreItem item);

 private:
  using Answers = std::vector<std::vector<WeightedAnswer>>;  // by item

  absl::Status CheckId(size_t index, const std::string& id);
  absl::Status FirstError() const;
  Answers Collect();
  absl::StatusOr<std::vector<ItemScore>> Conclude(const Answers& answers);
  void Count(const ItemScore& score);

  const Parts parts_;
  std::vector<v1::ScoreItem> items_;  // sized once: calls read what was put
  std::atomic<bool> abandoned_ = false;
  absl::flat_hash_set<std::string> ids_;
  std::vector<std::unique_ptr<EndpointRun>> runs_;  // as configured; last
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_STEP_SCORING_H_
