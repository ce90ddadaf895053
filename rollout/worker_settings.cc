#include "rollout/worker_settings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/nn/model_config.h"

namespace operant::rollout {
namespace {

// LoadConfig reads files; this is one in memory.
absl::StatusOr<v1::RunConfig> ParseConfig(const std::string& yaml) {
  const int fd = memfd_create("config.yaml", MFD_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "memfd_create", "config.yaml");
  absl::StatusOr<v1::RunConfig> config;
  if (write(fd, yaml.data(), yaml.size()) ==
      static_cast<ssize_t>(yaml.size())) {
    config = LoadConfig({absl::StrCat("/proc/self/fd/", fd)}, {});
  } else {
    config = ErrnoStatus(errno, "write", "config.yaml");
  }
  close(fd);
  return config;
}

absl::StatusOr<ComputeType> ParseComputeType(const std::string& name) {
  if (name.empty() || name == "fp32") return ComputeType::kFp32;
  if (name == "bf16") return ComputeType::kBf16;
  return absl::InvalidArgumentError(
      absl::StrCat("rollout.dtype: value ", name,
                   ", expected fp32 or bf16; correct the configuration"));
}

const std::string& FirstSet(const std::string& first,
                            const std::string& second) {
  return first.empty() ? second : first;
}

int FirstSet(int first, uint32_t second, int third) {
  if (first > 0) return first;
  return second > 0 ? static_cast<int>(second) : third;
}

int AllCores() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

absl::StatusOr<ModelConfig> ParseModel(const v1::RegisterResponse& registered) {
  ASSIGN_OR_RETURN(ModelConfig model,
                   ParseModelConfig(registered.model_config_json()));
  const std::string digest = ModelDigest(model);
  if (registered.model_digest().empty() ||
      registered.model_digest() == digest) {
    return model;
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "join run: model_digest=", registered.model_digest(), ", expected ",
      digest, "; run the same version of operant as the learner"));
}

absl::StatusOr<InferenceModel::Options> InferenceOptions(
    const v1::RolloutSection& config, const WorkerOverrides& overrides) {
  InferenceModel::Options options;
  const std::string& device = FirstSet(overrides.device, config.device());
  ASSIGN_OR_RETURN(options.device,
                   ParseDevice(device.empty() ? "auto" : device));
  ASSIGN_OR_RETURN(options.compute,
                   ParseComputeType(FirstSet(overrides.dtype, config.dtype())));
  options.slots = FirstSet(overrides.slots, config.slots(), options.slots);
  options.threads = FirstSet(overrides.threads, config.threads(), AllCores());
  return options;
}

}  // namespace

absl::StatusOr<WorkerSettings> ResolveWorkerSettings(
    const v1::RegisterResponse& registered, const WorkerOverrides& overrides,
    const std::string& worker_id) {
  ASSIGN_OR_RETURN(v1::RunConfig config, ParseConfig(registered.config_yaml()));
  ResolveDefaults(config);
  WorkerSettings settings;
  ASSIGN_OR_RETURN(settings.engine.model, ParseModel(registered));
  ASSIGN_OR_RETURN(settings.engine.inference,
                   InferenceOptions(config.rollout(), overrides));
  settings.engine.queue_samples = config.rollout().queue_samples();
  settings.engine.worker_id = worker_id;
  settings.engine.drain_before_swap = config.run().deterministic();
  settings.push_deadline =
      absl::Milliseconds(config.rollout().push_deadline_ms());
  return settings;
}

}  // namespace operant::rollout
