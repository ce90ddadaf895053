// Writes a rendered folder whole or not at all.
#ifndef OPERANT_COMMON_DEPLOY_WRITE_FOLDER_H_
#define OPERANT_COMMON_DEPLOY_WRITE_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "common/deploy/templates.h"

namespace operant::deploy {

// The first line of a rendered folder's README.md, which says that the folder
// may be replaced.
inline constexpr char kRenderedMark[] = "<!-- operant deploy render -->";

// Writes `files` beside `folder`, then renames: `folder` holds all of the new
// files and none else, or, on an error, what it held before. Errors:
// AlreadyExists (`folder` holds something that was not rendered); as the
// system says.
absl::Status WriteFolder(const std::string& folder, const Files& files);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_WRITE_FOLDER_H_
