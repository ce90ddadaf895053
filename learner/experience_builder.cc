#include "learner/experience_builder.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/torch_status.h"
#include "learner/experience_checks.h"
#include "learner/microbatch.h"
#include "learner/ppo_math.h"

namespace operant::learner {
namespace {

enum class Truncated { kTerminal, kBootstrap, kMask };

absl::StatusOr<Truncated> ParseTruncated(const std::string& name) {
  if (name == "terminal") return Truncated::kTerminal;
  if (name == "bootstrap") return Truncated::kBootstrap;
  if (name == "mask") return Truncated::kMask;
  return absl::InvalidArgumentError(
      absl::StrCat("ppo.truncated=", name,
                   ", expected \"terminal\", \"bootstrap\" or \"mask\""));
}

bool IsTrained(const v1::Trajectory& trajectory, const ItemScore& score,
               Truncated truncated) {
  const bool is_masked = truncated == Truncated::kMask &&
                         trajectory.finish() == v1::FINISH_REASON_LENGTH;
  return score.has_score() && !is_masked;
}

int64_t Staleness(const v1::Trajectory& trajectory, uint64_t policy_version) {
  uint64_t oldest = policy_version;
  for (const v1::VersionSpan& span : trajectory.versions()) {
    oldest = std::min(oldest, span.policy_version());
  }
  return static_cast<int64_t>(policy_version - oldest);
}

void AppendTokens(const v1::Trajectory& trajectory, Experience& e) {
  e.prompt_tokens.insert(e.prompt_tokens.end(),
                         trajectory.prompt_token_ids().begin(),
                         trajectory.prompt_token_ids().end());
  e.prompt_begin.push_back(static_cast<int64_t>(e.prompt_tokens.size()));
  e.tokens.insert(e.tokens.end(), trajectory.response_token_ids().begin(),
                  trajectory.response_token_ids().end());
  e.response_begin.push_back(static_cast<int64_t>(e.tokens.size()));
  e.sampler_logp.insert(e.sampler_logp.end(),
                        trajectory.response_logprobs().begin(),
                        trajectory.response_logprobs().end());
}

// The rows as they came: identities, tokens, scores; nothing computed yet.
Experience CopyRows(const ExperienceInputs& in, Truncated truncated) {
  Experience e;
  e.prompt_begin = {0};
  e.response_begin = {0};
  const double clip = in.ppo->score_clip();
  for (size_t i = 0; i < in.trajectories.size(); ++i) {
    const v1::Trajectory& trajectory = in.trajectories[i];
    e.trajectory_ids.push_back(trajectory.id());
    e.group_ids.push_back(trajectory.group_id());
    e.finishes.push_back(trajectory.finish());
    e.staleness.push_back(Staleness(trajectory, in.policy_version));
    e.scores.push_back(
        static_cast<float>(std::clamp(in.scores[i].score, -clip, clip)));
    e.trained.push_back(IsTrained(trajectory, in.scores[i], truncated));
    e.weights.push_back(in.weights.empty() ? 1 : in.weights[i]);
    AppendTokens(trajectory, e);
  }
  return e;
}

// Whole sequences, prompt + response, in one block that the spans point into.
// One further token after a response makes the engine read the state behind
// it; which token does not matter, since a state only depends on the past.
class Sequences {
 public:
  Sequences(const Experience& e, const std::vector<bool>& with_next_state) {
    tokens_.reserve(e.prompt_tokens.size() + e.tokens.size() + e.responses());
    for (int64_t i = 0; i < e.responses(); ++i) {
      const size_t begin = tokens_.size();
      Append(e.Prompt(i));
      Append(e.Row(e.tokens, i));
      if (with_next_state[i]) tokens_.push_back(tokens_.back());
      spans_.push_back({std::span(tokens_).subspan(begin),
                        static_cast<int32_t>(e.prompt_length(i))});
    }
  }
  Sequences(const Sequences&) = delete;
  Sequences& operator=(const Sequences&) = delete;

  std::span<const SequenceTokens> spans() const { return spans_; }

 private:
  void Append(std::span<const int32_t> tokens) {
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  }

