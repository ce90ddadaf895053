// One line of a JSONL dataset.
#ifndef OPERANT_COMMON_TEXT_PROMPT_ROW_JSON_H_
#define OPERANT_COMMON_TEXT_PROMPT_ROW_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "common/text/prompt_dataset.h"

namespace operant {

// Parses a row and encodes what it gives as text. DataLoss, naming the field;
// Unimplemented for chat messages. `line` of the result is not set.
absl::StatusOr<PromptRow> ParsePromptRow(std::string_view line,
                                         const Tokenizer* tokenizer,
                                         const DatasetOptions& options);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_PROMPT_ROW_JSON_H_
