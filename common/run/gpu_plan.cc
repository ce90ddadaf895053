#include "common/run/gpu_plan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"

namespace operant {

std::vector<std::string> UsableGpus(const std::string& root,
                                    const Environment& environment) {
  const size_t count = ListDirectory(root + "/proc/driver/nvidia/gpus")
                           .value_or(std::vector<std::string>{})
                           .size();
  const char* visible = environment("CUDA_VISIBLE_DEVICES");
  if (count > 0 && visible != nullptr)
    return absl::StrSplit(visible, ',', absl::SkipWhitespace());
  std::vector<std::string> gpus;
  for (size_t i = 0; i < count; ++i) gpus.push_back(absl::StrCat(i));
  return gpus;
}

absl::StatusOr<GpuPlan> PlanGpus(const std::vector<std::string>& gpus,
                                 const v1::RunConfig& config) {
  const uint32_t ranks = config.learner().ranks();
  GpuPlan plan = {
      .ranks = std::vector<std::string>(ranks),
      .workers = std::vector<std::string>(config.rollout().workers())};
  if (gpus.empty()) return plan;
  std::vector<std::string> left = gpus;
  if (config.learner().device() != "cpu") {
    if (ranks > gpus.size()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "learner.ranks=", ranks, ", expected at most ", gpus.size(),
          ": a rank needs a GPU of its own, and there are ",
          absl::StrJoin(gpus, ","), "; set learner.ranks=", gpus.size(),
          ", or learner.device=cpu"));
    }
    std::copy_n(gpus.begin(), ranks, plan.ranks.begin());
    if (ranks < gpus.size()) left.erase(left.begin(), left.begin() + ranks);
  }
  if (config.rollout().device() != "cpu") {
    for (size_t i = 0; i < plan.workers.size(); ++i)
      plan.workers[i] = left[i % left.size()];
  }
  return plan;
}

}  // namespace operant
