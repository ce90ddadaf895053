#include "common/reward_client/gateway.h"

#include <cmath>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/metric_families.h"
#include "common/base/status_macros.h"
#include "common/reward_client/endpoint_client.h"
#include "common/reward_client/endpoint_credentials.h"
#include "common/reward_client/error_policy.h"
#include "common/reward_client/step_scoring.h"

namespace operant {
namespace {

class GatewayImpl : public RewardGateway {
 public:
  // `channels`: of each endpoint.
  GatewayImpl(const Options& options, const ErrorPolicy& policy,
              const std::vector<ChannelCredentials>& channels,
              MetricRegistry* metrics)
      : config_(options.config),
        policy_(policy),
        dropped_(metrics->Get(metric::kRewardDroppedItemsTotal)),
        replaced_(metrics->Get(metric::kRewardReplacedItemsTotal)) {
    for (int e = 0; e < config_.endpoints_size(); ++e) {
      EndpointClient::Options client =
          ClientOptions(config_.endpoints(e), options);
      client.credentials = channels[e];
      clients_.push_back(std::make_unique<EndpointClient>(client, metrics));
    }
  }

  absl::Status Handshake() override {
    for (const auto& client : clients_) RETURN_IF_ERROR(client->Handshake());
    return absl::OkStatus();
  }

  std::vector<v1::GetInfoResponse> infos() const override {
    std::vector<v1::GetInfoResponse> infos;
    for (const auto& client : clients_) {
      const auto info = client->info();
      infos.push_back(info == nullptr ? v1::GetInfoResponse() : *info);
    }
    return infos;
  }

  absl::StatusOr<std::unique_ptr<Scoring>> Begin(
      const ScoringPlan& plan) override {
    RETURN_IF_ERROR(CheckGreeted());
    return std::make_unique<StepScoring>(PartsOfAScoring(), plan);
  }

  absl::StatusOr<std::vector<ItemScore>> Score(std::vector<v1::ScoreItem> items,
                                               uint64_t step,
                                               bool eval) override {
    RETURN_IF_ERROR(CheckGreeted());
    StepScoring scoring(
        PartsOfAScoring(),
        {.items = items.size(), .group_items = 0, .step = step, .eval = eval});
    for (size_t i = 0; i < items.size(); ++i) {
      RETURN_IF_ERROR(scoring.Put(i, std::move(items[i])));
    }
    return scoring.Finish();
  }

 private:
  static EndpointClient::Options ClientOptions(
      const v1::RewardEndpoint& endpoint, const Options& options) {
    const v1::RewardSection& config = options.config;
    EndpointClient::Options client;
    client.name = endpoint.name();
    client.address = endpoint.address();
    client.token_file = endpoint.token_file();
    client.max_inflight = static_cast<int>(endpoint.max_inflight());
    client.breaker_failures = static_cast<int>(config.breaker_failures());
    client.cache_items = config.no_cache() ? 0 : config.cache_items();
    client.component_weights = {endpoint.component_weights().begin(),
                                endpoint.component_weights().end()};
    client.deadline = absl::Milliseconds(endpoint.deadline_ms());
    client.unavailable_wait = absl::Milliseconds(config.unavailable_wait_ms());
    client.retry.max_retries = config.max_retries();
    client.max_abs_score = config.max_abs_score();
    client.run_id = options.run_id;
    client.tokenizer_digest = options.tokenizer_digest;
    return client;
  }

  absl::Status CheckGreeted() const {
    for (const auto& client : clients_) {
      if (client->info() != nullptr) continue;
      return absl::FailedPreconditionError(
          "no reward server was greeted; call Handshake before scoring");
    }
    return absl::OkStatus();
  }

  StepScoring::Parts PartsOfAScoring() const {
    return {config_, clients_, policy_, dropped_, replaced_};
  }

  const v1::RewardSection config_;
  const ErrorPolicy policy_;
  Counter& dropped_;
  Counter& replaced_;
  std::vector<std::unique_ptr<EndpointClient>> clients_;  // as configured
};

absl::Status Unresolved(const std::string& key, double value,
                        const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat("reward configuration cannot be used: ", key, "=", value,
                   ", expected ", expected, "; resolve the defaults first"));
}

absl::Status CheckEndpoints(const v1::RewardSection& config) {
  if (config.endpoints().empty()) {
    return Unresolved("reward.endpoints", 0, "at least one endpoint");
  }
  absl::flat_hash_set<std::string> names;
  for (const v1::RewardEndpoint& endpoint : config.endpoints()) {
    if (endpoint.address().empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "reward endpoint has no address: reward.endpoints.name='",
          endpoint.name(),
          "', expected host:port; only operant train starts a command"));
    }
    if (!std::isfinite(endpoint.weight()) || endpoint.weight() == 0) {
      return Unresolved("reward.endpoints.weight", endpoint.weight(),
                        "a finite number other than 0");
    }
    if (endpoint.deadline_ms() == 0) {
      return Unresolved("reward.endpoints.deadline_ms", 0, "at least 1");
    }
    if (!names.insert(endpoint.name()).second) {
      return absl::FailedPreconditionError(absl::StrCat(
          "two reward endpoints share a name: name='", endpoint.name(),
          "', expected unique names; set reward.endpoints.name"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckConfig(const v1::RewardSection& config) {
  RETURN_IF_ERROR(CheckEndpoints(config));
  if (config.batch_items() == 0) {
    return Unresolved("reward.batch_items", 0, "at least 1");
  }
  if (!(config.max_abs_score() > 0)) {
    return Unresolved("reward.max_abs_score", config.max_abs_score(),
                      "a number above 0");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<RewardGateway>> RewardGateway::Create(
    const Options& options, MetricRegistry* metrics) {
  RETURN_IF_ERROR(CheckConfig(options.config));
  ASSIGN_OR_RETURN(const ErrorPolicy policy,
                   ParseErrorPolicy(options.config.on_error()));
  std::vector<ChannelCredentials> channels;
  for (const v1::RewardEndpoint& endpoint : options.config.endpoints()) {
    ASSIGN_OR_RETURN(channels.emplace_back(),
                     EndpointCredentials(endpoint, *options.credentials));
  }
  return std::make_unique<GatewayImpl>(options, policy, channels, metrics);
}

}  // namespace operant
