#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/verbs.h"
#include "google/protobuf/descriptor.h"
#include "operant/v1/config.pb.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nExamples:\n"
    "  source <(operant completion bash)     in ~/.bashrc\n"
    "  source <(operant completion zsh)      in ~/.zshrc\n";

// zsh runs the same function through its emulation of bash's completion.
constexpr const char* kZshPrologue =
    "autoload -U +X compinit && compinit\n"
    "autoload -U +X bashcompinit && bashcompinit\n";

// Finds the verb that was typed so far, then offers its words; what is no flag
// and no verb may be a file.
constexpr const char* kFunction = R"(
_operant() {
  local verb="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${verb:+$verb }${COMP_WORDS[i]}"
    [ -n "${_operant_words[$word]+x}" ] && verb="$word"
  done
  word="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(compgen -W "${_operant_words[${verb:-operant}]}" -- "$word"))
  case "${COMPREPLY[0]}" in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -o default -F _operant operant
)";

using WordsByVerb = std::map<std::string, std::vector<std::string>>;

// Every "section.key=" of the configuration.
std::vector<std::string> ConfigKeys() {
  std::vector<std::string> keys;
  const google::protobuf::Descriptor& root = *v1::RunConfig::descriptor();
  for (int i = 0; i < root.field_count(); ++i) {
    const google::protobuf::Descriptor& section =
        *root.field(i)->message_type();
    for (int k = 0; k < section.field_count(); ++k) {
      keys.push_back(absl::StrCat(root.field(i)->name(), ".",
                                  section.field(k)->name(), "="));
    }
  }
  return keys;
}

void AppendFlags(const CLI::App& verb, std::vector<std::string>& words) {
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.push_back("--" + name);
    }
    if (option->get_name(true) != "overrides") continue;
    const std::vector<std::string> keys = ConfigKeys();
    words.insert(words.end(), keys.begin(), keys.end());
  }
}

void Collect(const CLI::App& verb, const std::string& path, WordsByVerb& all) {
  std::vector<std::string>& words = all[path.empty() ? "operant" : path];
  AppendFlags(verb, words);
  for (const CLI::App* sub : verb.get_subcommands([](auto*) { return true; })) {
    words.push_back(sub->get_name());
    Collect(*sub, absl::StrCat(path, path.empty() ? "" : " ", sub->get_name()),
            all);
  }
}

std::string Script(const CLI::App& app) {
  WordsByVerb all;
  Collect(app, "", all);
  std::string script = "declare -A _operant_words\n";
  for (const auto& [verb, words] : all) {
    absl::StrAppend(&script, "_operant_words[\"", verb, "\"]=\"",
                    absl::StrJoin(words, " "), "\"\n");
  }
  return script + kFunction;
}

}  // namespace

void AddCompletionVerb(CLI::App& app, Action& action) {
  CLI::App* verb = app.add_subcommand(
      "completion", "Print a script that completes verbs, flags and keys");
  auto shell = std::make_shared<std::string>();
  verb->add_option("shell", *shell, "bash or zsh")
      ->check(CLI::IsMember({"bash", "zsh"}))
      ->required();
  verb->footer(kFooter);
  verb->callback([&app, shell, &action] {
    action = [&app, shell]() -> absl::StatusOr<ExitCode> {
      std::printf("%s%s", *shell == "zsh" ? kZshPrologue : "",
                  Script(app).c_str());
      return ExitCode::kDone;
    };
  });
}

}  // namespace operant::cli
