#include "common/reward_client/gateway.h"

#include <atomic>
#include <cmath>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/metric_families.h"
#include "common/base/status_macros.h"
#include "common/reward_client/batching.h"
#include "common/reward_client/combination.h"
#include "common/reward_client/endpoint_client.h"
#include "common/reward_client/endpoint_credentials.h"
#include "common/reward_client/endpoint_run.h"
#include "common/reward_client/error_policy.h"
#include "common/reward_client/routing.h"

namespace operant {
namespace {

absl::Status CheckItems(const std::vector<v1::ScoreItem>& items) {
  absl::flat_hash_set<std::string> ids;
  for (const v1::ScoreItem& item : items) {
    if (!item.id().empty() && ids.insert(item.id()).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("items cannot be told apart: id='", item.id(),
                     "', expected a non-empty id, once"));
  }
  return absl::OkStatus();
}

using Answers = std::vector<std::vector<WeightedAnswer>>;  // by item

absl::Status FirstError(const Answers& answers) {
  for (const std::vector<WeightedAnswer>& said : answers) {
    for (const WeightedAnswer& one : said) RETURN_IF_ERROR(one.answer.status);
  }
  return absl::OkStatus();
}

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

  absl::StatusOr<std::vector<ItemScore>> Score(std::vector<v1::ScoreItem> items,
                                               uint64_t step,
                                               bool eval) override {
    RETURN_IF_ERROR(CheckItems(items));
    ASSIGN_OR_RETURN(const auto routes, RouteItems(config_, items));
    ASSIGN_OR_RETURN(auto runs, PlanRuns(items, routes));
    std::atomic<bool> abandoned = false;
    Run({items, step, eval, abandoned}, runs, abandoned);
    return Conclude(Collect(runs, items.size()));
  }

 private:
  using Runs = std::vector<std::unique_ptr<EndpointRun>>;
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

  absl::StatusOr<Runs> PlanRuns(const std::vector<v1::ScoreItem>& items,
                                const std::vector<std::vector<int>>& routes) {
    Runs runs;
    for (size_t e = 0; e < clients_.size(); ++e) {
      const auto info = clients_[e]->info();
      if (info == nullptr) {
        return absl::FailedPreconditionError(
            "no reward server was greeted; call Handshake before Score");
      }
      ASSIGN_OR_RETURN(auto batches,
                       MakeBatches(items, routes[e],
                                   LimitsFor(*info, config_.batch_items())));
      runs.push_back(
          std::make_unique<EndpointRun>(clients_[e].get(), std::move(batches)));
    }
    return runs;
  }

  // Runs all batches of all endpoints, each endpoint on as many threads as it
  // takes calls at once. Every call has a deadline, so the joins end.
  void Run(const ScoreJob& job, const Runs& runs,
           std::atomic<bool>& abandoned) const {
    const bool stop_at_error = policy_.action == ErrorPolicy::Action::kFail;
    std::vector<std::thread> lanes;
    for (const auto& run : runs) {
      for (size_t lane = 0; lane < run->lanes(); ++lane) {
        lanes.emplace_back([&run, &job, &abandoned, stop_at_error] {
          run->Work(job, stop_at_error, abandoned);
        });
      }
    }
    for (std::thread& lane : lanes) lane.join();
  }

  Answers Collect(const Runs& runs, size_t items) const {
    Answers answers(items);
    for (size_t e = 0; e < runs.size(); ++e) {
      const std::string& name = config_.endpoints(e).name();
      const std::string lineage = clients_[e]->lineage();
      const double weight = config_.endpoints(e).weight();
      runs[e]->TakeAnswers([&](int index, ItemAnswer answer) {
        answers[index].push_back({name, lineage, weight, std::move(answer)});
      });
    }
    return answers;
  }

  absl::StatusOr<std::vector<ItemScore>> Conclude(const Answers& answers) {
    if (policy_.action == ErrorPolicy::Action::kFail) {
      RETURN_IF_ERROR(FirstError(answers));
    }
    std::vector<ItemScore> scores;
    for (const std::vector<WeightedAnswer>& said : answers) {
      scores.push_back(Combine(said, policy_));
      Count(scores.back());
    }
    RETURN_IF_ERROR(CheckDropLimit(scores, config_.drop_limit()));
    return scores;
  }

  void Count(const ItemScore& score) {
    if (score.outcome == ItemScore::Outcome::kDropped) dropped_.Increment();
    if (score.outcome == ItemScore::Outcome::kReplaced) replaced_.Increment();
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
