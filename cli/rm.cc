#include "learner/rm.h"

#include <cstdio>
#include <memory>

#include "cli/config_flags.h"
#include "cli/verbs.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nRows {prompt, chosen, rejected} of data.preferences (`operant data\n"
    "pairs` makes some); it starts from model.path. What comes out is a "
    "Hugging\n"
    "Face sequence-classification folder; reward.scorer=preference-model "
    "serves\n"
    "it. Started again after an interruption, it goes on where it stopped.\n"
    "\nExample:\n"
    "  operant rm model.path=DIR data.preferences=pairs.jsonl rm.out=REWARD\n"
    "  operant train -c run.yaml reward.scorer=preference-model \\\n"
    "      reward.preference_model.path=REWARD\n";

void PrintProgress(const learner::RmProgress& progress) {
  std::printf("%s\n", learner::FormatRmProgress(progress).c_str());
  std::fflush(stdout);
}

void PrintResult(const std::string& out, const learner::RmResult& result) {
  std::printf("%s: %lld pairs, %lld steps in %.0f s, right on %.1f %%",
              out.c_str(), static_cast<long long>(result.pairs),
              static_cast<long long>(result.steps), result.seconds,
              100 * result.trained.accuracy);
  if (result.held_out.has_value())
    std::printf(", held out %.1f %%", 100 * result.held_out->accuracy);
  std::printf(
      "\nscores of mean 0 and deviation 1: "
      "reward.preference_model.mean=%.4f reward.preference_model.std=%.4f\n",
      result.trained.mean, result.trained.std);
}

absl::StatusOr<ExitCode> Train(const ConfigFlags& flags) {
  ASSIGN_OR_RETURN(const v1::RunConfig config, LoadFor(flags, ConfigUse::kRm));
  InitLoggingAs("rm", 0, config.log());
  InstallShutdownHandlers();
  ASSIGN_OR_RETURN(const learner::RmResult result,
                   learner::RunRm(config, PrintProgress));
  PrintResult(config.rm().out(), result);
  return ExitCode::kDone;
}

}  // namespace

void AddRmVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ConfigFlags>();
  CLI::App* verb =
      app.add_subcommand("rm", "Train a reward model from preference pairs");
  AddConfigFlags(*verb, *flags);
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Train(*flags); }; });
}

}  // namespace operant::cli
