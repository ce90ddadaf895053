// The files of deploy/ that travel in the binary.
#ifndef OPERANT_COMMON_DEPLOY_TEMPLATES_H_
#define OPERANT_COMMON_DEPLOY_TEMPLATES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace operant::deploy {

// Path below the rendered folder -> contents.
using Files = std::map<std::string, std::string>;

// A file of deploy/, by its path below it. NotFound.
absl::StatusOr<std::string> DeployFile(const std::string& path);

// Renders deploy/TEMPLATE with `data` into `files` at `path`.
absl::Status AddRendered(const std::string& path, const std::string& name,
                         const nlohmann::json& data, Files& files);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_TEMPLATES_H_
