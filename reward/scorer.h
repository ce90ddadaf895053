// What the reward server serves: a rule that gives responses scores.
#ifndef OPERANT_REWARD_SCORER_H_
#define OPERANT_REWARD_SCORER_H_

#include <functional>
#include <initializer_list>
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
  // becomes the result's error, retryable if it is Unavailable: the rule itself
  // is fixed.
  virtual absl::Status ScoreItem(const v1::ScoreItem& item,
                                 v1::ScoreResult& result) const = 0;
};

// What most rules say of themselves: version 1, needs the text, deterministic,
// scores from 0 to 1.
v1::GetInfoResponse TextRuleInfo(const char* name,
                                 std::initializer_list<const char*> components);

// Puts `status` in place of whatever `result` had: never a score beside an
// error. Unavailable is retryable.
void SetItemError(const absl::Status& status, v1::ScoreResult& result);

// `status` with the row of `item`, and that its response is what it is about.
absl::Status InResponseOf(const v1::ScoreItem& item,
                          const absl::Status& status);

// An item without what its scorer compares with, naming its row:
// InvalidArgument unless `item` has a ground truth.
absl::Status RequireGroundTruth(const v1::ScoreItem& item);

// The scorer that `config.scorer` names; what it compiles or loads is checked
// here. Errors: InvalidArgument (an unknown name, an empty setting, a pattern
// or schema that is not one), and those of the scorer's own Create or Load.
absl::StatusOr<std::unique_ptr<Scorer>> MakeScorer(
    const v1::RewardSection& config);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCORER_H_
