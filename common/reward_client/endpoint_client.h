// The client of one reward server: handshake, calls, retries, validation.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CLIENT_H_
#define OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/base/credentials.h"
#include "common/base/retry.h"
#include "common/reward_client/answer.h"
#include "common/reward_client/circuit_breaker.h"
#include "common/reward_client/endpoint_metrics.h"
#include "common/reward_client/inflight_limit.h"
#include "common/reward_client/reward_stub.h"
#include "common/reward_client/score_cache.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// What a step hands to every endpoint. Nothing is owned.
struct ScoreJob {
  const std::vector<v1::ScoreItem>& items;
  uint64_t step = 0;
  bool eval = false;
  // Set when the outcome no longer matters: retries end.
  const std::atomic<bool>& abandoned;
};

// Thread-safe.
class EndpointClient {
 public:
  struct Options {
    std::string name;
    std::string address;
    std::string token_file;               // may be empty
    ChannelCredentials credentials = {};  // as MakeChannel takes it
    absl::Duration deadline;              // of one Score call
    absl::Duration unavailable_wait;      // for a server that is not there
    int max_inflight = 0;                 // calls at once; 0: the server's word
    int breaker_failures = 0;             // in a row; 0: no breaker
    size_t cache_items = 0;               // 0: no cache
    std::vector<v1::ComponentWeight> component_weights;
    RetryPolicy retry;
    double max_abs_score = 1e6;
    std::string run_id;
    std::string tokenizer_digest;
  };

  // Opens a channel; does not call. `metrics` is not owned.
  EndpointClient(const Options& options, MetricRegistry* metrics);

  // Asks GetInfo until it answers, for unavailable_wait at most. Errors, naming
  // endpoint and address: Unavailable with ExitCode kRewardUnavailable,
  // Cancelled (shutdown), FailedPrecondition (CheckInfo, a weight for a
  // component that the server does not have, no token, or no RewardService at
  // the address).
  absl::Status Handshake();

  // What the last handshake said; null before the first.
  std::shared_ptr<const v1::GetInfoResponse> info() const;
  // "endpoint name/version": which rule gave a score.
  std::string lineage() const;

  // Asks for the items `batch` (indices into job.items) in one call, and again
  // for what failed but may be retried (with its whole group where the server
  // needs that). What the cache remembers is not asked for. One final answer
  // per index, in their order; errors name endpoint, address, item and
  // attempts. Waits while as many calls are under way as the server takes, and
  // while the circuit is open. Requires a handshake.
  std::vector<ItemAnswer> Score(const ScoreJob& job,
                                const std::vector<int>& batch);

  // Calls that may ever be under way at once.
  int most_inflight() const { return inflight_.most(); }
  // Calls that may be under way at once as the server is now.
  int inflight_limit() const { return inflight_.limit(); }
  EndpointMetrics& metrics() { return metrics_; }

 private:
  absl::StatusOr<v1::GetInfoResponse> GetInfo();
  absl::Status Greet();
  void Accept(const v1::GetInfoResponse& info);
  int InflightFor(const v1::GetInfoResponse& info) const;
  bool AskFor(const ScoreJob& job, const std::vector<int>& batch,
              const std::vector<size_t>& open,
              std::vector<ItemAnswer>& answers);
  void Conclude(const ScoreJob& job, const std::vector<int>& batch,
                std::vector<ItemAnswer>& answers);
  std::vector<ItemAnswer> Ask(const ScoreJob& job,
                              const std::vector<int>& batch, bool& absent);
  absl::StatusOr<v1::ScoreResponse> Call(const v1::ScoreRequest& request,
                                         const std::vector<int>& tokens);
  void Learn(const absl::Status& call);
  absl::Duration AwaitCircuit();
  std::vector<size_t> Recall(const ScoreJob& job, const std::vector<int>& batch,
                             std::vector<std::string>& keys,
                             std::vector<ItemAnswer>& answers);
  void Remember(const std::vector<std::string>& keys,
                const std::vector<ItemAnswer>& answers);
  v1::ScoreRequest MakeRequest(const v1::GetInfoResponse& info,
                               const ScoreJob& job,
                               const std::vector<int>& batch);
  absl::Status Locate(const absl::Status& cause) const;

  const Options options_;
  RewardStub stub_;
  EndpointMetrics metrics_;
  InflightLimit inflight_;
  ScoreCache cache_;
  std::atomic<uint64_t> next_request_ = 0;
  // Nobody answered the last call: greet again before the next.
  std::atomic<bool> lost_ = false;

  mutable absl::Mutex mu_;
  std::shared_ptr<const v1::GetInfoResponse> info_ ABSL_GUARDED_BY(mu_);
  CircuitBreaker breaker_ ABSL_GUARDED_BY(mu_);
};

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ENDPOINT_CLIENT_H_
