#include "cli/config_flags.h"

#include "common/base/log.h"
#include "common/base/status_macros.h"

namespace operant::cli {
namespace {

LogLevel LevelOf(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return LogLevel::kInfo;
}

}  // namespace

void AddConfigFlags(CLI::App& verb, ConfigFlags& flags) {
  verb.add_option("-c,--config", flags.files,
                  "Configuration, YAML; given again, later files win")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb.add_option("overrides", flags.overrides,
                  "section.key=value, stronger than any file")
      ->type_name("KEY=VALUE");
}

absl::StatusOr<v1::RunConfig> LoadFor(const ConfigFlags& flags, ConfigUse use) {
  ASSIGN_OR_RETURN(v1::RunConfig config,
                   LoadConfig(flags.files, flags.overrides));
  ResolveDefaults(config);
  RETURN_IF_ERROR(ValidateConfig(config, use));
  return config;
}

void InitLoggingAs(const std::string& role, int rank,
                   const v1::LogSection& log) {
  InitLogging(
      {.role = role,
       .rank = rank,
       .level = LevelOf(log.level()),
       .format = log.format() == "json" ? LogFormat::kJson : LogFormat::kText});
}

}  // namespace operant::cli
