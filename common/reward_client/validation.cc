#include "common/reward_client/validation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/base/exit_code.h"
#include "common/reward_client/server_info.h"

namespace operant {
namespace {

constexpr int kLastCode = 16;  // UNAUTHENTICATED, of google.rpc.Code

ItemAnswer Fault(AnswerOutcome outcome, const std::string& message) {
  return ErrorAnswer(outcome, absl::DataLossError(message), false);
}

// Its keys are the request's own ids.
using Positions = absl::flat_hash_map<absl::string_view, int>;

Positions PositionsById(const v1::ScoreRequest& request) {
  Positions positions;
  positions.reserve(request.items_size());
  for (int i = 0; i < request.items_size(); ++i) {
    positions[request.items(i).id()] = i;
  }
  return positions;
}

// Places the results by item. Returns the fault that condemns them all, or "".
std::string PlaceResults(const v1::ScoreRequest& request,
                         const v1::ScoreResponse& response,
                         std::vector<const v1::ScoreResult*>& placed) {
  const Positions positions = PositionsById(request);
  for (const v1::ScoreResult& result : response.results()) {
    const auto found = positions.find(result.id());
    if (found == positions.end()) {
      return absl::StrCat("answer holds a foreign item: id='",
                          Printable(result.id()), "'");
    }
    if (std::exchange(placed[found->second], &result) != nullptr) {
      return absl::StrCat("answer holds an item twice: id='",
                          Printable(result.id()), "'");
    }
  }
  const auto missing = std::find(placed.begin(), placed.end(), nullptr);
  if (missing == placed.end()) return "";
  return absl::StrCat("answer lacks an item: id='",
                      request.items(missing - placed.begin()).id(),
                      "' results=", response.results_size(),
                      " items=", request.items_size());
}

ItemAnswer ServersError(const v1::ItemError& error) {
  if (error.code() == 0 || error.code() > kLastCode) {
    return Fault(AnswerOutcome::kMalformed,
                 absl::StrCat("item error has no cause: code=", error.code(),
                              ", expected a google.rpc.Code other than 0"));
  }
  const auto code = static_cast<absl::StatusCode>(error.code());
  absl::Status status(code, absl::StrCat("server could not score it: ",
                                         absl::StatusCodeToString(code), ": ",
                                         Printable(error.message())));
  const ExitCode exit = code == absl::StatusCode::kUnavailable
                            ? ExitCode::kRewardUnavailable
                            : ExitCode::kData;
  return ErrorAnswer(AnswerOutcome::kItemError,
                     WithExitCode(std::move(status), exit), error.retryable());
}

// Why `value` may not be trained on, or kOk.
AnswerOutcome JudgeNumber(double value, double limit) {
  if (!std::isfinite(value)) return AnswerOutcome::kNonFinite;
  return std::abs(value) <= limit ? AnswerOutcome::kOk
                                  : AnswerOutcome::kOutOfRange;
}

ItemAnswer JudgeScore(double score, const AnswerRules& rules) {
  const v1::GetInfoResponse& info = rules.info;
  ItemAnswer answer;
  answer.outcome = JudgeNumber(score, rules.max_abs_score);
  if (answer.outcome == AnswerOutcome::kNonFinite) {
    return Fault(answer.outcome,
                 absl::StrCat("score is not finite: score=", score,
                              "; answer with an item error instead"));
  }
  if (answer.outcome == AnswerOutcome::kOutOfRange) {
    return Fault(answer.outcome,
                 absl::StrCat("score is too large: score=", score,
                              ", expected magnitude at most "
                              "reward.max_abs_score=",
                              rules.max_abs_score));
  }
  if (info.has_score_range() &&
      (score < info.score_min() || score > info.score_max())) {
    return Fault(AnswerOutcome::kOutOfRange,
                 absl::StrCat("score is outside the declared range: score=",
                              score, ", expected ", info.score_min(), " to ",
                              info.score_max()));
  }
  answer.score = score;
  return answer;
}

// `answer` with the weighted components as its score, where some are weighted.
ItemAnswer WeighComponents(const v1::ScoreResult& result,
                           const AnswerRules& rules, ItemAnswer answer) {
  if (rules.component_weights.empty()) return answer;
  double score = 0;
  for (const v1::ComponentWeight& part : rules.component_weights) {
    const auto found = result.components().find(part.component());
    if (found == result.components().end()) {
      return Fault(
          AnswerOutcome::kMalformed,
          absl::StrCat("answer lacks a weighted component: component='",
                       part.component(), "'"));
    }
    score += part.weight() * found->second;
  }
  if (JudgeNumber(score, rules.max_abs_score) != AnswerOutcome::kOk) {
    return Fault(JudgeNumber(score, rules.max_abs_score),
                 absl::StrCat("weighted components are too large: sum=", score,
                              ", expected magnitude at most "
                              "reward.max_abs_score=",
                              rules.max_abs_score));
  }
  answer.score = score;
  return answer;
}

// The fault of the components, or "".
std::string ComponentFault(const v1::ScoreResult& result,
                           const v1::GetInfoResponse& info) {
  const auto& names = info.component_names();
  for (const auto& [name, value] : result.components()) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::StrCat("component was not declared: component='",
                          Printable(name),
                          "', expected one of GetInfo's component_names");
    }
    if (!std::isfinite(value)) {
      return absl::StrCat("component is not finite: ", name, "=", value);
    }
  }
  return "";
}

