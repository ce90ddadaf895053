#include "learner/evaluation_summary.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "learner/clopper_pearson.h"
#include "learner/response_stats.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

void AddVariety(std::span<const EvaluatedResponse> responses,
                const absl::flat_hash_set<std::string>& training_responses,
                EvaluationSummary& summary) {
  std::vector<std::string> wellformed;
  for (const EvaluatedResponse& r : responses)
    if (!r.haywire()) wellformed.push_back(r.response);
  const ResponseStats stats =
      ComputeResponseStats(wellformed, training_responses);
  summary.mean_words = stats.mean_words;
  summary.distinct_words = stats.distinct_words;
  summary.distinct3 = stats.distinct3;
  summary.verbatim = stats.verbatim;
}

std::string RateText(const EvaluationSummary& s) {
  return absl::StrFormat("%.3f %% [%.3f, %.3f]", 100 * s.rate, 100 * s.low,
                         100 * s.high);
}

std::string KindsText(const EvaluationSummary& s) {
  if (s.by_kind.empty()) return "none";
  return absl::StrJoin(s.by_kind, ", ", [](std::string* out, const auto& kind) {
    absl::StrAppend(out, kind.first, " ", kind.second);
  });
}

void AppendRow(std::string& out, const char* name, const std::string& raw,
               const std::string& trained) {
  absl::StrAppendFormat(&out, "  %-26s %-34s %s\n", name, raw, trained);
}

void AppendExamples(std::string& out, const char* title,
                    std::span<const EvaluatedResponse> responses, int count) {
  absl::StrAppend(&out, "\n  ", title, "\n");
  const size_t stride = std::max<size_t>(1, responses.size() / (count + 1));
  for (int i = 1; i <= count && i * stride < responses.size(); ++i) {
    const EvaluatedResponse& r = responses[i * stride];
    absl::StrAppendFormat(&out, "    %s %s%s\n", r.haywire() ? "x" : " ",
                          r.prompt, r.response);
  }
}

}  // namespace

EvaluationSummary Summarize(
    std::span<const EvaluatedResponse> responses,
    const absl::flat_hash_set<std::string>& training_responses) {
  EvaluationSummary s;
  s.responses = static_cast<int64_t>(responses.size());
  int64_t scored = 0;
  for (const EvaluatedResponse& r : responses) {
    s.haywire += r.haywire();
    for (const std::string& fault : r.faults) ++s.by_kind[fault];
    scored += r.scored;
    if (r.scored) s.mean_score += r.score;
    s.mean_tokens += r.tokens;
    s.kl_per_response += r.kl;
  }
  if (scored > 0) s.mean_score /= static_cast<double>(scored);
  if (s.responses > 0) {
    s.rate = static_cast<double>(s.haywire) / static_cast<double>(s.responses);
    s.mean_tokens /= static_cast<double>(s.responses);
    s.kl_per_response /= static_cast<double>(s.responses);
  }
  const RateInterval interval = ClopperPearson(s.haywire, s.responses);
  s.low = interval.low;
  s.high = interval.high;
  AddVariety(responses, training_responses, s);
  return s;
}

std::string ToJson(const EvaluationSummary& s) {
  return nlohmann::json{{"haywire", s.haywire},
                        {"responses", s.responses},
                        {"rate", s.rate},
                        {"low", s.low},
                        {"high", s.high},
                        {"by_kind", s.by_kind},
                        {"mean_score", s.mean_score},
                        {"mean_tokens", s.mean_tokens},
                        {"kl_per_response", s.kl_per_response},
                        {"mean_words", s.mean_words},
                        {"distinct_words", s.distinct_words},
                        {"distinct3", s.distinct3},
                        {"verbatim", s.verbatim}}
      .dump();
}

std::string ToJsonLine(const EvaluatedResponse& r) {
  const nlohmann::json row = {
      {"prompt", r.prompt},
      {"response", r.response},
      {"finish", r.finish == v1::FINISH_REASON_LENGTH ? "length" : "stop"},
      {"score", r.score},
      {"faults", r.faults},
      {"kl", r.kl}};
  return row.dump() + "\n";
}

std::string CompareAsText(std::span<const EvaluatedResponse> raw,
                          const EvaluationSummary& raw_summary,
                          std::span<const EvaluatedResponse> trained,
                          const EvaluationSummary& trained_summary,
                          int examples) {
  const EvaluationSummary& r = raw_summary;
  const EvaluationSummary& t = trained_summary;
  const auto number = [](double x, int digits) {
    return absl::StrFormat("%.*f", digits, x);
  };
  std::string out;
  AppendRow(out, "", "raw", "trained");
  AppendRow(out, "haywire (95 % interval)", RateText(r), RateText(t));
  AppendRow(out, "haywire responses",
            absl::StrCat(r.haywire, " of ", r.responses),
            absl::StrCat(t.haywire, " of ", t.responses));
  AppendRow(out, "kinds", KindsText(r), KindsText(t));
  AppendRow(out, "mean score", number(r.mean_score, 4),
            number(t.mean_score, 4));
  AppendRow(out, "words per response", number(r.mean_words, 2),
            number(t.mean_words, 2));
  AppendRow(out, "distinct words (4,000)", absl::StrCat(r.distinct_words),
            absl::StrCat(t.distinct_words));
  AppendRow(out, "distinct-3 (2,000)", number(r.distinct3, 3),
            number(t.distinct3, 3));
  AppendRow(out, "verbatim from training", number(100 * r.verbatim, 2) + " %",
            number(100 * t.verbatim, 2) + " %");
  AppendRow(out, "KL to reference, nats", number(r.kl_per_response, 2),
            number(t.kl_per_response, 2));
  AppendExamples(out, "raw (x: haywire)", raw, examples);
  AppendExamples(out, "trained", trained, examples);
  return out;
}

}  // namespace operant::learner
