#include "common/reward_client/combination.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/exit_code.h"

namespace operant {
namespace {

void AddComponents(const WeightedAnswer& said, bool alone, ItemScore& total) {
  for (const auto& [name, value] : said.answer.components) {
    total.components[alone ? name : absl::StrCat(said.endpoint, "/", name)] =
        value;
  }
  if (!alone && said.answer.outcome == AnswerOutcome::kOk) {
    total.components[said.endpoint] = said.answer.score;
  }
}

void Add(const WeightedAnswer& said, bool alone, ItemScore& total) {
  const ItemAnswer& answer = said.answer;
  total.attempts = std::max(total.attempts, answer.attempts);
  total.latency_seconds =
      std::max(total.latency_seconds, absl::ToDoubleSeconds(answer.latency));
  absl::StrAppend(&total.server, total.server.empty() ? "" : ", ",
                  said.lineage);
  total.error.Update(answer.status);
  if (answer.outcome == AnswerOutcome::kIgnored) {
    total.outcome = ItemScore::Outcome::kIgnored;
  }
  total.score += said.weight * answer.score;
  AddComponents(said, alone, total);
  for (v1::TokenReward reward : answer.token_rewards) {
    reward.set_value(said.weight * reward.value());
    total.token_rewards.push_back(std::move(reward));
  }
}

// What `total` becomes when some endpoint failed it: nothing of the others'
// scores may leak into training.
void Settle(const ErrorPolicy& policy, ItemScore& total) {
  total.components.clear();
  total.token_rewards.clear();
  const bool replace = policy.action == ErrorPolicy::Action::kReplace;
  total.outcome =
      replace ? ItemScore::Outcome::kReplaced : ItemScore::Outcome::kDropped;
  total.score = replace ? policy.value : 0;
}

}  // namespace

ItemScore Combine(const std::vector<WeightedAnswer>& answers,
                  const ErrorPolicy& policy) {
  ItemScore total;
  total.outcome = ItemScore::Outcome::kScored;
  for (const WeightedAnswer& said : answers) {
    Add(said, answers.size() == 1, total);
  }
  if (!total.error.ok()) Settle(policy, total);
  if (total.outcome == ItemScore::Outcome::kIgnored) total.score = 0;
  return total;
}

absl::Status CheckDropLimit(const std::vector<ItemScore>& scores,
                            double limit) {
  size_t dropped = 0;
  const ItemScore* first = nullptr;
  for (const ItemScore& score : scores) {
    if (score.outcome != ItemScore::Outcome::kDropped) continue;
    if (first == nullptr) first = &score;
    ++dropped;
  }
  if (dropped <= limit * scores.size()) return absl::OkStatus();
  return WithExitCode(
      absl::Status(
          first->error.code(),
          absl::StrCat("too many items could not be scored: dropped=", dropped,
                       " of ", scores.size(),
                       ", expected at most reward.drop_limit=", limit,
                       " of them; the first: ", first->error.message())),
      ExitCodeFor(first->error));
}

}  // namespace operant
