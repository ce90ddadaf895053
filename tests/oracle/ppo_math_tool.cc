// The functions of learner/ppo_math.h on given numbers, for comparison with
// other implementations: a JSON object on standard input, one on standard
// output. All arithmetic is fp64.
//
// Input: matrices [B, T] `logp`, `entropy`, `values`, `old_logp`, `ref_logp`,
// `sampler_logp`, `old_values`, `mask` (0 or 1), `weight`; vectors [B] `score`,
// `bootstrap`; numbers `beta`, `gamma`, `lambda`, `clip_low`, `clip_high`,
// `dual_clip`, `value_clip`, `c1`, `c2`, `cap`, `denominator`.
// Output: the result of each function by name, and the gradients of the total
// loss by logp, entropy and values.
#include <torch/torch.h>

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "learner/ppo_math.h"
#include "nlohmann/json.hpp"

namespace operant::learner {
namespace {

using Json = nlohmann::json;

at::Tensor Vector(const Json& in, const std::string& name) {
  return torch::tensor(in.at(name).get<std::vector<double>>(), at::kDouble);
}

at::Tensor Matrix(const Json& in, const std::string& name) {
  std::vector<at::Tensor> rows;
  for (const Json& row : in.at(name)) {
    rows.push_back(torch::tensor(row.get<std::vector<double>>(), at::kDouble));
  }
  return at::stack(rows);
}

at::Tensor Leaf(const Json& in, const std::string& name) {
  return Matrix(in, name).requires_grad_(true);
}

Json ToJson(const at::Tensor& x) {
  const at::Tensor flat = x.detach().contiguous().view(-1);
  const double* begin = flat.data_ptr<double>();
  return std::vector<double>(begin, begin + flat.numel());
}

// Fills rewards to whitened advantages; returns the estimate.
AdvantageEstimate Advantages(const Json& in, const at::Tensor& mask,
                             Json& out) {
  const at::Tensor values = Matrix(in, "old_values");
  const at::Tensor rewards =
      KlPenalizedRewards(Vector(in, "score"), Matrix(in, "old_logp"),
                         Matrix(in, "ref_logp"), mask, in.at("beta"));
  const at::Tensor td_residuals = TdResiduals(
      rewards, values, Vector(in, "bootstrap"), mask, in.at("gamma"));
  const AdvantageEstimate estimate = GeneralizedAdvantage(
      td_residuals, values, mask, {in.at("gamma"), in.at("lambda")});
  out["rewards"] = ToJson(rewards);
  out["td_residuals"] = ToJson(td_residuals);
  out["advantages"] = ToJson(estimate.advantages);
  out["returns"] = ToJson(estimate.returns);
  out["whitened"] = ToJson(WhitenOverMask(estimate.advantages, mask));
  return estimate;
}

void Divergences(const PpoInputs& in, Json& out) {
  const auto kl = [&in](KlEstimator estimator) {
    return ToJson(ApproxKl(in.old_logp, in.logp, in.mean, estimator));
  };
  out["k1"] = kl(KlEstimator::kK1);
  out["k2"] = kl(KlEstimator::kK2);
  out["k3"] = kl(KlEstimator::kK3);
}

Json Compute(const Json& in) {
  Json out;
  const at::Tensor mask = Matrix(in, "mask") > 0;
  const AdvantageEstimate estimate = Advantages(in, mask, out);
  PpoInputs inputs;
  inputs.logp = Leaf(in, "logp");
  inputs.entropy = Leaf(in, "entropy");
  inputs.values = Leaf(in, "values");
  inputs.old_logp = Matrix(in, "old_logp");
  inputs.advantages = WhitenOverMask(estimate.advantages, mask);
  inputs.importance = ImportanceWeight(
      inputs.old_logp, Matrix(in, "sampler_logp"), in.at("cap"));
  inputs.targets = {Matrix(in, "old_values"), estimate.returns};
  inputs.mean = {mask, Matrix(in, "weight"), in.at("denominator")};
  const PpoLossParts loss = PpoLoss(
      inputs,
      {.clip = {in.at("clip_low"), in.at("clip_high"), in.at("dual_clip")},
       .value_clip = in.at("value_clip"),
       .value = in.at("c1"),
       .entropy = in.at("c2")});
  loss.total.backward();
  out["ratio"] = ToJson(ProbabilityRatio(inputs.logp, inputs.old_logp));
  out["importance"] = ToJson(inputs.importance);
  out["policy_loss"] = ToJson(loss.policy);
  out["value_loss"] = ToJson(loss.value);
  out["entropy_mean"] = ToJson(loss.entropy);
  out["total_loss"] = ToJson(loss.total);
  out["logp_gradient"] = ToJson(inputs.logp.grad());
  out["entropy_gradient"] = ToJson(inputs.entropy.grad());
  out["values_gradient"] = ToJson(inputs.values.grad());
  Divergences(inputs, out);
  return out;
}

}  // namespace
}  // namespace operant::learner

int main() {
  try {
    std::cout << operant::learner::Compute(nlohmann::json::parse(std::cin))
              << "\n";
  } catch (const std::exception& error) {
    std::cerr << "ppo_math_tool: " << error.what() << "\n";
    return 65;
  }
  return 0;
}
