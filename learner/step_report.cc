#include "learner/step_report.h"

#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

double Rate(double count, double seconds) {
  return seconds > 0 ? count / seconds : 0;
}

double Share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

void AddExperience(const ExperienceStats& e, std::vector<Figure>& out) {
  out.insert(out.end(),
             {{"score_mean", e.score.mean},
              {"score_stddev", e.score.deviation},
              {"reward_per_response", e.reward_per_response},
              {"response_tokens_mean", e.mean_length},
              {"response_tokens_max", static_cast<double>(e.max_length)},
              {"truncated", Share(e.truncated, e.responses)},
              {"ignored", static_cast<double>(e.ignored)},
              {"dropped", static_cast<double>(e.dropped)},
              {"replaced", static_cast<double>(e.replaced)},
              {"zero_variance_groups", Share(e.zero_variance_groups, e.groups)},
              {"reference_kl_per_response", e.reference_kl_per_response},
              {"reference_kl_per_token", e.reference_kl_per_token},
              {"sampler_kl_per_token", e.sampler_kl_per_token},
              {"sampler_gap_mean", e.sampler_gap_mean},
              {"sampler_gap_p99", e.sampler_gap_p99},
              {"sampler_gap_max", e.sampler_gap_max},
              {"importance_truncated", e.importance_truncated},
              {"entropy", e.entropy},
              {"advantage_mean", e.advantage.mean},
              {"advantage_stddev", e.advantage.deviation},
              {"return_mean", e.return_.mean},
              {"value_mean", e.value.mean},
              {"explained_variance", e.explained_variance},
              {"staleness_mean", e.mean_staleness},
              {"staleness_max", static_cast<double>(e.max_staleness)}});
}

void AddUpdate(const UpdateStats& u, std::vector<Figure>& out) {
  out.insert(out.end(),
             {{"policy_loss", u.policy_loss},
              {"value_loss", u.value_loss},
              {"update_entropy", u.entropy},
              {"clip_low", u.clip_low},
              {"clip_high", u.clip_high},
              {"update_kl_k1", u.update_kl_k1},
              {"update_kl_k2", u.update_kl_k2},
              {"update_kl_k3", u.update_kl_k3},
              {"initial_ratio_deviation", u.initial_ratio_deviation},
              {"gradient_norm", u.gradient_norm},
              {"optimizer_steps", static_cast<double>(u.optimizer_steps)},
              {"skipped_steps", static_cast<double>(u.skipped_steps)},
              {"kept_responses", static_cast<double>(u.kept_responses)}});
}

void AddTimes(const StepReport& r, std::vector<Figure>& out) {
  const StageSeconds& s = r.seconds;
  out.insert(
      out.end(),
      {{"train_seconds", r.train_seconds},
       {"step_seconds", s.total},
       {"wait_seconds", s.wait},
       {"generate_seconds", s.generate},
       {"score_seconds", s.score},
       {"experience_seconds", s.experience},
       {"update_seconds", s.update},
       {"publish_seconds", s.publish},
       {"responses_per_second",
        Rate(static_cast<double>(r.step_responses), s.total)},
       {"tokens_per_second", Rate(static_cast<double>(r.step_tokens), s.total)},
       {"generated_tokens_per_second",
        Rate(static_cast<double>(r.step_tokens), s.generate)}});
}

}  // namespace

std::vector<Figure> FiguresOf(const StepReport& r) {
  std::vector<Figure> out = {{"step", static_cast<double>(r.step)},
                             {"responses", static_cast<double>(r.responses)},
                             {"tokens", static_cast<double>(r.tokens)},
                             {"haywire", r.haywire},
                             {"kl_coefficient", r.kl_coefficient},
                             {"learning_rate_scale", r.learning_rate_scale}};
  AddExperience(r.experience, out);
  AddUpdate(r.update, out);
  AddTimes(r, out);
  return out;
}

std::string ToJsonRow(const StepReport& report) {
  nlohmann::ordered_json row;
  for (const Figure& figure : FiguresOf(report)) {
    const auto whole = static_cast<int64_t>(figure.value);
    if (static_cast<double>(whole) == figure.value) {
      row[figure.name] = whole;
    } else {
      row[figure.name] = figure.value;
    }
  }
  row["components"] = report.experience.components;
  return row.dump();
}

}  // namespace operant::learner
