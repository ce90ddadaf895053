#include "learner/preflight.h"

#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/address.h"
#include "common/base/config_security.h"
#include "common/base/credentials.h"
#include "common/base/file_io.h"
#include "common/base/metrics.h"
#include "common/base/status_macros.h"
#include "common/reward_client/gateway.h"
#include "common/run/run_directory.h"
#include "learner/learner_inputs.h"
#include "learner/rank_group.h"
#include "learner/start_banner.h"

namespace operant::learner {
namespace {

constexpr uint32_t kGreetingWaitMs = 2'000;
constexpr double kGibibyte = 1 << 30;

using Text = absl::StatusOr<std::string>;

Check Checked(const char* name, const char* key, const Text& text) {
  if (!text.ok()) return {name, key, text.status(), ""};
  return {name, key, absl::OkStatus(), *text};
}

std::string ModelText(const v1::RunConfig& config, const ModelConfig& model) {
  return absl::StrFormat("%s: %s, %.2f M parameters, context %d",
                         config.model().path(), model.model_type,
                         ParameterCount(model) / 1e6,
                         model.max_position_embeddings);
}

Text RunFolder(const v1::RunConfig& config) {
  const v1::RunSection& run = config.run();
  RETURN_IF_ERROR(RunDirectory::CheckUnused(run.root(), run.name()));
  return absl::StrCat(JoinPath(run.root(), run.name()), " will be made");
}

// Plaintext without certificates, as operant train has it.
absl::StatusOr<std::shared_ptr<const Credentials>> LearnerCredentials(
    const v1::RunConfig& config) {
  v1::SecuritySection security = config.security();
  AllowPlaintext(security);
  return Credentials::Load(
      security, {.role = v1::ROLE_LEARNER, .run = config.run().name()});
}

// The other processes that operant train starts, as far as this machine has
// their certificates: on a cluster it need not.
absl::Status CheckOthersCertificates(const v1::RunConfig& config) {
  for (const v1::Role role : {v1::ROLE_ROLLOUT, v1::ROLE_REWARD}) {
    const TlsFiles files = TlsFilesOf(config.security(), role);
    if (config.security().certs().empty() || !FileExists(files.certificate)) {
      continue;
    }
    RETURN_IF_ERROR(
        Credentials::Load(config.security(),
                          {.role = role, .run = config.run().name()})
            .status());
  }
  return absl::OkStatus();
}

Text Certificates(const v1::RunConfig& config) {
  RETURN_IF_ERROR(LearnerCredentials(config).status());
  if (!HasCertificates(config.security())) {
    return "none: plaintext, on loopback addresses only";
  }
  RETURN_IF_ERROR(CheckOthersCertificates(config));
  const TlsFiles files = TlsFilesOf(config.security(), v1::ROLE_LEARNER);
  ASSIGN_OR_RETURN(const CertificateInfo leaf,
                   CheckTlsFiles(files, absl::Now()));
  return absl::StrCat(leaf.uris[0], " until ",
                      absl::FormatTime(leaf.not_after));
}

Text Listening(const v1::RunConfig& config) {
  ASSIGN_OR_RETURN(const HostPort address,
                   ParseHostPort(config.learner().listen()));
  RETURN_IF_ERROR(CheckCanListen(address));
  if (!HasCertificates(config.security()) && !IsLoopback(address.host)) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot listen: address=", address.ToString(),
                     ", expected a loopback address without certificates; set "
                     "security.certs (operant certs create DIR)"));
  }
  return absl::StrCat(address.ToString(), " is free");
}

// The built-in scorer's own files; a server of the user's is greeted.
Text Rewards(const v1::RunConfig& config) {
  v1::RewardSection rewards = config.reward();
  if (rewards.endpoints().empty()) {
    if (!rewards.lexicon().empty()) {
      RETURN_IF_ERROR(ReadFile(rewards.lexicon()).status());
    }
    return absl::StrCat("built-in scorer: ", rewards.scorer());
  }
  rewards.set_unavailable_wait_ms(kGreetingWaitMs);
  ASSIGN_OR_RETURN(const auto credentials, LearnerCredentials(config));
  const auto metrics = MetricRegistry::Create();
  ASSIGN_OR_RETURN(const auto gateway,
                   RewardGateway::Create({.config = rewards,
                                          .run_id = config.run().name(),
                                          .credentials = credentials},
                                         metrics.get()));
  RETURN_IF_ERROR(gateway->Handshake());
  return absl::StrJoin(gateway->infos(), "; ",
                       [](std::string* out, const v1::GetInfoResponse& info) {
                         absl::StrAppend(out, info.name(), " ", info.version());
                       });
}