std::string TokenRewardFault(const v1::ScoreResult& result,
                             const AnswerRules& rules, int response_tokens) {
  if (result.token_rewards_size() > 0 && !rules.info.token_rewards()) {
    return "token rewards were not declared: GetInfo's token_rewards=false";
  }
  for (const v1::TokenReward& reward : result.token_rewards()) {
    if (reward.begin() >= reward.end() ||
        reward.end() > static_cast<uint32_t>(response_tokens)) {
      return absl::StrCat(
          "token reward is outside the response: begin=", reward.begin(),
          " end=", reward.end(), ", expected begin < end <= ", response_tokens);
    }
    if (JudgeNumber(reward.value(), rules.max_abs_score) !=
        AnswerOutcome::kOk) {
      return absl::StrCat("token reward is not usable: value=", reward.value(),
                          ", expected a finite number of magnitude at most ",
                          rules.max_abs_score);
    }
  }
  return "";
}

ItemAnswer Judge(const v1::ScoreResult& result, const AnswerRules& rules,
                 int response_tokens) {
  const bool has_outcome =
      result.outcome_case() != v1::ScoreResult::OUTCOME_NOT_SET;
  if (result.ignore() == has_outcome) {
    return Fault(AnswerOutcome::kMalformed,
                 "result is ambiguous: expected exactly one of score, error "
                 "and ignore");
  }
  if (result.has_error()) return ServersError(result.error());
  std::string fault = ComponentFault(result, rules.info);
  if (fault.empty()) fault = TokenRewardFault(result, rules, response_tokens);
  if (!fault.empty()) {
    return Fault(AnswerOutcome::kMalformed, fault);
  }
  ItemAnswer answer;
  answer.outcome = AnswerOutcome::kIgnored;
  if (!result.ignore()) {
    answer = JudgeScore(result.score(), rules);
    if (answer.status.ok()) {
      answer = WeighComponents(result, rules, std::move(answer));
    }
  }
  if (!answer.status.ok()) return answer;
  answer.components = {result.components().begin(), result.components().end()};
  answer.token_rewards = {result.token_rewards().begin(),
                          result.token_rewards().end()};
  return answer;
}

}  // namespace

std::vector<ItemAnswer> ValidateResponse(const v1::ScoreRequest& request,
                                         const v1::ScoreResponse& response,
                                         const AnswerRules& rules) {
  const size_t items = request.items_size();
  if (response.request_id() != request.request_id()) {
    return std::vector<ItemAnswer>(
        items, Fault(AnswerOutcome::kBadId,
                     absl::StrCat("answer is to another request: request_id='",
                                  Printable(response.request_id()),
                                  "', expected '", request.request_id(), "'")));
  }
  std::vector<const v1::ScoreResult*> placed(items);
  const std::string fault = PlaceResults(request, response, placed);
  if (!fault.empty()) {
    return std::vector<ItemAnswer>(
        items, Fault(AnswerOutcome::kBadId,
                     absl::StrCat(fault,
                                  ", expected each id of the request "
                                  "once and no other")));
  }
  std::vector<ItemAnswer> answers;
  answers.reserve(items);
  for (size_t i = 0; i < items; ++i) {
    answers.push_back(Judge(*placed[i], rules, rules.response_tokens[i]));
  }
  return answers;
}

}  // namespace operant
