#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "cli/offline.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nWrites one JSON line a row, in order: prompt_token_ids,\n"
    "response_token_ids, response_logprobs (nats, of each given response\n"
    "token), response, finish. Nothing is added to prompts or responses.\n"
    "\nExample:\n"
    "  operant logprobs --model DIR --data responses.jsonl\n";

struct Flags {
  OfflineFlags offline;
  double temperature = 1;
};

std::vector<float> Logprobs(const std::vector<TokenScore>& scores) {
  std::vector<float> logprobs;
  for (const TokenScore& score : scores) {
    logprobs.push_back(score.logprob);
  }
  return logprobs;
}

absl::StatusOr<std::vector<rollout::OfflineRow>> ReadRows(
    const std::string& path, const Tokenizer* tokenizer) {
  ASSIGN_OR_RETURN(std::vector<PromptRow> rows,
                   LoadDataset(path, tokenizer, {.need_response = true}));
  std::vector<rollout::OfflineRow> offline;
  for (PromptRow& row : rows) {
    offline.push_back(
        {std::move(row.prompt_token_ids), std::move(row.response_token_ids)});
  }
  return offline;
}

absl::StatusOr<ExitCode> Score(const Flags& flags) {
  ASSIGN_OR_RETURN(const OfflineTools tools, OpenOffline(flags.offline));
  ASSIGN_OR_RETURN(const std::vector<rollout::OfflineRow> rows,
                   ReadRows(flags.offline.data, tools.tokenizer.get()));
  ASSIGN_OR_RETURN(
      const auto scores,
      tools.model->Score(rows, static_cast<float>(flags.temperature)));
  const std::vector<int32_t>& stops = tools.model->config().eos_token_ids;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<int32_t>& response = rows[i].response_token_ids;
    const std::vector<float> logprobs = Logprobs(scores[i]);
    const ResponseRow row = {
        .prompt_token_ids = rows[i].prompt_token_ids,
        .response_token_ids = response,
        .response_logprobs = logprobs,
        .stopped = std::count(stops.begin(), stops.end(), response.back()) > 0};
    std::fputs(ToJsonLine(row, tools.tokenizer.get()).c_str(), stdout);
  }
  return ExitCode::kDone;
}

}  // namespace

void AddLogprobsVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand(
      "logprobs", "Log-probabilities of given responses under a model folder");
  AddOfflineFlags(*verb, flags->offline);
  verb->get_option("--data")->required();
  verb->add_option("--temperature", flags->temperature, "Divides the logits")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Score(*flags); }; });
}

}  // namespace operant::cli
