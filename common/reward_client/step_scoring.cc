#include "common/reward_client/step_scoring.h"

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/reward_client/batching.h"
#include "common/reward_client/routing.h"

namespace operant {
namespace {

absl::Status FirstErrorOf(
    const std::vector<std::vector<WeightedAnswer>>& answers) {
  for (const std::vector<WeightedAnswer>& said : answers) {
    for (const WeightedAnswer& one : said) RETURN_IF_ERROR(one.answer.status);
  }
  return absl::OkStatus();
}

}  // namespace

StepScoring::StepScoring(const Parts& parts, const ScoringPlan& plan)
    : parts_(parts), items_(plan.items) {
  const bool stop = parts.policy.action == ErrorPolicy::Action::kFail;
  const ScoreJob job{items_, plan.step, plan.eval, abandoned_};
  for (const auto& client : parts.clients) {
    runs_.push_back(std::make_unique<EndpointRun>(
        client.get(), job,
        EndpointRun::Options{
            .limits = LimitsFor(*client->info(), parts.config.batch_items()),
            .group_items = plan.group_items,
            .stop_at_error = stop},
        &abandoned_));
  }
}

StepScoring::~StepScoring() { abandoned_ = true; }

absl::Status StepScoring::Add(size_t index, v1::ScoreItem item) {
  if (abandoned_) RETURN_IF_ERROR(FirstError());
  RETURN_IF_ERROR(Put(index, std::move(item)));
  for (const auto& run : runs_) run->Start();
  return absl::OkStatus();
}

absl::Status StepScoring::Put(size_t index, v1::ScoreItem item) {
  RETURN_IF_ERROR(CheckId(index, item.id()));
  ASSIGN_OR_RETURN(const std::vector<int> endpoints,
                   EndpointsFor(parts_.config, item));
  items_[index] = std::move(item);
  for (int e : endpoints) {
    RETURN_IF_ERROR(runs_[e]->Put(static_cast<int>(index)));
  }
  return absl::OkStatus();
}

absl::Status StepScoring::CheckId(size_t index, const std::string& id) {
  if (index >= items_.size() || !items_[index].id().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("an item has no place: id='", id, "' index=", index,
                     ", expected one below ", items_.size(), ", once"));
  }
  if (!id.empty() && ids_.insert(id).second) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("items cannot be told apart: id='", id,
                   "', expected a non-empty id, once"));
}

absl::StatusOr<std::vector<ItemScore>> StepScoring::Finish() {
  if (ids_.size() < items_.size() && !abandoned_) {
    return absl::FailedPreconditionError(
        absl::StrCat("scoring was finished early: items=", ids_.size(),
                     ", expected ", items_.size()));
  }
  // All at once: each waits for its own last call.
  std::vector<std::thread> finishing;
  for (size_t e = 1; e < runs_.size(); ++e) {
    finishing.emplace_back([run = runs_[e].get()] { run->Finish(); });
  }
  if (!runs_.empty()) runs_.front()->Finish();
  for (std::thread& thread : finishing) thread.join();
  return Conclude(Collect());
}

// Of what was answered so far.
absl::Status StepScoring::FirstError() const {
  for (const auto& run : runs_) RETURN_IF_ERROR(run->error());
  return absl::OkStatus();
}

StepScoring::Answers StepScoring::Collect() {
  Answers answers(items_.size());
  for (size_t e = 0; e < runs_.size(); ++e) {
    const std::string& name = parts_.config.endpoints(e).name();
    const std::string lineage = parts_.clients[e]->lineage();
    const double weight = parts_.config.endpoints(e).weight();
    runs_[e]->TakeAnswers([&](int index, ItemAnswer answer) {
      answers[index].push_back({name, lineage, weight, std::move(answer)});
    });
  }
  return answers;
}

absl::StatusOr<std::vector<ItemScore>> StepScoring::Conclude(
    const Answers& answers) {
  if (parts_.policy.action == ErrorPolicy::Action::kFail) {
    RETURN_IF_ERROR(FirstErrorOf(answers));
  }
  std::vector<ItemScore> scores;
  scores.reserve(answers.size());
  for (const std::vector<WeightedAnswer>& said : answers) {
    scores.push_back(Combine(said, parts_.policy));
    Count(scores.back());
  }
  RETURN_IF_ERROR(CheckDropLimit(scores, parts_.config.drop_limit()));
  return scores;
}

void StepScoring::Count(const ItemScore& score) {
  if (score.outcome == ItemScore::Outcome::kDropped) parts_.dropped.Increment();
  if (score.outcome == ItemScore::Outcome::kReplaced) {
    parts_.replaced.Increment();
  }
}

}  // namespace operant
