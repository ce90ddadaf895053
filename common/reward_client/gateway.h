// The one client of every reward server, ours or anyone's. A library inside
// rank 0 of the learner (and of `operant eval`).
//
// A reward error is an error, never a score: what comes back per item is a
// finite score, "ignore", or an error with its cause.
#ifndef OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_
#define OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/credentials.h"
#include "common/base/metrics.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// The outcome of one item, aligned with the request's items.
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

  // Scores `items` (any number: split into batches, sent concurrently,
  // retried), whole groups together where an endpoint needs them. Results are
  // aligned with `items`, whatever order the servers answered in. An item whose
  // retries are spent follows reward.on_error: `fail` returns its error (with
  // ExitCode kRewardUnavailable when no server answered, kData when the server
  // answered nonsense), naming endpoint, item and cause. Other errors:
  // InvalidArgument (an id empty or twice, an item or group too large to send),
  // FailedPrecondition (no handshake yet; a row that no endpoint takes).
  virtual absl::StatusOr<std::vector<ItemScore>> Score(
      std::vector<v1::ScoreItem> items, uint64_t step, bool eval) = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_GATEWAY_H_
