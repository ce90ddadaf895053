#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/preset_cluster.h"
#include "cli/preset_own_model.h"
#include "cli/preset_own_reward.h"
#include "cli/verbs.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nPresets:\n"
    "  own-model    your model and prompts, the built-in scorer\n"
    "  own-reward   your model, prompts and reward server\n"
    "  cluster      many machines, mutual TLS\n"
    "\nExample:\n"
    "  operant init own-reward run.yaml\n"
    "  operant config show -c run.yaml        with every default\n";

template <size_t n>
std::string Text(const unsigned char (&bytes)[n]) {
  return std::string(reinterpret_cast<const char*>(bytes), n);
}

std::string PresetOf(std::string_view name) {
  if (name == "own-model") return Text(kPresetOwnModel);
  if (name == "own-reward") return Text(kPresetOwnReward);
  return Text(kPresetCluster);
}

absl::StatusOr<ExitCode> Init(const std::string& preset,
                              const std::string& path) {
  if (FileExists(path)) {
    return absl::AlreadyExistsError(
        absl::StrCat("configuration is there: file=", path,
                     ", expected a new file; name another"));
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, PresetOf(preset)));
  std::printf("%s: fill in the paths, then operant train -c %s\n", path.c_str(),
              path.c_str());
  return ExitCode::kDone;
}

}  // namespace

void AddInitVerb(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("init", "Write a configuration to start from");
  auto preset = std::make_shared<std::string>();
  auto path = std::make_shared<std::string>("run.yaml");
  verb->add_option("preset", *preset, "own-model, own-reward or cluster")
      ->check(CLI::IsMember({"own-model", "own-reward", "cluster"}))
      ->required();
  verb->add_option("file", *path, "The file to write")->capture_default_str();
  verb->footer(kFooter);
  verb->callback([preset, path, &action] {
    action = [preset, path] { return Init(*preset, *path); };
  });
}

}  // namespace operant::cli
