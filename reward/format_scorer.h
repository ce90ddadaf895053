// Scores how much of a prescribed form a response keeps.
#ifndef OPERANT_REWARD_FORMAT_SCORER_H_
#define OPERANT_REWARD_FORMAT_SCORER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "reward/scorer.h"

namespace operant::reward {

// The share of the rules asked for that hold. Components, of those asked for:
// `words` (their number is within min_words and max_words), `tags` (each
// section once and closed, in order), `begin`, `end` (white space around the
// response does not count).
class FormatScorer final : public ItemScorer {
 public:
  // Errors: InvalidArgument (no rule at all, min_words over max_words, a tag
  // that is empty, has an angle bracket or is named twice).
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const v1::FormatRule& rule);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  explicit FormatScorer(const v1::FormatRule& rule) : rule_(rule) {}

  const v1::FormatRule rule_;
};

}  // namespace operant::reward

#endif  // OPERANT_REWARD_FORMAT_SCORER_H_
