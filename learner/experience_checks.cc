#include "learner/experience_checks.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {
namespace {

// log-sum-exp minus a logit may round to just above 0: an ulp of a logit of
// magnitude 1000.
constexpr float kLogprobRounding = 1e-4f;

absl::Status Refused(const v1::Trajectory& t, const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("trajectory refused: id=", t.id(), ", ", why));
}

absl::Status CheckTrajectory(const v1::Trajectory& t, uint64_t policy_version) {
  if (t.prompt_token_ids().empty() || t.response_token_ids().empty()) {
    return Refused(t, "expected at least one prompt and one response token");
  }
  if (t.response_logprobs_size() != t.response_token_ids_size()) {
    return Refused(t, absl::StrCat("logprobs=", t.response_logprobs_size(),
                                   ", expected one for each of ",
                                   t.response_token_ids_size(), " tokens"));
  }
  if (t.finish() != v1::FINISH_REASON_STOP &&
      t.finish() != v1::FINISH_REASON_LENGTH) {
    return Refused(t, absl::StrCat("finish=", v1::FinishReason_Name(t.finish()),
                                   ", expected STOP or LENGTH"));
  }
  for (const v1::VersionSpan& span : t.versions()) {
    if (span.policy_version() > policy_version) {
      return Refused(t, absl::StrCat("policy_version=", span.policy_version(),
                                     ", expected at most ", policy_version));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckScore(const v1::Trajectory& t, const ItemScore& score) {
  if (!std::isfinite(score.score)) {
    return Refused(t, "its score is not finite");
  }
  const auto length = static_cast<uint32_t>(t.response_token_ids_size());
  for (const v1::TokenReward& reward : score.token_rewards) {
    if (reward.begin() >= reward.end() || reward.end() > length) {
      return Refused(
          t, absl::StrCat("token reward [", reward.begin(), ", ", reward.end(),
                          "), expected a range in ", length, " tokens"));
    }
    if (!std::isfinite(reward.value())) {
      return Refused(t, "a token reward is not finite");
    }
  }
  return absl::OkStatus();
}

struct Field {
  const char* name;
  const std::vector<float>* values;
};

absl::Status CheckFinite(const Experience& e, const Field& field) {
  if (field.values->size() != e.tokens.size()) {
    return absl::InternalError(absl::StrCat(
        "experience broken: ", field.name, " has ", field.values->size(),
        " entries, expected ", e.tokens.size()));
  }
  const auto bad = std::ranges::find_if_not(
      *field.values, [](float x) { return std::isfinite(x); });
  if (bad == field.values->end()) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("experience refused: ", field.name, "=", *bad,
                   ", expected finite numbers; the step is skipped, lower "
                   "ppo.learning_rate if it recurs"));
}

absl::Status CheckLogprobs(const Field& field) {
  const auto bad = std::ranges::find_if(
      *field.values, [](float x) { return x > kLogprobRounding; });
  if (bad == field.values->end()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("experience broken: ", field.name,
                                          "=", *bad, ", expected at most 0"));
}

absl::Status CheckUntrainedRows(const Experience& e) {
  const auto is_zero = [](float x) { return x == 0; };
  for (int64_t i = 0; i < e.responses(); ++i) {
    if (e.trained[i]) continue;
    if (!std::ranges::all_of(e.Row(e.rewards, i), is_zero) ||
        !std::ranges::all_of(e.Row(e.advantages, i), is_zero) ||
        !std::ranges::all_of(e.Row(e.returns, i), is_zero)) {
      return absl::InternalError(
          absl::StrCat("experience broken: trajectory ", e.trajectory_ids[i],
                       " is not trained on but has rewards or advantages"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckScoredTrajectories(
    std::span<const v1::Trajectory> trajectories,
    std::span<const ItemScore> scores, uint64_t policy_version) {
  if (trajectories.size() != scores.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "experience not built: scores=", scores.size(),
        ", expected one for each of ", trajectories.size(), " trajectories"));
  }
  for (size_t i = 0; i < trajectories.size(); ++i) {
    RETURN_IF_ERROR(CheckTrajectory(trajectories[i], policy_version));
    RETURN_IF_ERROR(CheckScore(trajectories[i], scores[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckExperience(const Experience& e) {
  const Field logprobs[] = {{"sampler_logp", &e.sampler_logp},
                            {"old_logp", &e.old_logp},
                            {"ref_logp", &e.ref_logp}};
  const Field others[] = {{"entropy", &e.entropy},
                          {"values", &e.values},
                          {"rewards", &e.rewards},
                          {"advantages", &e.advantages},
                          {"returns", &e.returns}};
  for (const Field& field : logprobs) {
    RETURN_IF_ERROR(CheckFinite(e, field));
    RETURN_IF_ERROR(CheckLogprobs(field));
  }
  for (const Field& field : others) RETURN_IF_ERROR(CheckFinite(e, field));
  const int64_t masked_in = PaddedMask(e).sum().item<int64_t>();
  if (masked_in != e.trained_tokens()) {
    return absl::InternalError(
        absl::StrCat("experience broken: mask sum=", masked_in, ", expected ",
                     e.trained_tokens(), " response tokens"));
  }
  return CheckUntrainedRows(e);
}

}  // namespace operant::learner
