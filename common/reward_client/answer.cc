#include "common/reward_client/answer.h"

#include <utility>

namespace operant {

const char* OutcomeLabel(AnswerOutcome outcome) {
  switch (outcome) {
    case AnswerOutcome::kOk:
      return "ok";
    case AnswerOutcome::kIgnored:
      return "ignored";
    case AnswerOutcome::kItemError:
      return "item_error";
    case AnswerOutcome::kTimeout:
      return "timeout";
    case AnswerOutcome::kUnavailable:
      return "unavailable";
    case AnswerOutcome::kRefused:
      return "refused";
    case AnswerOutcome::kNonFinite:
      return "non_finite";
    case AnswerOutcome::kOutOfRange:
      return "out_of_range";
    case AnswerOutcome::kBadId:
      return "bad_id";
    case AnswerOutcome::kMalformed:
      return "malformed";
  }
  return "unknown";
}

ItemAnswer ErrorAnswer(AnswerOutcome outcome, absl::Status status,
                       bool retryable) {
  ItemAnswer answer;
  answer.outcome = outcome;
  answer.status = std::move(status);
  answer.retryable = retryable;
  return answer;
}

}  // namespace operant
