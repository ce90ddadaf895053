#include "common/text/prompt_dataset.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/prompt_row_json.h"

namespace operant {
namespace {

constexpr uint64_t kMaxLineBytes = uint64_t{16} << 20;
constexpr size_t kWorstShown = 3;

using Overlong = DatasetOptions::Overlong;

int64_t PromptTokens(const PromptRow& row) {
  return static_cast<int64_t>(row.prompt_token_ids.size());
}

// Removes tokens at the left or the right until `limit` are left.
void CutPrompt(int64_t limit, Overlong side, std::vector<int32_t>* ids) {
  if (side == Overlong::kCutLeft) {
    ids->erase(ids->begin(), ids->end() - limit);
  } else {
    ids->resize(limit);
  }
}

absl::Status OverlongError(const std::string& path, int32_t limit,
                           std::vector<PromptRow> overlong) {
  std::stable_sort(overlong.begin(), overlong.end(),
                   [](const PromptRow& a, const PromptRow& b) {
                     return PromptTokens(a) > PromptTokens(b);
                   });
  std::string worst;
  for (size_t i = 0; i < std::min(kWorstShown, overlong.size()); ++i) {
    absl::StrAppend(&worst, i == 0 ? "" : ", ", path, ":", overlong[i].line,
                    " (", PromptTokens(overlong[i]), " tokens)");
  }
  return absl::DataLossError(absl::StrCat(
      "prompts too long: rows=", overlong.size(), ", expected at most ", limit,
      " tokens each, worst ", worst,
      "; raise data.max_prompt_tokens or set data.overlong to drop, left or "
      "right"));
}

// Applies the policy for rows over the limit.
absl::Status HandleOverlong(const std::string& path,
                            const DatasetOptions& options,
                            std::vector<PromptRow>* rows) {
  const int32_t limit = options.max_prompt_tokens;
  const auto is_overlong = [&](const PromptRow& row) {
    return PromptTokens(row) > limit;
  };
  if (limit <= 0) return absl::OkStatus();
  if (options.overlong == Overlong::kDrop) {
    std::erase_if(*rows, is_overlong);
    return absl::OkStatus();
  }
  std::vector<PromptRow> overlong;
  for (PromptRow& row : *rows) {
    if (!is_overlong(row)) continue;
    if (options.overlong == Overlong::kError) {
      overlong.push_back(row);
    } else {
      CutPrompt(limit, options.overlong, &row.prompt_token_ids);
    }
  }
  if (overlong.empty()) return absl::OkStatus();
  return OverlongError(path, limit, std::move(overlong));
}

absl::StatusOr<std::vector<PromptRow>> ReadRows(const std::string& path,
                                                const Tokenizer* tokenizer,
                                                const DatasetOptions& options) {
  std::vector<PromptRow> rows;
  const auto add_row = [&](int64_t number,
                           std::string_view line) -> absl::Status {
    auto row = ParsePromptRow(line, tokenizer, options);
    if (!row.ok()) {
      return absl::Status(
          row.status().code(),
          absl::StrCat(path, ":", number, ": ", row.status().message()));
    }
    row->line = number;
    rows.push_back(*std::move(row));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(ForEachLine(path, kMaxLineBytes, add_row));
  return rows;
}

// A dataset's contents are data: a line over the limit is DataLoss, too.
absl::Status AsDataError(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  return absl::DataLossError(status.message());
}

}  // namespace

absl::StatusOr<std::vector<PromptRow>> LoadDataset(
    const std::string& path, const Tokenizer* tokenizer,
    const DatasetOptions& options) {
  auto rows = ReadRows(path, tokenizer, options);
  if (!rows.ok()) return AsDataError(rows.status());
  RETURN_IF_ERROR(HandleOverlong(path, options, &*rows));
  if (rows->empty()) {
    return absl::DataLossError(
        absl::StrCat(path,
                     ": rows=0, expected at least one row within the "
                     "limits; give a JSONL file with {\"prompt\": ...} "
                     "on each line"));
  }
  return rows;
}

}  // namespace operant
