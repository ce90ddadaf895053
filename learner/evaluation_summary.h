// What a set of held-out responses amounts to: the haywire rate with its exact
// interval, by kind, and the figures that would betray a collapse.
#ifndef OPERANT_LEARNER_EVALUATION_SUMMARY_H_
#define OPERANT_LEARNER_EVALUATION_SUMMARY_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "learner/evaluation.h"

namespace operant::learner {

struct EvaluationSummary {
  int64_t responses = 0;
  int64_t haywire = 0;
  double rate = 0;  // haywire / responses
  double low = 0;   // two-sided 95 % Clopper-Pearson
  double high = 1;
  std::map<std::string, int64_t> by_kind;  // a response may count under several
  double mean_score = 0;                   // of scored responses
  double mean_tokens = 0;
  double kl_per_response = 0;  // to the reference, nats
  // Of well-formed responses only: a broken one has no words worth counting.
  double mean_words = 0;
  int64_t distinct_words = 0;
  double distinct3 = 1;
  double verbatim = 0;
};

EvaluationSummary Summarize(
    std::span<const EvaluatedResponse> responses,
    const absl::flat_hash_set<std::string>& training_responses);

// A JSON object with the names above.
std::string ToJson(const EvaluationSummary& summary);

// {prompt, response, finish, score, faults, kl} with its newline.
std::string ToJsonLine(const EvaluatedResponse& response);

// Raw and trained side by side, for a terminal: rates with intervals, kinds,
// variety, and `examples` responses of each.
std::string CompareAsText(std::span<const EvaluatedResponse> raw,
                          const EvaluationSummary& raw_summary,
                          std::span<const EvaluatedResponse> trained,
                          const EvaluationSummary& trained_summary,
                          int examples);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_EVALUATION_SUMMARY_H_
