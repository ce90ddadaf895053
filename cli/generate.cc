#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/offline.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nWrites one JSON line a prompt, in order: prompt_token_ids,\n"
    "response_token_ids, response_logprobs, response, finish. Nothing is\n"
    "added to a prompt: no BOS, no template.\n"
    "\nExamples:\n"
    "  operant generate --model runs/demo/model --prompt 'apple (noun):'\n"
    "  operant generate --model DIR --data prompts.jsonl --greedy \\\n"
    "      --max-tokens 64 > responses.jsonl\n";

struct Flags {
  OfflineFlags offline;
  std::string prompt;
  bool greedy = false;
  double temperature = 1;
  double top_p = 1;
  int top_k = 0;
  int max_tokens = 64;
  uint64_t seed = 1;
};

using Prompts = std::vector<std::vector<int32_t>>;

absl::StatusOr<Prompts> ReadPrompts(const Flags& flags,
                                    const Tokenizer* tokenizer) {
  if (!flags.offline.data.empty()) {
    ASSIGN_OR_RETURN(std::vector<PromptRow> rows,
                     LoadDataset(flags.offline.data, tokenizer, {}));
    Prompts prompts;
    for (PromptRow& row : rows) {
      prompts.push_back(std::move(row.prompt_token_ids));
    }
    return prompts;
  }
  if (tokenizer == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("cannot read --prompt: ", flags.offline.model,
                     " has no tokenizer.json; give ids with --data"));
  }
  return Prompts{tokenizer->Encode(flags.prompt)};
}

absl::StatusOr<ExitCode> Generate(const Flags& flags) {
  ASSIGN_OR_RETURN(const OfflineTools tools, OpenOffline(flags.offline));
  ASSIGN_OR_RETURN(const Prompts prompts,
                   ReadPrompts(flags, tools.tokenizer.get()));
  const rollout::Sampling sampling = {
      .temperature = flags.greedy ? 0 : static_cast<float>(flags.temperature),
      .top_p = static_cast<float>(flags.top_p),
      .top_k = flags.top_k,
      .max_response_tokens = flags.max_tokens,
      .stop_token_ids = tools.model->config().eos_token_ids};
  ASSIGN_OR_RETURN(const auto responses,
                   tools.model->Generate(prompts, sampling, flags.seed));
  for (size_t i = 0; i < responses.size(); ++i) {
    const ResponseRow row = {
        .prompt_token_ids = prompts[i],
        .response_token_ids = responses[i].token_ids,
        .response_logprobs = responses[i].logprobs,
        .stopped = responses[i].finish == v1::FINISH_REASON_STOP};
    std::fputs(ToJsonLine(row, tools.tokenizer.get()).c_str(), stdout);
  }
  return ExitCode::kDone;
}

}  // namespace

void AddGenerateVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("generate", "Sample responses from a model folder");
  AddOfflineFlags(*verb, flags->offline);
  CLI::Option* data = verb->get_option("--data");
  CLI::Option* prompt =
      verb->add_option("--prompt", flags->prompt, "One prompt, as text")
          ->type_name("TEXT")
          ->excludes(data);
  CLI::Option* greedy =
      verb->add_flag("--greedy", flags->greedy, "Take the likeliest token");
  verb->add_option("--temperature", flags->temperature, "0 is greedy")
      ->check(CLI::NonNegativeNumber)
      ->excludes(greedy)
      ->capture_default_str();
  verb->add_option("--top-p", flags->top_p, "Nucleus mass; 1 is off")
      ->capture_default_str();
  verb->add_option("--top-k", flags->top_k, "Likeliest tokens; 0 is off")
      ->capture_default_str();
  verb->add_option("--max-tokens", flags->max_tokens, "Response tokens")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--seed", flags->seed, "Of the sampling")
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback([flags, data, prompt, &action] {
    if (data->empty() && prompt->empty()) {
      throw CLI::RequiredError("--data or --prompt");
    }
    action = [flags] { return Generate(*flags); };
  });
}

}  // namespace operant::cli
