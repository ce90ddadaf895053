// Preference pairs: two responses to one prompt, one of which is better.
#ifndef OPERANT_COMMON_TEXT_PREFERENCE_DATASET_H_
#define OPERANT_COMMON_TEXT_PREFERENCE_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/text/tokenizer.h"

namespace operant {

// A response, and whether it ended by itself: one that was cut off is told
// from the same text with an end.
struct JudgedResponse {
  std::string text;
  bool stopped = true;

  bool operator==(const JudgedResponse&) const = default;
};

struct PreferencePair {
  std::string prompt;  // may be empty: the responses hold it
  JudgedResponse chosen;
  JudgedResponse rejected;
  double margin = 0;
  int64_t line = 0;  // in its file, from 1
};

// JSONL rows {prompt, chosen, rejected}, optional `margin` (a number >= 0),
// `chosen_finish` and `rejected_finish` ("stop", the default, or "length").
// Errors name file:line and the field: NotFound; DataLoss (not such a row, a
// side that is empty and not said to have stopped, two equal sides, no rows).
absl::StatusOr<std::vector<PreferencePair>> LoadPreferences(
    const std::string& path);

// The ids that a reward model reads: prompt, response, and `eos_id` (unless
// -1) where the response ended by itself. Text never becomes a special token.
std::vector<int32_t> JudgedTokens(const Tokenizer& tokenizer,
                                  const std::string& prompt,
                                  const JudgedResponse& response,
                                  int32_t eos_id);

// A response with its score, to make pairs from.
struct ScoredSample {
  std::string prompt;
  JudgedResponse response;
  double score = 0;
};

// JSONL rows {prompt, response, score, finish} as samples/step_N.jsonl and
// `operant eval --responses` hold them; others' columns are ignored. Appends
// to `samples`. Errors as above.
absl::Status ReadScoredSamples(const std::string& path,
                               std::vector<ScoredSample>& samples);

// Of each prompt's samples the best with the worst, the second best with the
// second worst, and so on while the score differs by more than `min_gap`; the
// margin is the difference. Prompts in the order of their first sample. Pure.
std::vector<PreferencePair> MakePairs(const std::vector<ScoredSample>& samples,
                                      double min_gap);

// A row that LoadPreferences reads, with its newline.
std::string ToJsonLine(const PreferencePair& pair);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_PREFERENCE_DATASET_H_
