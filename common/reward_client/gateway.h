// The one client of every reward server, ours or anyone's. A library inside
// rank 0 of the learner (and of `operant eval`).
//
// A reward error is an error, never a score: what comes back per item is a
// finite score, "ignore", or an error with its cause.
#ifndef OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_
#define OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "common/reward_client/scoring.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// Thread-safe.
class RewardGateway {
 public:
  struct Options {
    v1::RewardSection config;  // resolved
    std::string run_id;
    std::string tokenizer_digest;
    // What endpoints with tls "roles" are shown.
    std::shared_ptr<const Credentials> credentials = Credentials::Plaintext();
  };

  // Opens channels; does not yet call. `metrics` is not owned. Errors:
  // InvalidArgument (the configuration is not resolved, or not usable),
  // FailedPrecondition (two endpoints with one name); EndpointCredentials'.
  static absl::StatusOr<std::unique_ptr<RewardGateway>> Create(
      const Options& options, MetricRegistry* metrics);
  virtual ~RewardGateway() = default;

  // GetInfo of every endpoint, waiting up to reward.unavailable_wait_ms.
  // Errors, naming the endpoint: Unavailable with ExitCode
  // kRewardUnavailable; Cancelled (shutdown); FailedPrecondition (another
  // api_level, a promise that cannot be, no RewardService at the address).
  virtual absl::Status Handshake() = 0;
  // What each endpoint said of itself, in the configuration's order.
  virtual std::vector<v1::GetInfoResponse> infos() const = 0;

  // Scores items as they come: split into batches, sent concurrently, retried,
  // whole groups together where an endpoint needs them. Several may be under
  // way at once; the gateway outlives them. FailedPrecondition: no handshake
  // yet.
  virtual absl::StatusOr<std::unique_ptr<Scoring>> Begin(
      const ScoringPlan& plan) = 0;

  // The same for items that are all there: Add() of each in order, and
  // Finish(), with their errors. Nothing is sent if an item is refused.
  virtual absl::StatusOr<std::vector<ItemScore>> Score(
      std::vector<v1::ScoreItem> items, uint64_t step, bool eval) = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_
