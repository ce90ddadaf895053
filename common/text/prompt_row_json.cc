#include "common/text/prompt_row_json.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"

namespace operant {
namespace {

constexpr const char* kKnownColumns[] = {
    "prompt",       "response",    "prompt_token_ids", "response_token_ids",
    "ground_truth", "data_source", "metadata"};

absl::Status ChatError(const char* field) {
  return absl::UnimplementedError(
      absl::StrCat(field,
                   ": chat messages are not supported yet; render them with "
                   "the model's chat template and give the text as prompt"));
}

absl::StatusOr<std::vector<int32_t>> ParseIds(const nlohmann::json& json,
                                              const char* field,
                                              const Tokenizer* tokenizer) {
  std::vector<int32_t> ids;
  if (json.is_null()) return ids;
  if (!json.is_array()) return MalformedError(field, "expected a list of ids");
  const int64_t limit = tokenizer != nullptr
                            ? tokenizer->vocab_size()
                            : int64_t{std::numeric_limits<int32_t>::max()};
  ids.reserve(json.size());
  for (const nlohmann::json& id : json) {
    if (!id.is_number_unsigned() ||
        id.get<uint64_t>() >= static_cast<uint64_t>(limit)) {
      return MalformedError(
          field, absl::StrCat("expected token ids in [0, ", limit, ")"));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

// A string, or a number as it is written.
absl::StatusOr<std::string> ParseGroundTruth(const nlohmann::json& json) {
  if (json.is_null()) return std::string();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number()) return json.dump();
  return MalformedError("ground_truth", "expected a string or a number");
}

// The object `metadata` together with the columns that have no meaning to us.
absl::StatusOr<std::string> CollectMetadata(const nlohmann::json& row) {
  nlohmann::json metadata = Member(row, "metadata");
  if (metadata.is_null()) metadata = nlohmann::json::object();
  if (!metadata.is_object()) {
    return MalformedError("metadata", "expected an object");
  }
  for (const auto& [name, value] : row.items()) {
    if (std::find(std::begin(kKnownColumns), std::end(kKnownColumns), name) !=
        std::end(kKnownColumns)) {
      continue;
    }
    if (!metadata.emplace(name, value).second) {
      return MalformedError(name, "is a column and in metadata; keep one");
    }
  }
  return metadata.empty() ? std::string() : metadata.dump();
}

absl::Status FillPrompt(const nlohmann::json& json, const Tokenizer* tokenizer,
                        const DatasetOptions& options, PromptRow* row) {
  if (Member(json, "prompt").is_array()) return ChatError("prompt");
  ASSIGN_OR_RETURN(row->prompt, StringMember(json, "prompt", "row"));
  ASSIGN_OR_RETURN(row->prompt_token_ids,
                   ParseIds(Member(json, "prompt_token_ids"),
                            "prompt_token_ids", tokenizer));
  if (!row->prompt_token_ids.empty()) return absl::OkStatus();
  if (row->prompt.empty()) {
    return MalformedError("prompt", "empty or missing, expected some text");
  }
  if (tokenizer == nullptr) {
    return MalformedError("prompt_token_ids",
                          "missing, expected ids: no tokenizer is loaded");
  }
  row->prompt_token_ids = tokenizer->Encode(row->prompt, options.plain_text);
  if (row->prompt_token_ids.empty()) {
    return MalformedError("prompt", "gives no token with this tokenizer");
  }
  return absl::OkStatus();
}

absl::Status FillResponse(const nlohmann::json& json,
                          const Tokenizer* tokenizer,
                          const DatasetOptions& options, PromptRow* row) {
  ASSIGN_OR_RETURN(row->response, StringMember(json, "response", "row"));
  const nlohmann::json& ids = Member(json, "response_token_ids");
  ASSIGN_OR_RETURN(row->response_token_ids,
                   ParseIds(ids, "response_token_ids", tokenizer));
  if (ids.is_null() && !Member(json, "response").is_null()) {
    if (tokenizer == nullptr) {
      return MalformedError("response_token_ids",
                            "missing, expected ids: no tokenizer is loaded");
    }
    row->response_token_ids =
        tokenizer->Encode(row->response, options.plain_text);
    if (options.response_suffix_id >= 0) {
      row->response_token_ids.push_back(options.response_suffix_id);
    }
  }
  if (options.need_response && row->response_token_ids.empty()) {
    return MalformedError("response", "empty or missing, expected some text");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PromptRow> ParsePromptRow(std::string_view line,
                                         const Tokenizer* tokenizer,
                                         const DatasetOptions& options) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(line));
  if (!json.is_object()) return MalformedError("row", "expected an object");
  if (json.contains("messages")) return ChatError("messages");
  PromptRow row;
  RETURN_IF_ERROR(FillPrompt(json, tokenizer, options, &row));
  RETURN_IF_ERROR(FillResponse(json, tokenizer, options, &row));
  ASSIGN_OR_RETURN(row.ground_truth,
                   ParseGroundTruth(Member(json, "ground_truth")));
  ASSIGN_OR_RETURN(row.data_source, StringMember(json, "data_source", "row"));
  ASSIGN_OR_RETURN(row.metadata_json, CollectMetadata(json));
  return row;
}

}  // namespace operant
