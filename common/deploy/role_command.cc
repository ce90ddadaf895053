#include "common/deploy/role_command.h"

#include "absl/strings/str_cat.h"

namespace operant::deploy {
namespace {

void Add(const char* flag, const std::string& value,
         std::vector<std::string>& command) {
  if (!value.empty()) command.push_back(absl::StrCat(flag, "=", value));
}

void AddLearner(const v1::RunConfig& config, const CommandPlaces& places,
                std::vector<std::string>& command) {
  command.push_back("--resume");
  const uint32_t ranks = config.learner().ranks();
  if (ranks <= 1) return;
  Add("--rank", places.rank, command);
  Add("--world-size", absl::StrCat(ranks), command);
  Add("--coordinator", places.coordinator, command);
}

void AddRollout(const CommandPlaces& places,
                std::vector<std::string>& command) {
  Add("--coordinator", places.coordinator, command);
  Add("--advertise", places.advertise, command);
  Add("--id", places.worker_id, command);
  Add("--drain-seconds", absl::StrCat(kDrainSeconds), command);
}

}  // namespace

std::vector<std::string> RoleCommand(ProcessRole role,
                                     const v1::RunConfig& config,
                                     const CommandPlaces& places) {
  std::vector<std::string> command = {NameOf(role)};
  Add("--config", places.config, command);
  Add("--listen", places.listen, command);
  Add("--http", places.http, command);
  if (role == ProcessRole::kLearner) AddLearner(config, places, command);
  if (role == ProcessRole::kRollout) AddRollout(places, command);
  return command;
}

}  // namespace operant::deploy
