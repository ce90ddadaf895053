#include "reward/preference_scorer.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"
#include "common/nn/sequence_classifier.h"
#include "common/text/preference_dataset.h"

namespace operant::reward {
namespace {

// Sequences of one engine call: between two, a cancelled call is noticed.
constexpr size_t kSequencesPerCall = 64;
constexpr size_t kVersionDigits = 16;

std::string VersionOf(const SequenceClassifier& classifier) {
  Xxh3Stream digest;
  const auto weights = classifier.decoder.weights->bytes();
  digest.Update(weights.data(), weights.size());
  digest.Update(classifier.head.data(), classifier.head.size() * sizeof(float));
  return Hex(digest.Finish()).substr(0, kVersionDigits);
}

int32_t EosOf(const ModelConfig& model) {
  return model.eos_token_ids.empty() ? -1 : model.eos_token_ids[0];
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scorer>> PreferenceScorer::Create(
    const v1::PreferenceModel& config, int threads) {
  ASSIGN_OR_RETURN(const Device device, ParseDevice(config.device()));
  ASSIGN_OR_RETURN(SequenceClassifier classifier,
                   LoadSequenceClassifier(config.path()));
  ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                   Tokenizer::Load(config.path()));
  ASSIGN_OR_RETURN(
      std::unique_ptr<InferenceModel> engine,
      InferenceModel::Create(
          classifier.decoder.config,
          {.device = device,
           .compute = config.dtype() == "bf16" ? ComputeType::kBf16
                                               : ComputeType::kFp32,
           .slots = 1,  // scoring needs no cache
           .threads = threads}));
  ASSIGN_OR_RETURN(auto packed, engine->Pack(*classifier.decoder.weights));
  engine->Use(std::move(packed));
  std::string version = VersionOf(classifier);
  return std::unique_ptr<Scorer>(new PreferenceScorer(
      config, std::move(tokenizer), std::move(engine),
      {.weight = std::move(classifier.head)}, std::move(version)));
}

PreferenceScorer::PreferenceScorer(const v1::PreferenceModel& config,
                                   std::unique_ptr<Tokenizer> tokenizer,
                                   std::unique_ptr<InferenceModel> engine,
                                   ValueHead head, std::string version)
    : config_(config),
      tokenizer_(std::move(tokenizer)),
      model_(engine->config()),
      head_(std::move(head)),
      version_(std::move(version)),
      engine_(std::move(engine)) {}

v1::GetInfoResponse PreferenceScorer::Describe() const {
  v1::GetInfoResponse info = TextRuleInfo("preference-model", {"logit"});
  info.set_version(version_);
  info.clear_has_score_range();
  info.clear_score_min();
  info.clear_score_max();
  return info;
}

absl::StatusOr<std::vector<int32_t>> PreferenceScorer::TokensOf(
    const v1::ScoreItem& item) const {
  std::vector<int32_t> tokens =
      JudgedTokens(*tokenizer_, item.prompt(),
                   {item.response(), item.finish() == v1::FINISH_REASON_STOP},
                   EosOf(model_));
  const auto length = static_cast<int64_t>(tokens.size());
  // The state of the last token is read in front of one more.
  const int64_t limit = model_.max_position_embeddings - 1;
  if (length >= 1 && length <= limit) return tokens;
  return absl::InvalidArgumentError(absl::StrCat(
      "the reward model cannot read this: row='", item.group_id(),
      "' tokens=", length, ", expected 1 to ", limit,
      "; lower rollout.max_response_tokens or train a model of more context"));
}

absl::StatusOr<std::vector<double>> PreferenceScorer::Logits(
    const std::vector<std::vector<int32_t>>& sequences) const {
  std::vector<std::vector<int32_t>> longer = sequences;
  std::vector<SequenceTokens> spans;
  for (std::vector<int32_t>& tokens : longer) {
    const auto length = static_cast<int32_t>(tokens.size());
    tokens.push_back(tokens.back());  // whichever: only the state before counts
    spans.push_back({tokens, length});
  }
  std::vector<TokenScore> scores;
  {
    absl::MutexLock lock(&mu_);
    RETURN_IF_ERROR(engine_->Score(spans, /*temperature=*/1, &head_, scores));
  }
  std::vector<double> logits;
  for (const TokenScore& score : scores) logits.push_back(score.value);
  return logits;
}

void PreferenceScorer::Score(const Items& items, const Cancelled& cancelled,
                             Results& results) const {
  for (int begin = 0; begin < items.size();) {
    if (cancelled()) return;
    std::vector<std::vector<int32_t>> sequences;
    std::vector<v1::ScoreResult*> wanted;
    for (; begin < items.size() && sequences.size() < kSequencesPerCall;
         ++begin) {
      v1::ScoreResult& result = *results.Add();
      result.set_id(items[begin].id());
      absl::StatusOr<std::vector<int32_t>> tokens = TokensOf(items[begin]);
      if (!tokens.ok()) {
        SetItemError(tokens.status(), result);
        continue;
      }
      sequences.push_back(*std::move(tokens));
      wanted.push_back(&result);
    }
    const absl::StatusOr<std::vector<double>> logits = Logits(sequences);
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!logits.ok()) {
        SetItemError(logits.status(), *wanted[i]);
        continue;
      }
      wanted[i]->set_score(((*logits)[i] - config_.mean()) / config_.std());
      (*wanted[i]->mutable_components())["logit"] = (*logits)[i];
    }
  }
}

}  // namespace operant::reward
