// Which files of its configuration each process of a run reads or writes.
#ifndef OPERANT_COMMON_DEPLOY_DEPLOY_PATHS_H_
#define OPERANT_COMMON_DEPLOY_DEPLOY_PATHS_H_

#include <string>
#include <vector>

#include "operant/v1/config.pb.h"

namespace operant::deploy {

struct UsedPath {
  std::string key;
  std::string path;
  bool learner = false;  // read by the learner
  bool reward = false;   // read by built-in reward servers
  bool written = false;
};

// Of the keys that are set. Workers read none: their model comes from the
// learner.
std::vector<UsedPath> UsedPaths(const v1::RunConfig& config);

// Whether `path` is `folder` or lies below it.
bool IsBelow(const std::string& path, const std::string& folder);

// The volume that holds `path`: the one with the longest mount_path; null:
// none does.
const v1::DeployVolume* VolumeOf(const std::string& path,
                                 const v1::DeploySection& deploy);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_DEPLOY_PATHS_H_
