#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/address.h"
#include "common/base/config.h"
#include "common/base/config_faults.h"
#include "common/base/config_limits.h"
#include "common/base/config_reward.h"
#include "common/base/config_security.h"
#include "common/base/file_io.h"

namespace operant {
namespace {

using internal::ConfigFaults;

// A step of more responses is a mistyped number.
constexpr uint64_t kMaxSamplesPerStep = 1 << 24;

void Require(const std::string& value, const std::string& key,
             const std::string& expected, ConfigFaults& faults) {
  if (!value.empty()) return;
  faults.Add({key, value, expected, absl::StrCat("set ", key, "=PATH")});
}

// The multiples of `divisor` around `value`, in words.
std::string NearestMultiples(uint32_t value, uint32_t divisor) {
  const uint64_t below = value / divisor * uint64_t{divisor};
  if (below == 0) return absl::StrCat("nearest is ", divisor);
  return absl::StrCat("nearest are ", below, " and ", below + divisor);
}

void CheckRandomModel(const v1::ModelSection& model, ConfigFaults& faults) {
  const uint32_t heads = model.num_attention_heads();
  const uint32_t kv_heads = model.num_key_value_heads();
  if (heads == 0 || kv_heads == 0) return;  // told by the limits
  if (model.head_dim() == 0) {
    faults.Add({"model.hidden_size", absl::StrCat(model.hidden_size()),
                absl::StrCat("a multiple of model.num_attention_heads=", heads),
                absl::StrCat(NearestMultiples(model.hidden_size(), heads),
                             ", or set model.head_dim")});
  } else if (model.head_dim() % 2 != 0) {
    faults.Add({"model.head_dim", absl::StrCat(model.head_dim()),
                "an even number since rotary positions turn pairs",
                "change hidden_size, num_attention_heads or head_dim"});
  }
  if (heads % kv_heads != 0) {
    faults.Add({"model.num_key_value_heads", absl::StrCat(kv_heads),
                absl::StrCat("a divisor of model.num_attention_heads=", heads),
                "leave the key out for as many as attention heads"});
  }
}

void CheckModelFolder(const v1::ModelSection& model, const char* verb,
                      ConfigFaults& faults) {
  if (model.init() == "random") {
    faults.Add(
        {"model.init", model.init(),
         absl::StrCat("folder since ", verb, " starts from trained weights"),
         "run operant sft first and set model.path to its result"});
  }
  Require(model.path(), "model.path",
          "a Hugging Face folder of a Llama-family model", faults);
}

void CheckRollout(const v1::RolloutSection& rollout, ConfigFaults& faults) {
  if (rollout.zero_workers() && rollout.workers() > 0) {
    faults.Add({"rollout.workers", absl::StrCat(rollout.workers()),
                "no value since rollout.zero_workers is set",
                "leave one of the two out"});
  }
  if (rollout.workers() > rollout.max_workers()) {
    faults.Add(
        {"rollout.workers", absl::StrCat(rollout.workers()),
         absl::StrCat("at most rollout.max_workers=", rollout.max_workers()),
         "raise rollout.max_workers"});
  }
  if (rollout.heartbeat_timeout_ms() <= rollout.heartbeat_interval_ms()) {
    faults.Add({"rollout.heartbeat_timeout_ms",
                absl::StrCat(rollout.heartbeat_timeout_ms()),
                absl::StrCat("more than rollout.heartbeat_interval_ms=",
                             rollout.heartbeat_interval_ms()),
                "ten intervals are a good choice"});
  }
}

// A filtered distribution at sampling and the full one in the learner would
// bias the ratio from the first step (numerics).
void CheckUnfilteredSampling(const v1::RolloutSection& rollout,
                             ConfigFaults& faults) {
  constexpr char kNext[] = "set it under eval: to filter evaluations only";
  if (rollout.top_p() != 1) {
    faults.Add({"rollout.top_p", absl::StrCat(rollout.top_p()),
                "1 for training since the learner knows no filter", kNext});
  }
  if (rollout.top_k() != 0) {
    faults.Add({"rollout.top_k", absl::StrCat(rollout.top_k()),
                "no value for training since the learner knows no filter",
                kNext});
  }
}

// The divisors of `samples` next to `value`, in words. `samples` > 0.
std::string NearestDivisors(uint64_t samples, uint64_t value) {
  uint64_t below = std::min(value, samples);
  while (below > 0 && samples % below != 0) --below;
  uint64_t above = std::max<uint64_t>(value, 1);
  while (above < samples && samples % above != 0) ++above;
  if (above >= samples) above = samples;
  if (below == 0 || below == above) return absl::StrCat("nearest is ", above);
  return absl::StrCat("nearest are ", below, " and ", above);
}

void CheckBatch(const v1::LearnerSection& learner, ConfigFaults& faults) {
  const uint64_t samples =
      uint64_t{learner.prompts_per_step()} * learner.samples_per_prompt();
  const std::string product = absl::StrCat(
      "learner.prompts_per_step * learner.samples_per_prompt = ", samples);
  if (samples > kMaxSamplesPerStep) {
    faults.Add({"learner.prompts_per_step",
                absl::StrCat(learner.prompts_per_step()),
                absl::StrCat(product, " of at most ", kMaxSamplesPerStep),
                "lower one of the two"});
    return;
  }
  const uint32_t minibatch = learner.minibatch_samples();
  if (samples == 0 || (minibatch > 0 && samples % minibatch == 0)) return;
  faults.Add({"learner.minibatch_samples", absl::StrCat(minibatch),
              absl::StrCat("a divisor of ", product),
              NearestDivisors(samples, minibatch)});
}

void CheckMicrobatch(const v1::RunConfig& config, ConfigFaults& faults) {
  const uint64_t longest = uint64_t{config.data().max_prompt_tokens()} +
                           config.rollout().max_response_tokens();
  if (config.learner().microbatch_tokens() >= longest) return;
  faults.Add({"learner.microbatch_tokens",
              absl::StrCat(config.learner().microbatch_tokens()),
              absl::StrCat("at least data.max_prompt_tokens + "
                           "rollout.max_response_tokens = ",
                           longest),
              "raise it or lower one of the two"});
}

void CheckRanks(const v1::LearnerSection& learner, ConfigFaults& faults) {
  const uint32_t ranks = learner.ranks();
  if (learner.minibatch_samples() > 0 && ranks > learner.minibatch_samples()) {
    faults.Add({"learner.ranks", absl::StrCat(ranks),
                absl::StrCat("at most learner.minibatch_samples = ",
                             learner.minibatch_samples(),
                             " since a rank without a sample only waits"),
                "start fewer ranks or raise learner.minibatch_samples"});
  }
  if (learner.collective() == "none" && ranks > 1) {
    faults.Add({"learner.collective", learner.collective(),
                absl::StrCat("auto or nccl or gloo for learner.ranks=", ranks),
                "leave the key out"});
  }
  if (learner.collective() == "nccl" && learner.device() == "cpu") {
    faults.Add({"learner.collective", learner.collective(),
                "gloo since learner.device=cpu", "leave the key out"});
  }
}

void CheckKl(const v1::PpoSection& ppo, ConfigFaults& faults) {
  if (!ppo.no_kl()) return;
  if (ppo.kl_coefficient() > 0) {
    faults.Add({"ppo.kl_coefficient", absl::StrCat(ppo.kl_coefficient()),
                "no value since ppo.no_kl is set", "leave one of the two out"});
  }
  if (ppo.kl_target() > 0) {
    faults.Add({"ppo.kl_target", absl::StrCat(ppo.kl_target()),
                "no value since ppo.no_kl is set", "leave one of the two out"});
  }
}

void CheckListen(const std::string& listen, ConfigFaults& faults) {
  if (ParseHostPort(listen).ok()) return;
  faults.Add({"learner.listen", listen, "host:port",
              "write 127.0.0.1:0 for any free port"});
}

void CheckAll(v1::RunConfig& config, ConfigFaults& faults) {
  if (!IsSafeName(config.run().name())) {
    faults.Add({"run.name", config.run().name(),
                "at most 128 letters, digits, '.', '_' and '-', the first a "
                "letter or a digit",
                "choose another name"});
  }
  internal::CheckLimits(config, faults);
  if (config.model().init() == "random") {
    CheckRandomModel(config.model(), faults);
  }
  CheckRollout(config.rollout(), faults);
  internal::CheckReward(config.reward(), faults);
  CheckBatch(config.learner(), faults);
  CheckRanks(config.learner(), faults);
  CheckKl(config.ppo(), faults);
  CheckListen(config.learner().listen(), faults);
  internal::CheckSecurity(config.security(), faults);
  const v1::StopSection& stop = config.stop();
  if (stop.min_score() != 0 && !stop.has_min_score()) {
    faults.Add({"stop.has_min_score", "false",
                "true since stop.min_score is given",
                "set stop.has_min_score=true"});
  }
}

void CheckTrain(const v1::RunConfig& config, ConfigFaults& faults) {
  CheckModelFolder(config.model(), "operant train", faults);
  Require(config.data().prompts(), "data.prompts",
          "a JSONL file of training prompts", faults);
  if (config.learner().steps() == 0 && config.learner().max_seconds() == 0) {
    faults.Add({"learner.steps", "", "how long to train",
                "set learner.steps or learner.max_seconds"});
  }
  if (config.run().deterministic() && config.learner().max_seconds() > 0) {
    faults.Add({"learner.max_seconds",
                absl::StrCat(config.learner().max_seconds()),
                "no value since run.deterministic is set and a clock decides "
                "differently each time",
                "set learner.steps instead"});
  }
  CheckUnfilteredSampling(config.rollout(), faults);
  CheckMicrobatch(config, faults);
}

void CheckSft(const v1::RunConfig& config, ConfigFaults& faults) {
  Require(config.data().sft(), "data.sft",
          "a JSONL file of rows {prompt, response}", faults);
  Require(config.sft().out(), "sft.out", "the folder to write", faults);
  if (config.model().init() != "random") {
    Require(config.model().path(), "model.path",
            "a model folder to start from, or model.init=random", faults);
  }
}

void CheckRm(const v1::RunConfig& config, ConfigFaults& faults) {
  CheckModelFolder(config.model(), "operant rm", faults);
  Require(config.data().preferences(), "data.preferences",
          "a JSONL file of rows {prompt, chosen, rejected}", faults);
  Require(config.rm().out(), "rm.out", "the folder to write", faults);
  if (config.rm().no_centering() && config.rm().center_coefficient() > 0) {
    faults.Add({"rm.center_coefficient",
                absl::StrCat(config.rm().center_coefficient()),
                "no value since rm.no_centering is set",
                "leave one of the two out"});
  }
}

void CheckEval(const v1::RunConfig& config, ConfigFaults& faults) {
  CheckModelFolder(config.model(), "operant eval", faults);
  Require(config.data().eval_prompts(), "data.eval_prompts",
          "a JSONL file of held-out prompts", faults);
}

}  // namespace

absl::Status ValidateConfig(const v1::RunConfig& config, ConfigUse use) {
  v1::RunConfig copy = config;
  ConfigFaults faults;
  CheckAll(copy, faults);
  switch (use) {
    case ConfigUse::kTrain:
      CheckTrain(config, faults);
      break;
    case ConfigUse::kSft:
      CheckSft(config, faults);
      break;
    case ConfigUse::kEval:
      CheckEval(config, faults);
      break;
    case ConfigUse::kRm:
      CheckRm(config, faults);
      break;
    case ConfigUse::kRollout:
    case ConfigUse::kReward:
      break;  // what the run's learner or the flags tell them suffices
  }
  return faults.ToStatus();
}

}  // namespace operant
