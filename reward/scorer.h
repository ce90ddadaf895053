// What the reward server serves: a rule that gives responses scores.
#ifndef OPERANT_REWARD_SCORER_H_
#define OPERANT_REWARD_SCORER_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/reward.pb.h"

namespace operant::reward {

// Thread-safe: Score() runs on several threads at once.
class Scorer {
 public:
  using Items = google::protobuf::RepeatedPtrField<v1::ScoreItem>;
  using Results = google::protobuf::RepeatedPtrField<v1::ScoreResult>;
  using Cancelled = std::function<bool()>;

  virtual ~Scorer() = default;

  // The handshake's answer but for the server's own limits: name, version,
  // needs, component names, determinism, range of the score.
  virtual v1::GetInfoResponse Describe() const = 0;

  // Appends one result per item, in their order. An item that cannot be scored
  // gets an error in its result. Stops early, leaving `results` short, once
  // `cancelled` is true.
  virtual void Score(const Items& items, const Cancelled& cancelled,
                     Results& results) const = 0;
};

// A scorer that looks at one item at a time.
class ItemScorer : public Scorer {
 public:
  void Score(const Items& items, const Cancelled& cancelled,
             Results& results) const final;

 protected:
  // The item's score and components, into `result` (whose id is set). An error
  // becomes the result's error: not retryable, since the rule is fixed.
  virtual absl::Status ScoreItem(const v1::ScoreItem& item,
                                 v1::ScoreResult& result) const = 0;
};

// The scorer that `config.scorer` names: wellformed (loads config.lexicon),
// length or regex (compiles config.pattern). Errors: InvalidArgument (an
// unknown name, an empty setting, a pattern that does not compile), and those
// of Lexicon::Load.
absl::StatusOr<std::unique_ptr<Scorer>> MakeScorer(
    const v1::RewardSection& config);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCORER_H_
