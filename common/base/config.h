// Reads a run's configuration: YAML files merged left to right, then
// `key=value` overrides, into one protobuf schema
// (proto/operant/v1/config.proto).
#ifndef OPERANT_COMMON_BASE_CONFIG_H_
#define OPERANT_COMMON_BASE_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"

namespace operant {

// Parses and merges. Later files and overrides win; a list replaces a list.
// `overrides` are "section.key=value", the value parsed as YAML
// ("reward.endpoints=[{address: 127.0.0.1:50061}]"; a plain string in such a
// list of messages is the message's `address`).
//
// All faults are reported at once, one a line, each with file:line:column (or
// the override's text), the value, what was expected, and for an unknown key
// the nearest known one ("did you mean"). InvalidArgument; NotFound for a
// missing file.
absl::StatusOr<v1::RunConfig> LoadConfig(
    const std::vector<std::string>& files,
    const std::vector<std::string>& overrides);

// Writes out every default that config.proto names, so that each later reader
// finds the real value. Idempotent. `stop_token_ids`, `tokenizer.path` and
// what depends on the model's folder stay as they are.
void ResolveDefaults(v1::RunConfig& config);

// Which verb the configuration is meant for: each needs other sections.
enum class ConfigUse { kTrain, kSft, kRollout, kReward, kEval, kRm };

// Every fault of a resolved configuration, each "key: value ..., expected ...;
// next step". InvalidArgument listing all, or OK. Does not touch files.
absl::Status ValidateConfig(const v1::RunConfig& config, ConfigUse use);

// YAML that LoadConfig reads back to the same message; unset fields are left
// out.
std::string ConfigToYaml(const v1::RunConfig& config);

// The known word nearest to `word` within edit distance 3, or "".
std::string NearestWord(const std::string& word,
                        const std::vector<std::string>& known);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_CONFIG_H_
