// What a set of responses looks like: length, variety, copying. Printed beside
// the failure rate, because a model that always says the same safe thing has
// not passed.
#ifndef OPERANT_LEARNER_RESPONSE_STATS_H_
#define OPERANT_LEARNER_RESPONSE_STATS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"

namespace operant::learner {

// Variety falls with the number of responses it is counted over, so it is
// always counted over the first so many: figures of two sets compare.
constexpr int64_t kDistinctWordsResponses = 4000;
constexpr int64_t kDistinct3Responses = 2000;

struct ResponseStats {
  int64_t responses = 0;
  double mean_words = 0;
  int64_t distinct_words = 0;  // over the first kDistinctWordsResponses
  // Different word trigrams / all word trigrams, within responses, over the
  // first kDistinct3Responses; 1 without any trigram.
  double distinct3 = 1;
  double verbatim = 0;  // share found in the training texts
};

// Words are maximal runs without ASCII white space. `training_texts` and
// responses are compared without leading and trailing white space; put texts
// in through Trimmed().
ResponseStats ComputeResponseStats(
    std::span<const std::string> responses,
    const absl::flat_hash_set<std::string>& training_texts);

// `text` without leading and trailing ASCII white space.
std::string_view Trimmed(std::string_view text);

// How often each kind occurs; "" (no failure) is left out.
std::map<std::string, int64_t> CountByKind(std::span<const std::string> kinds);

}  // namespace operant::learner

#endif  // OPERANT_LEARNER_RESPONSE_STATS_H_
