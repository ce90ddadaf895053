// JSONL datasets: prompts to train on, and prompt/response pairs.
#ifndef OPERANT_COMMON_TEXT_PROMPT_DATASET_H_
#define OPERANT_COMMON_TEXT_PROMPT_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/text/tokenizer.h"

namespace operant {

// One row. Ids are given or encoded from the text, without BOS.
struct PromptRow {
  std::string prompt;    // as given: "" if only ids are, never cut
  std::string response;  // empty in prompt files
  std::vector<int32_t> prompt_token_ids;
  std::vector<int32_t> response_token_ids;
  std::string ground_truth;
  std::string data_source;
  std::string metadata_json;  // an object, "" if none; unknown columns go here
  int64_t line = 0;           // in its file, from 1
};

struct DatasetOptions {
  bool need_response = false;
  // Prompts with more tokens are overlong; 0: no limit.
  int32_t max_prompt_tokens = 0;
  enum class Overlong { kError, kDrop, kCutLeft, kCutRight };
  Overlong overlong = Overlong::kError;
  // Appended to encoded response text (the end-of-sequence id); -1: nothing.
  int32_t response_suffix_id = -1;
  // Whether texts never become special tokens (see Tokenizer::Encode): for
  // files whose author is not trusted.
  bool plain_text = false;
};

// Rows `{prompt, response}` as text or `{prompt_token_ids,
// response_token_ids}`; also `ground_truth` (string or number), `data_source`,
// `metadata` (object). `messages` is refused until chat templates exist.
// `tokenizer` may be null if every row gives ids.
//
// Errors name file:line and the field: NotFound; DataLoss (not JSON, not an
// object, empty prompt, wrong type, invalid UTF-8, line over 16 MiB, no rows);
// for overlong rows with kError: the count, the limit and the three worst
// lines.
absl::StatusOr<std::vector<PromptRow>> LoadDataset(
    const std::string& path, const Tokenizer* tokenizer,
    const DatasetOptions& options);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_PROMPT_DATASET_H_
