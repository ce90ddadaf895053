#include "learner/evaluation.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "learner/score_items.h"

namespace operant::learner {
namespace {

// Evaluation prompts have cursors of their own: no trajectory id of training is
// met again.
constexpr uint64_t kEvaluationCursor = uint64_t{1} << 48;

GenerationPlan MakePlan(const EvaluationPlan& plan,
                        const std::vector<PromptRow>& rows,
                        std::vector<const PromptRow*>& row_of) {
  GenerationPlan generation;
  generation.run_id = absl::StrCat(plan.run_id, "/eval");
  generation.run_seed = plan.seed;
  generation.rules.min_policy_version = plan.policy_version;
  generation.rules.vocab_size = plan.vocab_size;
  generation.rules.sampling = plan.sampling;
  const int count = static_cast<int>(rows.size());
  for (int i = 0; i < count; ++i) {
    const int samples = plan.samples / count + (i < plan.samples % count);
    if (samples == 0) break;
    generation.prompts.push_back({.cursor = kEvaluationCursor + i,
                                  .token_ids = rows[i].prompt_token_ids,
                                  .samples = samples});
    row_of.insert(row_of.end(), samples, &rows[i]);
  }
  return generation;
}

// Every prompt's first sample, then every prompt's second, ...: whatever part
// of the list is looked at covers as many prompts as it can.
std::vector<EvaluatedResponse> BySampleIndex(
    const std::vector<v1::Trajectory>& trajectories,
    std::vector<EvaluatedResponse> responses) {
  std::vector<size_t> order(responses.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return trajectories[a].seed_key().sample_index() <
           trajectories[b].seed_key().sample_index();
  });
  std::vector<EvaluatedResponse> sorted;
  sorted.reserve(responses.size());
  for (size_t i : order) sorted.push_back(std::move(responses[i]));
  return sorted;
}

}  // namespace

std::vector<std::string> FaultsOf(const ItemScore& score,
                                  v1::FinishReason finish) {
  std::vector<std::string> faults;
  bool named = false;
  for (const char* fault : kFaultComponents) {
    auto found = score.components.find(fault);
    if (found == score.components.end()) continue;
    named = true;
    if (found->second >= 0.5) faults.push_back(fault);
  }
  if (!named && finish == v1::FINISH_REASON_LENGTH) faults = {"nonstop"};
  return faults;
}

Evaluator::Evaluator(std::vector<PromptRow> rows,
                     absl::flat_hash_set<std::string> training_responses,
                     Parts parts)
    : rows_(std::move(rows)),
      training_responses_(std::move(training_responses)),
      parts_(std::move(parts)) {}

absl::StatusOr<std::vector<EvaluatedResponse>> Evaluator::Run(
    const EvaluationPlan& plan) {
  std::vector<const PromptRow*> row_of;
  const GenerationPlan generation = MakePlan(plan, rows_, row_of);
  ASSIGN_OR_RETURN(const std::vector<v1::Trajectory> trajectories,
                   parts_.generate(generation));
  std::vector<v1::ScoreItem> items =
      MakeScoreItems(trajectories, row_of, *parts_.tokenizer);
  std::vector<EvaluatedResponse> out(items.size());
  for (size_t i = 0; i < items.size(); ++i) {
    out[i].prompt = items[i].prompt();
    out[i].response = items[i].response();
    out[i].finish = items[i].finish();
    out[i].tokens = items[i].response_token_ids_size();
  }
  ASSIGN_OR_RETURN(const std::vector<ItemScore> scores,
                   parts_.rewards->Score(std::move(items), /*step=*/0,
                                         /*eval=*/true));
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].scored = scores[i].outcome == ItemScore::Outcome::kScored;
    out[i].score = scores[i].score;
    out[i].faults = FaultsOf(scores[i], out[i].finish);
  }
  if (parts_.reference != nullptr) {
    RETURN_IF_ERROR(AddKl(trajectories, plan.sampling.temperature(), out));
  }
  return BySampleIndex(trajectories, std::move(out));
}

absl::Status Evaluator::AddKl(const std::vector<v1::Trajectory>& trajectories,
                              float temperature,
                              std::vector<EvaluatedResponse>& out) {
  if (temperature <= 0) return absl::OkStatus();  // greedy: no distribution
  std::vector<std::vector<int32_t>> tokens(trajectories.size());
  std::vector<SequenceTokens> sequences;
  for (size_t i = 0; i < trajectories.size(); ++i) {
    const v1::Trajectory& t = trajectories[i];
    tokens[i].assign(t.prompt_token_ids().begin(), t.prompt_token_ids().end());
    tokens[i].insert(tokens[i].end(), t.response_token_ids().begin(),
                     t.response_token_ids().end());
    sequences.push_back({tokens[i], t.prompt_token_ids_size()});
  }
  std::vector<TokenScore> scores;
  RETURN_IF_ERROR(
      parts_.reference->Score(sequences, temperature, nullptr, scores));
  size_t next = 0;
  for (size_t i = 0; i < trajectories.size(); ++i) {
    for (float logprob : trajectories[i].response_logprobs())
      out[i].kl += double{logprob} - scores[next++].logprob;
  }
  return absl::OkStatus();
}

}  // namespace operant::learner
