#include "rollout/generate_request.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/status_macros.h"

namespace operant::rollout {
namespace {

absl::Status Invalid(absl::string_view what, uint64_t got,
                     absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("generate: ", what, "=", got,
                                                 ", expected ", expected,
                                                 "; fix the request"));
}

Sampling ParseSampling(const v1::SamplingParams& params) {
  constexpr uint32_t kMax = std::numeric_limits<int32_t>::max();
  Sampling sampling;
  sampling.temperature = params.temperature();
  sampling.top_p = params.top_p() == 0 ? 1 : params.top_p();
  sampling.top_k = params.top_k();
  sampling.max_response_tokens =
      static_cast<int32_t>(std::min(params.max_response_tokens(), kMax));
  sampling.stop_token_ids = {params.stop_token_ids().begin(),
                             params.stop_token_ids().end()};
  return sampling;
}

absl::Status CheckPrompt(const v1::PromptRequest& prompt) {
  if (prompt.sample_indices().empty()) {
    return Invalid("sample_indices", 0, "at least one per prompt");
  }
  if (prompt.trajectory_ids_size() != prompt.sample_indices_size()) {
    return Invalid(
        "trajectory_ids", prompt.trajectory_ids_size(),
        absl::StrCat(prompt.sample_indices_size(), ", one per sample index"));
  }
  absl::flat_hash_set<uint32_t> seen;
  for (const uint32_t index : prompt.sample_indices()) {
    if (!seen.insert(index).second) {
      return Invalid("sample_index", index, "each once per prompt");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRequest(const v1::GenerateRequest& request) {
  if (request.prompts().empty()) return Invalid("prompts", 0, "at least one");
  absl::flat_hash_set<absl::string_view> ids;
  for (const v1::PromptRequest& prompt : request.prompts()) {
    RETURN_IF_ERROR(CheckPrompt(prompt));
    for (const std::string& id : prompt.trajectory_ids()) {
      if (id.empty() || !ids.insert(id).second) {
        return Invalid("prompt_cursor", prompt.prompt_cursor(),
                       "trajectory ids that are not empty and unique");
      }
    }
  }
  return absl::OkStatus();
}

std::shared_ptr<const SampleGroup> MakeGroup(const v1::GenerateRequest& request,
                                             const v1::PromptRequest& prompt) {
  auto group = std::make_shared<SampleGroup>();
  group->group_id = prompt.group_id();
  group->prompt_token_ids = {prompt.prompt_token_ids().begin(),
                             prompt.prompt_token_ids().end()};
  group->sampling = ParseSampling(request.sampling());
  group->run_seed = request.run_seed();
  group->prompt_cursor = prompt.prompt_cursor();
  return group;
}

}  // namespace

absl::StatusOr<std::vector<SampleRequest>> ParseGenerateRequest(
    const v1::GenerateRequest& request) {
  RETURN_IF_ERROR(CheckRequest(request));
  std::vector<SampleRequest> samples;
  for (const v1::PromptRequest& prompt : request.prompts()) {
    const auto group = MakeGroup(request, prompt);
    for (int i = 0; i < prompt.sample_indices_size(); ++i) {
      samples.push_back({.group = group,
                         .trajectory_id = prompt.trajectory_ids(i),
                         .sample_index = prompt.sample_indices(i),
                         .on_finished = nullptr});
    }
  }
  return samples;
}

}  // namespace operant::rollout
