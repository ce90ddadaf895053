#include "reward/score_handler.h"

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/metric_families.h"
#include "common/base/reward_contract.h"
#include "common/base/status_macros.h"

namespace operant::reward {
namespace {

const char* OutcomeLabel(const v1::ScoreResult& result) {
  if (result.ignore()) return "ignored";
  return result.has_score() ? "scored" : "error";
}

}  // namespace

ScoreHandler::ScoreHandler(const Scorer* scorer, const ScoreLimits& limits,
                           MetricRegistry* metrics)
    : scorer_(scorer),
      limits_(limits),
      metrics_(metrics),
      duration_(metrics->Get(metric::kRewardServerRequestDurationSeconds)) {}

v1::GetInfoResponse ScoreHandler::Info() const {
  v1::GetInfoResponse info = scorer_->Describe();
  info.set_api_level(kRewardApiLevel);
  info.set_max_batch_items(limits_.max_batch_items);
  info.set_max_inflight_batches(limits_.max_inflight_batches);
  return info;
}

absl::Status ScoreHandler::Handle(const v1::ScoreRequest& request,
                                  const Scorer::Cancelled& cancelled,
                                  v1::ScoreResponse& response) const {
  const absl::Time start = absl::Now();
  absl::Status status = Check(request);
  if (status.ok()) status = Score(request, cancelled, response);
  duration_.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  CountRequest(status);
  if (status.ok()) CountItems(response);
  return status;
}

absl::Status ScoreHandler::Refuse() const {
  absl::Status status = absl::ResourceExhaustedError(
      "scoring queue is full; try again later, or with fewer batches in "
      "flight");
  CountRequest(status);
  return status;
}

absl::Status ScoreHandler::Check(const v1::ScoreRequest& request) const {
  if (request.items_size() > limits_.max_batch_items) {
    return absl::InvalidArgumentError(absl::StrCat(
        "batch is too large: items=", request.items_size(),
        ", expected at most ", limits_.max_batch_items,
        "; send less a request, as GetInfo's max_batch_items says"));
  }
  absl::flat_hash_set<std::string> ids;
  for (const v1::ScoreItem& item : request.items()) {
    RETURN_IF_ERROR(CheckItem(item));
    if (!ids.insert(item.id()).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("item appears twice: id='", item.id(),
                       "', expected each id once in a request"));
    }
  }
  return absl::OkStatus();
}

absl::Status ScoreHandler::CheckItem(const v1::ScoreItem& item) const {
  if (item.id().empty()) {
    return absl::InvalidArgumentError(
        "item has no id: id='', expected the trajectory's id");
  }
  const size_t bytes = std::max(item.prompt().size(), item.response().size());
  if (bytes <= limits_.max_text_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("text is too long: id='", item.id(), "' bytes=", bytes,
                   ", expected at most ", limits_.max_text_bytes,
                   "; lower rollout.max_response_tokens"));
}

absl::Status ScoreHandler::Score(const v1::ScoreRequest& request,
                                 const Scorer::Cancelled& cancelled,
                                 v1::ScoreResponse& response) const {
  response.set_request_id(request.request_id());
  scorer_->Score(request.items(), cancelled, *response.mutable_results());
  if (response.results_size() == request.items_size()) return absl::OkStatus();
  if (cancelled()) {
    return absl::CancelledError(
        absl::StrCat("caller gave up: scored=", response.results_size(), " of ",
                     request.items_size(), " items"));
  }
  return absl::InternalError(absl::StrCat(
      "scorer '", scorer_->Describe().name(), "' broke its contract: results=",
      response.results_size(), ", expected ", request.items_size()));
}

void ScoreHandler::CountRequest(const absl::Status& status) const {
  metrics_
      ->Get(metric::kRewardServerRequestsTotal,
            {absl::StatusCodeToString(status.code())})
      .Increment();
}

void ScoreHandler::CountItems(const v1::ScoreResponse& response) const {
  for (const v1::ScoreResult& result : response.results()) {
    metrics_->Get(metric::kRewardServerItemsTotal, {OutcomeLabel(result)})
        .Increment();
  }
}

}  // namespace operant::reward
