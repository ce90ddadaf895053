#include "cli/data_tasks.h"

#include <cstdio>
#include <memory>
#include <string>

#include "common/base/status_macros.h"
#include "common/text/task_data.h"

namespace operant::cli {
namespace {

constexpr const char* kFiles =
    "\nWrites examples.jsonl (prompt, response; a share of them wrong),\n"
    "prompts.jsonl and heldout_prompts.jsonl (prompt, ground_truth) and\n"
    "heldout.jsonl (prompt, right response).\n";
constexpr const char* kAdditionFooter =
    "With --ratings also ratings.jsonl (prompt, response, rating): every\n"
    "whole number as an answer to every prompt.\n"
    "\nExample:\n"
    "  operant data addition --out .cache/addition/data\n";
constexpr const char* kProgramsFooter =
    "ground_truth holds assertions for reward.scorer=code.\n"
    "\nExample:\n"
    "  operant data programs --out .cache/programs/data\n";

struct Flags {
  std::string out;
  TaskDataOptions options;
  int32_t limit = 50;
  bool ratings = false;
};

absl::StatusOr<ExitCode> Write(const absl::StatusOr<TaskData>& made,
                               const std::string& out) {
  ASSIGN_OR_RETURN(const TaskData data, made);
  RETURN_IF_ERROR(WriteTaskData(data, out));
  std::printf("%s: %zu training prompts, %zu held out, %zu examples",
              out.c_str(), data.train.size(), data.heldout.size(),
              data.examples.size());
  if (!data.ratings.empty()) std::printf(", %zu ratings", data.ratings.size());
  std::printf("\n");
  return ExitCode::kDone;
}

CLI::App* AddTask(CLI::App& data, const char* name, const char* description,
                  Flags& flags) {
  CLI::App* verb = data.add_subcommand(name, description);
  verb->add_option("--out", flags.out, "Folder to write")
      ->type_name("DIR")
      ->required();
  verb->add_option("--wrong", flags.options.wrong_share,
                   "Share of wrong examples, below 1")
      ->capture_default_str();
  verb->add_option("--examples", flags.options.examples_per_task,
                   "Examples of each training prompt")
      ->capture_default_str();
  verb->add_option("--seed", flags.options.seed, "Of all draws")
      ->capture_default_str();
  return verb;
}

}  // namespace

void AddTaskDataVerbs(CLI::App& data, Action& action) {
  auto addition = std::make_shared<Flags>();
  CLI::App* verb = AddTask(
      data, "addition", "Sums, with an answer that can be checked", *addition);
  verb->add_option("--limit", addition->limit, "Summands are below this")
      ->capture_default_str();
  verb->add_flag("--ratings", addition->ratings, "Rate all answers, too");
  verb->footer(std::string(kFiles) + kAdditionFooter);
  verb->callback([addition, &action] {
    action = [addition] {
      return Write(MakeAdditionTask(addition->options, addition->limit,
                                    addition->ratings),
                   addition->out);
    };
  });

  auto programs = std::make_shared<Flags>();
  verb = AddTask(data, "programs", "Programs of one line, with their tests",
                 *programs);
  verb->footer(std::string(kFiles) + kProgramsFooter);
  verb->callback([programs, &action] {
    action = [programs] {
      return Write(MakeProgramTask(programs->options), programs->out);
    };
  });
}

}  // namespace operant::cli
