#include <cstdio>
#include <memory>
#include <string>

#include "cli/data_tasks.h"
#include "cli/verbs.h"
#include "common/base/status_macros.h"
#include "common/text/wordnet.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nWrites train.jsonl and heldout.jsonl (prompt, response), prompts.jsonl\n"
    "and heldout_prompts.jsonl (prompt), and lexicon.txt (a word a line).\n"
    "\nExample:\n"
    "  operant data wordnet --out .cache/demo/data\n";

struct Flags {
  std::string out;
  std::string wordnet = kWordnetFolder;
};

absl::StatusOr<ExitCode> WriteWordnet(const Flags& flags) {
  ASSIGN_OR_RETURN(const WordnetDemo demo, BuildWordnetDemo(flags.wordnet, {}));
  RETURN_IF_ERROR(WriteWordnetDemo(demo, flags.out));
  std::printf("%s: %zu training rows, %zu held out, %zu words\n",
              flags.out.c_str(), demo.train.size(), demo.heldout.size(),
              demo.lexicon.size());
  return ExitCode::kDone;
}

}  // namespace

void AddDataVerb(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand("data", "Make data sets");
  verb->require_subcommand(1);
  AddTaskDataVerbs(*verb, action);
  AddPairsVerb(*verb, action);
  auto flags = std::make_shared<Flags>();
  CLI::App* wordnet = verb->add_subcommand(
      "wordnet", "The demo's task: define a word, from WordNet 3.0");
  wordnet->add_option("--out", flags->out, "Folder to write")
      ->type_name("DIR")
      ->required();
  wordnet->add_option("--wordnet", flags->wordnet, "WordNet's folder")
      ->type_name("DIR")
      ->capture_default_str();
  wordnet->footer(kFooter);
  wordnet->callback(
      [flags, &action] { action = [flags] { return WriteWordnet(*flags); }; });
}

}  // namespace operant::cli