// What the kernel could give without swapping; 0 if it does not say.
uint64_t AvailableBytes() {
  constexpr absl::string_view kKey = "MemAvailable:";
  const auto text = ReadFile("/proc/meminfo");
  if (!text.ok()) return 0;
  const size_t at = text->find(kKey.data());
  if (at == std::string::npos) return 0;
  const std::vector<std::string> words = absl::StrSplit(
      text->substr(at + kKey.size(), 64), ' ', absl::SkipEmpty());
  uint64_t kibibytes = 0;
  if (words.empty() || !absl::SimpleAtoi(words[0], &kibibytes)) return 0;
  return kibibytes << 10;
}

Text Memory(const v1::RunConfig& config, const ModelConfig& model) {
  const MemoryPlan plan = PlanMemory(config, model);
  const uint64_t here = plan.learner + plan.worker * config.rollout().workers();
  const uint64_t available = AvailableBytes();
  const std::string text = absl::StrFormat(
      "learner %.2f GiB + %d worker(s) x %.2f GiB, before activations; %.2f "
      "GiB are free",
      plan.learner / kGibibyte, config.rollout().workers(),
      plan.worker / kGibibyte, available / kGibibyte);
  if (available == 0 || here <= available) return text;
  return absl::ResourceExhaustedError(absl::StrCat(
      "memory does not suffice: ", text,
      "; lower rollout.slots or rollout.workers, or use other machines"));
}

Text Ranks(const v1::LearnerSection& learner) {
  ASSIGN_OR_RETURN(const std::string collective, RankCollective(learner));
  if (learner.ranks() == 1) return "1 rank, nothing to exchange";
  return absl::StrCat(learner.ranks(), " ranks over ", collective);
}

std::string Topology(const v1::RunConfig& config) {
  const bool builtin = config.reward().endpoints().empty();
  return absl::StrCat(config.learner().ranks(), " learner rank(s), ",
                      config.rollout().workers(), " worker(s) here, up to ",
                      config.rollout().max_workers(), " in all, ",
                      builtin ? "1 built-in reward server"
                              : absl::StrCat(config.reward().endpoints_size(),
                                             " reward server(s) elsewhere"));
}

}  // namespace

MemoryPlan PlanMemory(const v1::RunConfig& config, const ModelConfig& model) {
  const auto parameters = static_cast<uint64_t>(ParameterCount(model));
  constexpr uint64_t kFloat = 4;
  // Policy, gradient, two moments and the reference, all fp32.
  constexpr uint64_t kLearnerCopies = 5;
  const uint64_t weight = config.rollout().dtype() == "bf16" ? 2 : kFloat;
  const uint64_t positions =
      uint64_t{config.rollout().slots()} *
      static_cast<uint64_t>(model.max_position_embeddings);
  const auto per_position = static_cast<uint64_t>(
      2 * model.num_hidden_layers * model.num_key_value_heads * model.head_dim);
  return {
      .learner = kLearnerCopies * kFloat * parameters,
      // The old version serves until the new one is complete.
      .worker = 2 * weight * parameters + kFloat * positions * per_position};
}

std::vector<Check> Preflight(const v1::RunConfig& config) {
  std::vector<Check> checks;
  const absl::StatusOr<LearnerInputs> inputs = LoadLearnerInputs(config);
  if (inputs.ok()) {
    const ModelConfig& model = inputs->reference.config;
    checks.push_back(Checked("model", "", ModelText(config, model)));
    checks.push_back(
        Checked("data", "",
                absl::StrCat(inputs->prompts.size(), " prompts, ",
                             inputs->eval_prompts.size(), " held out")));
    checks.push_back(Checked("memory", "rollout.slots", Memory(config, model)));
  } else {
    checks.push_back(Checked("model, data", "", inputs.status()));
  }
  checks.push_back(Checked("run", "run.name", RunFolder(config)));
  checks.push_back(Checked("certificates",
                           config.security().certs().empty()
                               ? "security.certificate"
                               : "security.certs",
                           Certificates(config)));
  checks.push_back(Checked("address", "learner.listen", Listening(config)));
  checks.push_back(Checked("rewards", "", Rewards(config)));
  checks.push_back(
      Checked("ranks", "learner.collective", Ranks(config.learner())));
  checks.push_back(Checked("batch", "", BatchArithmetic(config)));
  checks.push_back(Checked("processes", "", Topology(config)));
  return checks;
}

}  // namespace operant::learner
