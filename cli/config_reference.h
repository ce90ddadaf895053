// The documentation of configuration keys: the comments of config.proto.
#ifndef OPERANT_CLI_CONFIG_REFERENCE_H_
#define OPERANT_CLI_CONFIG_REFERENCE_H_

#include <string>

#include "absl/status/statusor.h"

namespace operant::cli {

// What `key` ("ppo.kl_target", or a section: "ppo") is: its type and its
// comment; for a section, its keys with the first sentence of each.
// NotFound, with the nearest key, if there is none of that name.
absl::StatusOr<std::string> ExplainConfigKey(const std::string& key);

}  // namespace operant::cli

#endif  // OPERANT_CLI_CONFIG_REFERENCE_H_
