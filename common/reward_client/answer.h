// What one endpoint said of one item, after validation.
#ifndef OPERANT_COMMON_REWARD_CLIENT_ANSWER_H_
#define OPERANT_COMMON_REWARD_CLIENT_ANSWER_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "operant/v1/reward.pb.h"

namespace operant {

// How the question ended; a label of operant_reward_items_total.
enum class AnswerOutcome {
  kOk,
  kIgnored,
  kItemError,    // the server's own error for the item
  kTimeout,      // no answer within the deadline
  kUnavailable,  // no connection, or the server refused for lack of room
  kRefused,      // another gRPC error
  kNonFinite,    // NaN or infinity
  kOutOfRange,   // outside the declared range or reward.max_abs_score
  kBadId,        // ids missing, foreign or twice; another request_id
  kMalformed,    // anything else that breaks the contract
};
inline constexpr AnswerOutcome kAnswerOutcomes[] = {
    AnswerOutcome::kOk,          AnswerOutcome::kIgnored,
    AnswerOutcome::kItemError,   AnswerOutcome::kTimeout,
    AnswerOutcome::kUnavailable, AnswerOutcome::kRefused,
    AnswerOutcome::kNonFinite,   AnswerOutcome::kOutOfRange,
    AnswerOutcome::kBadId,       AnswerOutcome::kMalformed};
const char* OutcomeLabel(AnswerOutcome outcome);

// A score that may be trained on, or "ignore", or an error: never two of them.
struct ItemAnswer {
  AnswerOutcome outcome = AnswerOutcome::kUnavailable;
  absl::Status status;     // not OK unless outcome is kOk or kIgnored
  bool retryable = false;  // whether asking again may help
  double score = 0;        // finite; of kOk only
  std::map<std::string, double> components;
  std::vector<v1::TokenReward> token_rewards;
  int attempts = 0;        // calls that carried the item; 0: remembered
  absl::Duration latency;  // of the last of them
};

// The answer that is an error.
ItemAnswer ErrorAnswer(AnswerOutcome outcome, absl::Status status,
                       bool retryable);

}  // namespace operant

#endif  // OPERANT_COMMON_REWARD_CLIENT_ANSWER_H_
