#include "common/nn/module_scorer.h"

#include <torch/torch.h>

#include <algorithm>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/inference_batch.h"
#include "common/nn/torch_status.h"

namespace operant {
namespace {

// Consecutive sequences, padded to the longest. A sequence of n tokens is read
// at n - 1 positions: nothing is scored after its last token.
struct Pass {
  TokenBatch batch;
  at::Tensor states;   // [n] int64: packed positions before the scored tokens
  at::Tensor targets;  // [n] int64: those tokens
};

int64_t PositionsRead(const SequenceTokens& sequence) {
  return static_cast<int64_t>(sequence.tokens.size()) - 1;
}

Pass MakePass(std::span<const SequenceTokens> sequences) {
  const auto count = static_cast<int64_t>(sequences.size());
  at::Tensor lengths = at::empty({count}, at::kLong);
  int64_t longest = 0;
  for (int64_t b = 0; b < count; ++b) {
    lengths.data_ptr<int64_t>()[b] = PositionsRead(sequences[b]);
    longest = std::max(longest, PositionsRead(sequences[b]));
  }
  at::Tensor tokens = at::zeros({count, longest}, at::kLong);
  std::vector<int64_t> states;
  std::vector<int64_t> targets;
  int64_t begin = 0;  // packed position of the sequence's first token
  for (int64_t b = 0; b < count; ++b) {
    const SequenceTokens& sequence = sequences[b];
    const int64_t read = PositionsRead(sequence);
    std::copy_n(sequence.tokens.begin(), read,
                tokens.data_ptr<int64_t>() + b * longest);
    for (int64_t t = sequence.first_scored; t <= read; ++t) {
      states.push_back(begin + t - 1);
      targets.push_back(sequence.tokens[t]);
    }
    begin += read;
  }
  return {{tokens, lengths}, at::tensor(states), at::tensor(targets)};
}

// How many of the sequences, from the first, make one pass.
size_t CountOfPass(std::span<const SequenceTokens> sequences,
                   int64_t pass_tokens) {
  int64_t longest = 0;
  size_t count = 0;
  for (; count < sequences.size(); ++count) {
    longest = std::max(longest, PositionsRead(sequences[count]));
    const auto padded = static_cast<int64_t>(count + 1) * longest;
    if (count > 0 && padded > pass_tokens) break;
  }
  return count;
}

class ModuleScorer final : public InferenceModel {
 public:
  ModuleScorer(CausalLm* module, int64_t pass_tokens)
      : module_(*module), pass_tokens_(pass_tokens) {}

  absl::Status Score(std::span<const SequenceTokens> sequences,
                     float temperature, const ValueHead* value_head,
                     std::vector<TokenScore>& out) override {
    RETURN_IF_ERROR(CheckScore(config(), sequences, temperature));
    std::vector<SequenceTokens> scored;
    std::ranges::copy_if(
        sequences, std::back_inserter(scored),
        [](const SequenceTokens& s) { return ScoredPositions(s) > 0; });
    return CatchTorch("scoring with the training module", [&] {
      const at::NoGradGuard no_grad;
      for (std::span<const SequenceTokens> rest = scored; !rest.empty();) {
        const size_t count = CountOfPass(rest, pass_tokens_);
        ScorePass(MakePass(rest.first(count)), temperature, value_head, out);
        rest = rest.subspan(count);
      }
      return absl::OkStatus();
    });
  }

  const ModelConfig& config() const override { return module_.config(); }

  absl::StatusOr<std::shared_ptr<const PackedWeights>> Pack(
      const WeightImage&) const override {
    return Nothing("pack weights");
  }
  void Use(std::shared_ptr<const PackedWeights>) override {}
  absl::Status Forward(std::span<const SlotTokens>, std::span<float>) override {
    return Nothing("decode");
  }
  void CopySlot(int, int, int) override {
    TORCH_CHECK(false, "a module scorer has no slots");
  }

 private:
  static absl::Status Nothing(const char* what) {
    return absl::UnimplementedError(
        absl::StrCat("a module scorer does not ", what,
                     ": it scores with the training module's weights"));
  }

  void ScorePass(const Pass& pass, float temperature,
                 const ValueHead* value_head, std::vector<TokenScore>& out) {
    const at::Tensor all = module_.Hidden(pass.batch);
    const at::Tensor hidden = all.index_select(0, pass.states.to(all.device()));
    const auto [logprob, entropy] =
        module_.LogProbs(hidden, pass.targets.to(all.device()), temperature,
                         /*entropy_gradient=*/false);
    const at::Tensor logprobs = logprob.cpu();
    const at::Tensor entropies = entropy.cpu();
    const at::Tensor values = ValuesOf(hidden, value_head).cpu();
    for (int64_t i = 0; i < logprobs.size(0); ++i) {
      out.push_back({.logprob = logprobs.data_ptr<float>()[i],
                     .entropy = entropies.data_ptr<float>()[i],
                     .value = values.data_ptr<float>()[i]});
    }
  }

  // [N]; 0 without a head.
  static at::Tensor ValuesOf(const at::Tensor& hidden, const ValueHead* head) {
    if (head == nullptr) return at::zeros({hidden.size(0)}, hidden.options());
    const at::Tensor weight = at::tensor(head->weight).to(hidden.device());
    return at::mv(hidden, weight) + head->bias;
  }

  CausalLm& module_;
  const int64_t pass_tokens_;
};

}  // namespace

std::unique_ptr<InferenceModel> CreateModuleScorer(CausalLm* module,
                                                   int64_t pass_tokens) {
  return std::make_unique<ModuleScorer>(module, pass_tokens);
}

}  // namespace operant
