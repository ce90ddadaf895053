// `-c FILE ... key=value ...`: how every verb takes its configuration.
#ifndef OPERANT_CLI_CONFIG_FLAGS_H_
#define OPERANT_CLI_CONFIG_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "common/base/config.h"
#include "operant/v1/config.pb.h"

namespace operant::cli {

struct ConfigFlags {
  std::vector<std::string> files;
  std::vector<std::string> overrides;
};

// Adds --config and the positional overrides to `verb`; `flags` must live until
// the command line is parsed.
void AddConfigFlags(CLI::App& verb, ConfigFlags& flags);

// Loads, resolves and validates.
absl::StatusOr<v1::RunConfig> LoadFor(const ConfigFlags& flags, ConfigUse use);

// Points the process's log to `role`, with the level and format of `config`.
void InitLoggingAs(const std::string& role, int rank,
                   const v1::LogSection& log);

}  // namespace operant::cli

#endif  // OPERANT_CLI_CONFIG_FLAGS_H_
