#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "cli/data_tasks.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/preference_dataset.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nReads rows {prompt, response, score, finish}: a run's\n"
    "samples/step_N.jsonl, or what `operant eval --responses` wrote with any\n"
    "scorer. Of each prompt's responses it pairs the best with the worst, and "
    "so\n"
    "on. `operant rm` trains on the rows {prompt, chosen, rejected, margin}.\n"
    "\nExample:\n"
    "  operant eval -c run.yaml eval.final_samples=8000 \\\n"
    "      --responses scored.jsonl\n"
    "  operant data pairs --from scored.jsonl --out pairs.jsonl\n";

struct Flags {
  std::vector<std::string> from;
  std::string out;
  double min_gap = 0;
};

absl::StatusOr<ExitCode> WritePairs(const Flags& flags) {
  std::vector<ScoredSample> samples;
  for (const std::string& path : flags.from)
    RETURN_IF_ERROR(ReadScoredSamples(path, samples));
  const std::vector<PreferencePair> pairs = MakePairs(samples, flags.min_gap);
  if (pairs.empty()) {
    return absl::DataLossError(
        "no pairs: no prompt has two responses whose scores differ by more "
        "than --min-gap; sample several responses per prompt");
  }
  std::string text;
  for (const PreferencePair& pair : pairs) text += ToJsonLine(pair);
  RETURN_IF_ERROR(WriteFileAtomically(flags.out, text));
  std::printf("%s: %zu pairs of %zu responses\n", flags.out.c_str(),
              pairs.size(), samples.size());
  return ExitCode::kDone;
}

}  // namespace

void AddPairsVerb(CLI::App& data, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      data.add_subcommand("pairs", "Preference pairs from scored responses");
  verb->add_option("--from", flags->from, "Scored responses")
      ->type_name("FILE...")
      ->required();
  verb->add_option("--out", flags->out, "File to write")
      ->type_name("FILE")
      ->required();
  verb->add_option("--min-gap", flags->min_gap,
                   "Scores of a pair differ by more than this")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return WritePairs(*flags); }; });
}

}  // namespace operant::cli
