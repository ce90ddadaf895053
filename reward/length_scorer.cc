#include "reward/length_scorer.h"

namespace operant::reward {
namespace {

constexpr double kScorePerToken = -1e-3;

}  // namespace

v1::GetInfoResponse LengthScorer::Describe() const {
  v1::GetInfoResponse info;
  info.set_name("length");
  info.set_version("1");
  info.add_needs(v1::GetInfoResponse::TOKEN_IDS);
  info.add_component_names("tokens");
  info.set_deterministic(true);
  return info;
}

absl::Status LengthScorer::ScoreItem(const v1::ScoreItem& item,
                                     v1::ScoreResult& result) const {
  const int tokens = item.response_token_ids_size();
  if (tokens == 0) {
    return absl::InvalidArgumentError(
        "item has no tokens: response_token_ids=0, expected at least 1; send "
        "them, as the need TOKEN_IDS says");
  }
  (*result.mutable_components())["tokens"] = tokens;
  result.set_score(kScorePerToken * tokens);
  return absl::OkStatus();
}

}  // namespace operant::reward