  std::vector<int32_t> tokens_;  // reserved: spans stay valid
  std::vector<SequenceTokens> spans_;
};

absl::StatusOr<std::vector<TokenScore>> ScoreOn(
    InferenceModel& model, std::span<const SequenceTokens> sequences,
    double temperature, const ValueHead* value_head) {
  std::vector<TokenScore> scores;
  RETURN_IF_ERROR(model.Score(sequences, static_cast<float>(temperature),
                              value_head, scores));
  size_t expected = 0;
  for (const SequenceTokens& s : sequences)
    expected += s.tokens.size() - s.first_scored;
  if (scores.size() == expected) return scores;
  return absl::InternalError(
      absl::StrCat("experience not built: engine scored ", scores.size(),
                   " tokens, expected ", expected));
}

static_assert(sizeof(TokenScore) == 3 * sizeof(float));

absl::Status SumScores(Collective& collective,
                       std::vector<TokenScore>& scores) {
  at::Tensor host = at::from_blob(
      scores.data(), {3 * static_cast<int64_t>(scores.size())}, at::kFloat);
  const at::Tensor sums = host.to(collective.device());
  RETURN_IF_ERROR(
      collective.AllReduce(sums, Reduction::kSum, "token scores")->Wait());
  host.copy_(sums);
  return absl::OkStatus();
}

// This rank's share is computed here, the others' come from them: what nobody
// computed is 0, so that the sum over the ranks is each one's number.
absl::StatusOr<std::vector<TokenScore>> ScoreTokens(
    const ExperienceInputs& in, InferenceModel& model,
    const Sequences& sequences, const ValueHead* value_head) {
  const std::span<const SequenceTokens> all = sequences.spans();
  if (in.collective == nullptr)
    return ScoreOn(model, all, in.temperature, value_head);
  std::vector<int64_t> rows(all.size()), lengths, begin = {0};
  std::iota(rows.begin(), rows.end(), 0);
  for (const SequenceTokens& s : all) {
    lengths.push_back(static_cast<int64_t>(s.tokens.size()));
    begin.push_back(begin.back() + lengths.back() - s.first_scored);
  }
  const std::vector<int64_t> share = BalancedShares(
      rows, lengths, in.collective->size())[in.collective->rank()];
  std::vector<SequenceTokens> mine;
  for (const int64_t row : share) mine.push_back(all[row]);
  ASSIGN_OR_RETURN(const std::vector<TokenScore> scored,
                   ScoreOn(model, mine, in.temperature, value_head));
  std::vector<TokenScore> scores(begin.back());
  auto next = scored.begin();
  for (const int64_t row : share) {
    for (int64_t t = begin[row]; t < begin[row + 1]; ++t) scores[t] = *next++;
  }
  RETURN_IF_ERROR(SumScores(*in.collective, scores));
  return scores;
}

// Which responses need the value of the state after their last token.
std::vector<bool> NeedsNextState(const ExperienceInputs& in,
                                 const Experience& e, Truncated truncated) {
  std::vector<bool> needs(e.responses(), false);
  if (truncated != Truncated::kBootstrap) return needs;
  const int64_t context = in.policy->config().max_position_embeddings;
  for (int64_t i = 0; i < e.responses(); ++i) {
    needs[i] = e.finishes[i] == v1::FINISH_REASON_LENGTH &&
               e.prompt_length(i) + e.length(i) < context;
  }
  return needs;
}

// Fills old_logp, entropy and values; returns V after the last token, [B].
absl::StatusOr<std::vector<float>> ScoreWithPolicy(const ExperienceInputs& in,
                                                   Truncated truncated,
                                                   Experience& e) {
  const std::vector<bool> needs_next = NeedsNextState(in, e, truncated);
  const Sequences sequences(e, needs_next);
  ASSIGN_OR_RETURN(const std::vector<TokenScore> scores,
                   ScoreTokens(in, *in.policy, sequences, in.value_head));
  std::vector<float> bootstrap(e.responses(), 0);
  size_t next = 0;
  for (int64_t i = 0; i < e.responses(); ++i) {
    for (int64_t t = 0; t < e.length(i); ++t, ++next) {
      e.old_logp.push_back(scores[next].logprob);
      e.entropy.push_back(scores[next].entropy);
      e.values.push_back(scores[next].value);
    }
    if (needs_next[i]) bootstrap[i] = scores[next++].value;
  }
  return bootstrap;
}

absl::Status ScoreWithReference(const ExperienceInputs& in, Experience& e) {
  const Sequences sequences(e, std::vector<bool>(e.responses(), false));
  ASSIGN_OR_RETURN(const std::vector<TokenScore> scores,
                   ScoreTokens(in, *in.reference, sequences, nullptr));
  for (const TokenScore& score : scores) e.ref_logp.push_back(score.logprob);
  return absl::OkStatus();
}

// [N]: every token reward on the last token of its range.
std::vector<float> PlaceTokenRewards(std::span<const ItemScore> scores,
                                     const Experience& e) {
  std::vector<float> placed(e.tokens.size(), 0);
  for (int64_t i = 0; i < e.responses(); ++i) {
    for (const v1::TokenReward& reward : scores[i].token_rewards) {
      placed[e.response_begin[i] + reward.end() - 1] += reward.value();
    }
  }
  return placed;
}

// Fills rewards, advantages and returns; returns the advantages before
// whitening, [N].
std::vector<float> EstimateAdvantages(const ExperienceInputs& in,
                                      const std::vector<float>& bootstrap,
                                      Experience& e) {
  const auto padded = [&e](const std::vector<float>& field) {
    return Padded(e, field).to(at::kDouble);
  };
  const auto per_response = [](const std::vector<float>& field) {
    return torch::tensor(field, at::kDouble);
  };
  const auto flat = [&e](const at::Tensor& x) {
    return Unpadded(e, x.to(at::kFloat));
  };
  const at::Tensor mask = PaddedMask(e);
  const at::Tensor values = padded(e.values);
  const at::Tensor rewards =
      KlPenalizedRewards(per_response(e.scores), padded(e.old_logp),
                         padded(e.ref_logp), mask, in.kl_coefficient) +
      at::where(mask, padded(PlaceTokenRewards(in.scores, e)), 0);
  const at::Tensor td_residuals = TdResiduals(
      rewards, values, per_response(bootstrap), mask, in.ppo->gamma());
  const AdvantageEstimate estimate = GeneralizedAdvantage(
      td_residuals, values, mask, {in.ppo->gamma(), in.ppo->lambda()});
  e.rewards = flat(rewards);
  e.returns = flat(estimate.returns);
  e.advantages =
      flat(in.ppo->no_whitening()
               ? estimate.advantages
               : WhitenOverMask(estimate.advantages, mask, WeightColumn(e)));
  return flat(estimate.advantages);
}

}  // namespace

absl::StatusOr<BuiltExperience> BuildExperience(const ExperienceInputs& in) {
  RETURN_IF_ERROR(
      CheckScoredTrajectories(in.trajectories, in.scores, in.policy_version));
  ASSIGN_OR_RETURN(const Truncated truncated,
                   ParseTruncated(in.ppo->truncated()));
  Experience e = CopyRows(in, truncated);
  if (e.trained_responses() == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "experience not built: trained_responses=0 of ", e.responses(),
        ", expected at least 1; see why the reward servers ignore or drop "
        "them"));
  }
  ASSIGN_OR_RETURN(const std::vector<float> bootstrap,
                   ScoreWithPolicy(in, truncated, e));
  RETURN_IF_ERROR(ScoreWithReference(in, e));
  std::vector<float> raw_advantages;
  RETURN_IF_ERROR(CatchTorch("build experience", [&] {
    raw_advantages = EstimateAdvantages(in, bootstrap, e);
    return CheckExperience(e);
  }));
  const ExperienceStats stats =
      ComputeExperienceStats({.experience = &e,
                              .scores = in.scores,
                              .raw_advantages = raw_advantages,
                              .score_clip = in.ppo->score_clip(),
                              .importance_cap = in.ppo->importance_cap()});
  return BuiltExperience{std::move(e), stats};
}

}  // namespace operant::learner
