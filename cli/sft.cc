#include "learner/sft.h"

#include <cstdio>
#include <memory>

#include "cli/config_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nRows {prompt, response} of data.sft. With model.init=random it trains\n"
    "a tokenizer and a model from nothing. Started again after an\n"
    "interruption, it goes on from its last checkpoint.\n"
    "\nExample:\n"
    "  operant sft data.sft=rows.jsonl model.path=DIR sft.out=OUT\n";

void PrintProgress(const learner::SftProgress& progress) {
  std::printf("%s\n", learner::FormatSftProgress(progress).c_str());
  std::fflush(stdout);
}

void PrintResult(const std::string& out, const learner::SftResult& result) {
  std::printf("%s: %.2f M parameters, %lld tokens in %.0f s, loss %.3f",
              out.c_str(), result.parameters / 1e6,
              static_cast<long long>(result.tokens), result.seconds,
              result.loss);
  if (result.eval_perplexity.has_value()) {
    std::printf(", held-out perplexity %.2f", *result.eval_perplexity);
  }
  std::printf("\n");
}

absl::StatusOr<ExitCode> Train(const ConfigFlags& flags) {
  ASSIGN_OR_RETURN(const v1::RunConfig config, LoadFor(flags, ConfigUse::kSft));
  InitLoggingAs("sft", 0, config.log());
  InstallShutdownHandlers();
  ASSIGN_OR_RETURN(const learner::SftResult result,
                   learner::RunSft(config, PrintProgress));
  PrintResult(config.sft().out(), result);
  return ExitCode::kDone;
}

}  // namespace

void AddSftVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* verb = app.add_subcommand(
      "sft", "Supervised training: next-token prediction on responses");
  AddConfigFlags(*verb, *flags);
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Train(*flags); }; });
}

}  // namespace operant::cli
