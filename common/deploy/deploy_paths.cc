#include "common/deploy/deploy_paths.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace operant::deploy {

std::vector<UsedPath> UsedPaths(const v1::RunConfig& config) {
  const v1::RewardSection& reward = config.reward();
  std::vector<UsedPath> all = {
      {"run.root", config.run().root(), true, false, true},
      {"model.path", config.model().path(), true, false, false},
      {"tokenizer.path", config.tokenizer().path(), true, false, false},
      {"data.prompts", config.data().prompts(), true, false, false},
      {"data.eval_prompts", config.data().eval_prompts(), true, false, false},
      {"data.sft", config.data().sft(), true, false, false},
      {"data.sft_eval", config.data().sft_eval(), true, false, false},
      {"learner.trace", config.learner().trace(), true, false, true},
      {"reward.lexicon", reward.lexicon(), false, true, false},
      {"reward.schema", reward.schema(), false, true, false},
      {"reward.ratings", reward.ratings(), false, true, false},
      {"reward.preference_model.path", reward.preference_model().path(), false,
       true, false},
      {"reward.judge.api_key_file", reward.judge().api_key_file(), false, true,
       false},
  };
  for (int i = 0; i < reward.endpoints_size(); ++i) {
    const std::string key = absl::StrCat("reward.endpoints[", i, "]");
    all.push_back({key + ".token_file", reward.endpoints(i).token_file(), true,
                   false, false});
    all.push_back(
        {key + ".tls_ca", reward.endpoints(i).tls_ca(), true, false, false});
  }
  std::erase_if(all, [&reward](const UsedPath& used) {
    const bool nobody = !used.learner && reward.endpoints_size() > 0;
    return used.path.empty() || nobody;
  });
  return all;
}

bool IsBelow(const std::string& path, const std::string& folder) {
  if (!absl::StartsWith(path, folder)) return false;
  return path.size() == folder.size() || folder == "/" ||
         path[folder.size()] == '/';
}

const v1::DeployVolume* VolumeOf(const std::string& path,
                                 const v1::DeploySection& deploy) {
  const v1::DeployVolume* found = nullptr;
  for (const v1::DeployVolume& volume : deploy.volumes()) {
    if (!IsBelow(path, volume.mount_path())) continue;
    if (found == nullptr ||
        volume.mount_path().size() > found->mount_path().size()) {
      found = &volume;
    }
  }
  return found;
}

}  // namespace operant::deploy
