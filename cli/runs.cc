#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/verbs.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "learner/ledger_reader.h"
#include "learner/run_plot.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nReads RUN/ledger.sqlite, also while the run goes on.\n"
    "\nExamples:\n"
    "  operant runs show runs/demo              the last steps\n"
    "  operant runs show runs/demo --step 41    each response of a step: its\n"
    "                                           weights, worker and score\n";
constexpr const char* kPlotFooter =
    "\nReads metrics.jsonl and result.json of each run, also while it goes "
    "on.\n"
    "\nExample:\n"
    "  operant runs plot runs/demo-1 runs/demo-2 --out curves.svg\n";

struct Flags {
  std::string run;
  uint64_t steps = 10;
  int64_t step = -1;
};

struct PlotFlags {
  std::vector<std::string> runs;
  std::string out;
  std::string title = "Runs";
};

// Enough of a digest to tell two apart.
std::string Short(const std::string& raw) {
  return raw.empty() ? "-" : Hex(raw).substr(0, 12);
}

std::string Range(uint64_t low, uint64_t high) {
  return low == high ? absl::StrCat(low) : absl::StrCat(low, "..", high);
}

absl::Status PrintTotals(learner::LedgerReader& ledger) {
  ASSIGN_OR_RETURN(const learner::LedgerTotals totals, ledger.Totals());
  std::printf(
      "steps committed     %llu (%llu skipped), in the checkpoint %llu\n"
      "weights published   up to version %llu\n"
      "responses accepted  %llu, scored %llu\n"
      "leases              %llu, by %llu starts of the learner\n",
      static_cast<unsigned long long>(totals.steps),
      static_cast<unsigned long long>(totals.skipped),
      static_cast<unsigned long long>(totals.last_checkpoint),
      static_cast<unsigned long long>(totals.published),
      static_cast<unsigned long long>(totals.accepted),
      static_cast<unsigned long long>(totals.scored),
      static_cast<unsigned long long>(totals.leases),
      static_cast<unsigned long long>(totals.epochs));
  return absl::OkStatus();
}

absl::Status PrintSteps(learner::LedgerReader& ledger, uint64_t count) {
  ASSIGN_OR_RETURN(const auto steps, ledger.LastSteps(count));
  std::printf("\n%8s %9s %15s %11s %11s  %-12s  %-12s\n", "step", "responses",
              "prompts", "sampled by", "mean score", "manifest",
              "made weights");
  for (const learner::LedgerStep& step : steps) {
    std::printf(
        "%8llu %9llu %15s %11s %11s  %-12s  %-12s%s\n",
        static_cast<unsigned long long>(step.step),
        static_cast<unsigned long long>(step.samples),
        Range(step.first_cursor, step.next_cursor - 1).c_str(),
        absl::StrCat("v", Range(step.oldest_version, step.newest_version))
            .c_str(),
        step.scored > 0 ? absl::StrCat(step.mean_score).c_str() : "-",
        Short(step.manifest_sha256).c_str(), Short(step.weights_sha256).c_str(),
        step.skipped ? "  skipped" : "");
  }
  return absl::OkStatus();
}

absl::Status PrintSamples(learner::LedgerReader& ledger, uint64_t step) {
  ASSIGN_OR_RETURN(const auto samples, ledger.Samples(step));
  if (samples.empty()) {
    return absl::NotFoundError(
        absl::StrCat("the ledger holds no response of step ", step,
                     "; see `operant runs show RUN` for the steps it has"));
  }
  std::printf("%-32s %8s %6s %9s %7s %11s  %-12s  %s\n", "trajectory", "prompt",
              "sample", "sampled", "tokens", "score", "digest",
              "worker, scored by");
  for (const learner::LedgerSample& s : samples) {
    std::printf(
        "%-32s %8llu %6llu %9s %7llu %11s  %-12s  %s, %s\n",
        s.trajectory_id.c_str(),
        static_cast<unsigned long long>(s.prompt_cursor),
        static_cast<unsigned long long>(s.sample_index),
        absl::StrCat("v", Range(s.oldest_version, s.newest_version)).c_str(),
        static_cast<unsigned long long>(s.response_tokens),
        s.scored ? absl::StrCat(s.score).c_str() : "-", Short(s.digest).c_str(),
        s.worker.empty() ? "-" : s.worker.c_str(),
        s.server.empty() ? "-" : s.server.c_str());
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Show(const Flags& flags) {
  ASSIGN_OR_RETURN(auto ledger, learner::LedgerReader::Open(
                                    JoinPath(flags.run, "ledger.sqlite")));
  if (flags.step >= 0) {
    RETURN_IF_ERROR(PrintSamples(*ledger, flags.step));
    return ExitCode::kDone;
  }
  RETURN_IF_ERROR(PrintTotals(*ledger));
  RETURN_IF_ERROR(PrintSteps(*ledger, flags.steps));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> PlotAll(const PlotFlags& flags) {
  ASSIGN_OR_RETURN(const std::string svg,
                   learner::PlotRuns(flags.title, flags.runs));
  RETURN_IF_ERROR(WriteFileAtomically(flags.out, svg));
  std::printf("%s: %d runs\n", flags.out.c_str(),
              static_cast<int>(flags.runs.size()));
  return ExitCode::kDone;
}

void AddPlot(CLI::App& runs, Action& action) {
  auto flags = std::make_shared<PlotFlags>();
  CLI::App* plot = runs.add_subcommand(
      "plot", "Curves of runs over one another: score, KL, length (SVG)");
  plot->add_option("runs", flags->runs, "The runs' directories")
      ->type_name("DIR")
      ->required();
  plot->add_option("--out", flags->out, "The SVG file to write")->required();
  plot->add_option("--title", flags->title, "What stands over it")
      ->capture_default_str();
  plot->footer(kPlotFooter);
  plot->callback(
      [flags, &action] { action = [flags] { return PlotAll(*flags); }; });
}

}  // namespace

void AddRunsVerb(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("runs", "Look at runs");
  verb->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  CLI::App* show = verb->add_subcommand(
      "show",
      "What was trained on, with which weights, scored by which server");
  show->add_option("run", flags->run, "The run's directory")
      ->type_name("DIR")
      ->required();
  show->add_option("--steps", flags->steps, "Show the last this many steps")
      ->capture_default_str();
  show->add_option("--step", flags->step, "Show each response of this step");
  show->footer(kFooter);
  show->callback(
      [flags, &action] { action = [flags] { return Show(*flags); }; });
  AddPlot(*verb, action);
}

}  // namespace operant::cli
