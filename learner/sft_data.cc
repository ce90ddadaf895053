#include "learner/sft_data.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/philox.h"
#include "common/base/status_macros.h"
#include "common/text/prompt_dataset.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

// Philox stream of the shuffles; epochs count up from it.
constexpr uint64_t kShuffleStream = 0x5F70'0000'0000;
constexpr uint64_t kMaxLineBytes = 16 << 20;  // as LoadDataset

SftRow JoinRow(PromptRow& row, bool loss_on_prompt) {
  SftRow joined;
  joined.tokens = std::move(row.prompt_token_ids);
  joined.first_trained =
      loss_on_prompt
          ? 1
          : std::max<int32_t>(1, static_cast<int32_t>(joined.tokens.size()));
  joined.tokens.insert(joined.tokens.end(), row.response_token_ids.begin(),
                       row.response_token_ids.end());
  return joined;
}

// Rows that do not fit, so far.
struct Overlong {
  int64_t count = 0;
  size_t worst_tokens = 0;
  int64_t worst_line = 0;

  void Add(size_t tokens, int64_t line) {
    ++count;
    if (tokens <= worst_tokens) return;
    worst_tokens = tokens;
    worst_line = line;
  }
};

absl::Status OverlongError(const std::string& path, const Overlong& overlong,
                           int64_t max_tokens) {
  return absl::DataLossError(absl::StrCat(
      "rows are too long: ", path, " has ", overlong.count,
      " rows over the model's ", max_tokens, " positions, the worst at line ",
      overlong.worst_line, " with ", overlong.worst_tokens,
      " tokens; shorten them, raise model.max_position_embeddings or set "
      "data.overlong=drop"));
}

absl::Status TextOf(const nlohmann::json& row, const char* key,
                    std::vector<std::string>& texts) {
  const auto it = row.find(key);
  if (it == row.end()) return absl::OkStatus();
  if (!it->is_string()) {
    return absl::DataLossError(absl::StrCat(key, " is not a text"));
  }
  texts.push_back(it->get<std::string>());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SftRow>> LoadSftRows(const std::string& path,
                                                const Tokenizer& tokenizer,
                                                const SftDataOptions& options) {
  DatasetOptions dataset;
  dataset.need_response = true;
  dataset.response_suffix_id = options.eos_id;
  ASSIGN_OR_RETURN(std::vector<PromptRow> loaded,
                   LoadDataset(path, &tokenizer, dataset));
  std::vector<SftRow> rows;
  Overlong overlong;
  for (PromptRow& row : loaded) {
    SftRow joined = JoinRow(row, options.loss_on_prompt);
    const size_t tokens = joined.tokens.size();
    if (tokens > static_cast<size_t>(options.max_tokens)) {
      overlong.Add(tokens, row.line);
    } else if (static_cast<size_t>(joined.first_trained) < tokens) {
      rows.push_back(std::move(joined));
    }
  }
  if (overlong.count > 0 && !options.drop_overlong) {
    return OverlongError(path, overlong, options.max_tokens);
  }
  if (overlong.count > 0) {
    LogWarning("overlong rows dropped",
               {{"file", path}, {"rows", overlong.count}});
  }
  if (rows.empty()) {
    return absl::DataLossError(
        absl::StrCat("no rows to train on: ", path,
                     " has no row with a response that fits; check data.sft"));
  }
  return rows;
}

absl::StatusOr<SftTexts> ReadSftTexts(const std::string& path) {
  SftTexts texts;
  RETURN_IF_ERROR(ForEachLine(
      path, kMaxLineBytes,
      [&](int64_t number, std::string_view line) -> absl::Status {
        if (line.find_first_not_of(" \t\r") == line.npos) {
          return absl::OkStatus();
        }
        const auto row = nlohmann::json::parse(line, nullptr, false);
        absl::Status status = row.is_object()
                                  ? TextOf(row, "prompt", texts.prompts)
                                  : absl::DataLossError("not a JSON object");
        if (status.ok()) status = TextOf(row, "response", texts.responses);
        if (status.ok()) return status;
        return absl::DataLossError(absl::StrCat("cannot read ", path, ":",
                                                number, ": ", status.message(),
                                                "; correct the line"));
      }));
  if (!texts.responses.empty() || !texts.prompts.empty()) return texts;
  return absl::DataLossError(
      absl::StrCat("no text to train a tokenizer on: ", path,
                   " has no prompt and no response; check data.sft or set "
                   "tokenizer.path"));
}

std::vector<std::vector<int64_t>> PlanEpoch(const std::vector<SftRow>& rows,
                                            int64_t batch_tokens, uint64_t seed,
                                            int64_t epoch) {
  std::vector<std::pair<uint64_t, int64_t>> order;
  order.reserve(rows.size());
  const uint64_t stream = kShuffleStream + static_cast<uint64_t>(epoch);
  for (size_t i = 0; i < rows.size(); ++i) {
    order.emplace_back(PhiloxUint64(seed, stream, i), i);
  }
  std::sort(order.begin(), order.end());

  std::vector<std::vector<int64_t>> batches;
  int64_t tokens = batch_tokens;  // opens the first batch
  for (const auto& [key, row] : order) {
    if (tokens >= batch_tokens) {
      batches.emplace_back();
      tokens = 0;
    }
    batches.back().push_back(row);
    tokens += static_cast<int64_t>(rows[row].tokens.size());
  }
  return batches;
}

SftBatches::SftBatches(const std::vector<SftRow>& rows, int64_t batch_tokens,
                       uint64_t seed)
    : rows_(rows), batch_tokens_(batch_tokens), seed_(seed) {
  PlanNextEpoch();
}

void SftBatches::PlanNextEpoch() {
  first_step_ += static_cast<int64_t>(plan_.size());
  plan_ = PlanEpoch(rows_, batch_tokens_, seed_, ++epoch_);
}

int64_t SftBatches::StepsOf(double epochs) const {
  // Epochs differ by a batch at most: each is cut at the same token count.
  const double steps = epochs * static_cast<double>(plan_.size());
  return std::max<int64_t>(1, static_cast<int64_t>(steps + 0.5));
}

const std::vector<int64_t>& SftBatches::BatchOf(int64_t step) {
  while (step - first_step_ >= static_cast<int64_t>(plan_.size())) {
    PlanNextEpoch();
  }
  return plan_[step - first_step_];
}

}  // namespace operant::learner
