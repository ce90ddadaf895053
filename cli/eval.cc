#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/config_flags.h"
#include "cli/engine_sampler.h"
#include "cli/local_scorer.h"
#include "cli/verbs.h"
#include "common/base/config_security.h"
#include "common/base/credentials.h"
#include "common/base/file_io.h"
#include "common/base/metrics.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/reward_client/gateway.h"
#include "common/run/process_stats.h"
#include "learner/evaluation.h"
#include "learner/evaluation_summary.h"
#include "learner/learner_inputs.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nSamples eval.final_samples responses to data.eval_prompts, each prompt\n"
    "equally often, has them scored, and prints one JSON object: the haywire\n"
    "rate with its 95 % interval, by kind, variety, length, and KL to the\n"
    "reference (model.path).\n"
    "\nExamples:\n"
    "  operant eval -c deploy/configs/demo.yaml              the raw model\n"
    "  operant eval -c deploy/configs/demo.yaml --model runs/demo/model\n";

struct Flags {
  ConfigFlags config;
  std::string model;
  std::string responses;  // where they go; empty: nowhere
};

absl::StatusOr<InferenceModel::Options> EngineOptions(
    const v1::RunConfig& config) {
  InferenceModel::Options options;
  ASSIGN_OR_RETURN(options.device, ParseDevice(config.rollout().device()));
  options.compute = config.rollout().dtype() == "bf16" ? ComputeType::kBf16
                                                       : ComputeType::kFp32;
  options.slots = static_cast<int>(config.rollout().slots());
  options.threads = config.rollout().threads() > 0
                        ? static_cast<int>(config.rollout().threads())
                        : UsableCores();
  return options;
}

absl::StatusOr<std::unique_ptr<InferenceModel>> ReferenceModel(
    const HfModel& model, const InferenceModel::Options& options) {
  ASSIGN_OR_RETURN(auto reference,
                   InferenceModel::Create(model.config, options));
  ASSIGN_OR_RETURN(auto weights, reference->Pack(*model.weights));
  reference->Use(std::move(weights));
  return reference;
}

absl::StatusOr<std::unique_ptr<RewardGateway>> OpenGateway(
    v1::RewardSection rewards, const std::string& scorer_address,
    const std::string& tokenizer_digest,
    std::shared_ptr<const Credentials> credentials, MetricRegistry* metrics) {
  if (!scorer_address.empty()) {
    v1::RewardEndpoint* endpoint = rewards.add_endpoints();
    endpoint->set_name("builtin");
    endpoint->set_address(scorer_address);
    endpoint->set_weight(1);
    endpoint->set_deadline_ms(rewards.deadline_ms());
  }
  ASSIGN_OR_RETURN(auto gateway, RewardGateway::Create(
                                     {.config = rewards,
                                      .run_id = "eval",
                                      .tokenizer_digest = tokenizer_digest,
                                      .credentials = std::move(credentials)},
                                     metrics));
  RETURN_IF_ERROR(gateway->Handshake());
  return gateway;
}

// What the run's learner shows to reward servers. A scorer of our own listens
// on a loopback address, in plaintext (LocalScorer).
absl::StatusOr<std::shared_ptr<const Credentials>> LearnerCredentials(
    const v1::RunConfig& config) {
  if (config.reward().endpoints().empty()) return Credentials::Plaintext();
  v1::SecuritySection security = config.security();
  AllowPlaintext(security);
  return Credentials::Load(
      security, {.role = v1::ROLE_LEARNER, .run = config.run().name()});
}

absl::StatusOr<std::vector<learner::EvaluatedResponse>> Sample(
    const v1::RunConfig& config, const HfModel& model, RewardGateway& rewards,
    const learner::LearnerInputs& inputs) {
  ASSIGN_OR_RETURN(const auto options, EngineOptions(config));
  ASSIGN_OR_RETURN(const auto sampler, EngineSampler::Create(model, options));
  ASSIGN_OR_RETURN(const auto reference,
                   ReferenceModel(inputs.reference, options));
  learner::Evaluator evaluator(inputs.eval_prompts, inputs.training_responses,
                               {.generate =
                                    [&](const learner::GenerationPlan& plan) {
                                      return sampler->Generate(plan);
                                    },
                                .rewards = &rewards,
                                .tokenizer = inputs.tokenizer.get(),
                                .reference = reference.get()});
  return evaluator.Run(
      {.run_id = config.run().name(),
       .seed = config.eval().seed(),
       .samples = static_cast<int>(config.eval().final_samples()),
       .sampling = inputs.eval_sampling,
       .vocab_size = static_cast<int32_t>(model.config.vocab_size),
       .policy_version = 0});
}

// One JSON line each, as `operant data pairs` reads them. What nobody scored
// has no score.
absl::Status WriteResponses(
    const std::string& path,
    const std::vector<learner::EvaluatedResponse>& responses) {
  std::string text;
  for (const learner::EvaluatedResponse& response : responses) {
    if (response.scored) text += learner::ToJsonLine(response);
  }
  return WriteFileAtomically(path, text);
}

absl::StatusOr<ExitCode> Evaluate(const Flags& flags) {
  ASSIGN_OR_RETURN(const v1::RunConfig config,
                   LoadFor(flags.config, ConfigUse::kEval));
  InitLoggingAs("eval", 0, config.log());
  InstallShutdownHandlers();
  ASSIGN_OR_RETURN(auto credentials, LearnerCredentials(config));
  ASSIGN_OR_RETURN(const learner::LearnerInputs inputs,
                   learner::LoadLearnerInputs(config));
  ASSIGN_OR_RETURN(
      const HfModel model,
      LoadHfModel(flags.model.empty() ? config.model().path() : flags.model));
  std::unique_ptr<LocalScorer> scorer;
  if (config.reward().endpoints().empty()) {
    ASSIGN_OR_RETURN(scorer, LocalScorer::Start(flags.config));
  }
  const auto metrics = MetricRegistry::Create();
  ASSIGN_OR_RETURN(const auto rewards,
                   OpenGateway(config.reward(), scorer ? scorer->address() : "",
                               inputs.tokenizer->digest(),
                               std::move(credentials), metrics.get()));
  ASSIGN_OR_RETURN(const auto responses,
                   Sample(config, model, *rewards, inputs));
  if (!flags.responses.empty())
    RETURN_IF_ERROR(WriteResponses(flags.responses, responses));
  std::printf("%s\n", learner::ToJson(learner::Summarize(
                                          responses, inputs.training_responses))
                          .c_str());
  return ExitCode::kDone;
}

}  // namespace

void AddEvalVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand(
      "eval", "Measure a model on held-out prompts: haywire rate, variety, KL");
  AddConfigFlags(*verb, flags->config);
  verb->add_option("--model", flags->model,
                   "The folder to measure; default: model.path")
      ->type_name("DIR");
  verb->add_option("--responses", flags->responses,
                   "Also write every scored response to FILE, a JSON line "
                   "each")
      ->type_name("FILE");
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Evaluate(*flags); }; });
}

}  // namespace operant::cli
