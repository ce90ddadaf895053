#include "common/reward_client/conformance.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/retry.h"
#include "common/base/reward_contract.h"
#include "common/base/status_macros.h"
#include "common/reward_client/conformance_items.h"
#include "common/reward_client/load_probe.h"
#include "common/reward_client/reward_stub.h"
#include "common/reward_client/score_request.h"
#include "common/reward_client/server_info.h"
#include "common/reward_client/validation.h"

namespace operant {
namespace {

using Items = std::vector<v1::ScoreItem>;
using Verdict = ConformanceCheck::Verdict;

constexpr size_t kSampleItems = 16;
constexpr int kBatchSizes[] = {1, 8, 64, 256};
constexpr int kMostCalls = 32;

class Conformance {
 public:
  Conformance(const ConformanceOptions& options, RewardStub* stub,
              const v1::GetInfoResponse& info)
      : options_(options), stub_(stub), info_(info) {
    const Items all =
        options.items.empty() ? SampleItems(kSampleItems) : options.items;
    const size_t most =
        info.max_batch_items() == 0
            ? kSampleItems
            : std::min<size_t>(kSampleItems, info.max_batch_items());
    items_.assign(all.begin(), all.begin() + std::min(all.size(), most));
  }

  std::vector<ConformanceCheck> Run();

 private:
  // What a check found: OK, or what is wrong; Cancelled: it does not apply.
  using Finding = absl::Status;
  using Scores = std::map<std::string, double>;  // by id; scored items only

  void Check(const std::string& name, const std::function<Finding()>& check);
  v1::ScoreRequest Request(const Items& items);
  absl::StatusOr<v1::ScoreResponse> Call(const v1::ScoreRequest& request,
                                         absl::Duration deadline);
  // Every item answered as the contract asks; item errors are allowed.
  absl::StatusOr<Scores> Ask(const Items& items);

  Finding Describes();
  Finding ScoresTheSample();
  Finding ScoresOneItem();
  Finding TakesNoItems();
  Finding KeepsOddIds();
  Finding SurvivesHaywireText();
  Finding SurvivesATooLargeBatch();
  Finding SurvivesAnImpatientCaller();
  Finding AnswersCallsAtOnce();
  Finding IsDeterministic(const std::function<Items(Items)>& change);

  const ConformanceOptions& options_;
  RewardStub* const stub_;
  const v1::GetInfoResponse& info_;
  Items items_;
  std::atomic<int> requests_ = 0;
  std::vector<ConformanceCheck> checks_;
};

void Conformance::Check(const std::string& name,
                        const std::function<Finding()>& check) {
  const Finding finding = check();
  const Verdict verdict = finding.ok()                 ? Verdict::kPass
                          : absl::IsCancelled(finding) ? Verdict::kSkip
                                                       : Verdict::kFail;
  checks_.push_back({name, verdict, std::string(finding.message())});
}

v1::ScoreRequest Conformance::Request(const Items& items) {
  v1::ScoreRequest request;
  request.set_request_id(absl::StrCat("check-", requests_++));
  request.set_run_id("reward-check");
  for (const v1::ScoreItem& item : items) {
    *request.add_items() = ItemFor(info_, item);
  }
  return request;
}

absl::StatusOr<v1::ScoreResponse> Conformance::Call(
    const v1::ScoreRequest& request, absl::Duration deadline) {
  size_t tokens = 0;
  for (const v1::ScoreItem& item : request.items()) {
    tokens += item.response_token_ids_size();
  }
  return stub_->Score(request, tokens, deadline);
}

absl::StatusOr<Conformance::Scores> Conformance::Ask(const Items& items) {
  const v1::ScoreRequest request = Request(items);
  ASSIGN_OR_RETURN(const v1::ScoreResponse response,
                   Call(request, options_.deadline));
  AnswerRules rules{info_, options_.max_abs_score, {}, {}};
  for (const v1::ScoreItem& item : items) {
    rules.response_tokens.push_back(item.response_token_ids_size());
  }
  const auto answers = ValidateResponse(request, response, rules);
  Scores scores;
  for (size_t i = 0; i < items.size(); ++i) {
    if (answers[i].outcome == AnswerOutcome::kItemError) continue;
    RETURN_IF_ERROR(answers[i].status);
    if (answers[i].outcome == AnswerOutcome::kOk) {
      scores[items[i].id()] = answers[i].score;
    }
  }
  return scores;
}

Conformance::Finding Conformance::Describes() {
  RETURN_IF_ERROR(CheckInfo(info_));
  if (info_.name().empty() || info_.version().empty()) {
    return absl::FailedPreconditionError(
        "GetInfo gives no name or no version: scores could not be traced");
  }
  return absl::OkStatus();
}

Conformance::Finding Conformance::ScoresTheSample() {
  ASSIGN_OR_RETURN(const Scores scores, Ask(items_));
  if (scores.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "none of ", items_.size(),
        " items got a score; pass rows that it knows with --data FILE"));
  }
  return absl::OkStatus();
}

Conformance::Finding Conformance::ScoresOneItem() {
  return Ask({items_.front()}).status();
}

// A request without items is answered without results, or refused.
Conformance::Finding Conformance::TakesNoItems() {
  const absl::Status status = Ask({}).status();
  return absl::IsInvalidArgument(status) ? absl::OkStatus() : status;
}

Conformance::Finding Conformance::KeepsOddIds() {
  return Ask(OddIdItems()).status();
}

// Each alone, so that the one at fault is named.
Conformance::Finding Conformance::SurvivesHaywireText() {
  for (const v1::ScoreItem& item : HaywireItems()) {
    const absl::Status status = Ask({item}).status();
    if (status.ok()) continue;
    return absl::Status(
        status.code(),
        absl::StrCat("response '", Printable(item.response()).substr(0, 40),
                     "' of ", item.response().size(), " bytes: ",
                     status.message(), "; answer with an item error instead"));
  }
  return absl::OkStatus();
}

Conformance::Finding Conformance::SurvivesATooLargeBatch() {
  if (info_.max_batch_items() == 0 || info_.max_batch_items() > 10'000) {
    return absl::CancelledError("no max_batch_items below 10000 is stated");
  }
  const absl::Status status =
      Ask(SampleItems(static_cast<int>(info_.max_batch_items()) + 1)).status();
  if (!status.ok() && !absl::IsInvalidArgument(status)) {
    return absl::Status(status.code(),
                        absl::StrCat("max_batch_items + 1 items, expected "
                                     "INVALID_ARGUMENT or scores: ",
                                     status.message()));
  }
  return ScoresOneItem();
}

Conformance::Finding Conformance::SurvivesAnImpatientCaller() {
  (void)Call(Request(items_), absl::Milliseconds(1));
  return ScoresOneItem();
}

Conformance::Finding Conformance::AnswersCallsAtOnce() {
  const int calls = CallsAtOnce(info_, kMostCalls);
  std::vector<absl::Status> found(calls);
  std::vector<std::thread> callers;
  for (int i = 0; i < calls; ++i) {
    callers.emplace_back(
        [this, &found, i] { found[i] = Ask(items_).status(); });
  }
  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& status : found) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

// The same scores for the sample and for what `change` makes of it.
Conformance::Finding Conformance::IsDeterministic(
    const std::function<Items(Items)>& change) {
  if (!info_.deterministic()) {
    return absl::CancelledError("GetInfo says deterministic=false");
  }
  ASSIGN_OR_RETURN(const Scores before, Ask(items_));
  ASSIGN_OR_RETURN(const Scores after, Ask(change(items_)));
  for (const auto& [id, score] : after) {
    const auto found = before.find(id);
    if (found != before.end() && found->second == score) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "item '", id, "' got ",
        found == before.end() ? "no score" : absl::StrCat(found->second),
        " and then ", score, "; say deterministic=false"));
  }
  return absl::OkStatus();
}

std::vector<ConformanceCheck> Conformance::Run() {
  Check("GetInfo describes it", [this] { return Describes(); });
  Check("a batch is scored", [this] { return ScoresTheSample(); });
  Check("one item is scored", [this] { return ScoresOneItem(); });
  Check("no items are no error", [this] { return TakesNoItems(); });
  Check("ids come back unchanged", [this] { return KeepsOddIds(); });
  Check("haywire responses are answered",
        [this] { return SurvivesHaywireText(); });
  Check("the same batch gets the same scores",
        [this] { return IsDeterministic([](Items items) { return items; }); });
  Check("the batch's order does not matter", [this] {
    return IsDeterministic([](Items items) {
      std::reverse(items.begin(), items.end());
      return items;
    });
  });
  Check("the batch's other items do not matter", [this] {
    if (HasNeed(info_, v1::GetInfoResponse::WHOLE_GROUP)) {
      return absl::CancelledError("it needs whole groups");
    }
    return IsDeterministic(
        [](const Items& items) { return Items{items.front()}; });
  });
  Check("a batch over its limit does no harm",
        [this] { return SurvivesATooLargeBatch(); });
  Check("a caller that leaves does no harm",
        [this] { return SurvivesAnImpatientCaller(); });
  Check("calls at once are answered", [this] { return AnswersCallsAtOnce(); });
  return std::move(checks_);
}

absl::StatusOr<v1::GetInfoResponse> Greet(RewardStub& stub,
                                          const ConformanceOptions& options) {
  RETURN_IF_ERROR(stub.ReadToken());
  v1::GetInfoRequest request;
  request.set_api_level(kRewardApiLevel);
  request.set_run_id("reward-check");
  auto info = stub.GetInfo(request, options.deadline);
  if (info.ok()) return info;
  return WithExitCode(
      absl::Status(info.status().code(),
                   absl::StrCat("no reward server answers: address='",
                                options.address, "', ", info.status().message(),
                                "; start it, or correct the address")),
      ExitCode::kRewardUnavailable);
}

}  // namespace

bool ConformanceReport::passed() const {
  return std::none_of(checks.begin(), checks.end(), [](const auto& check) {
    return check.verdict == Verdict::kFail;
  });
}

absl::StatusOr<ConformanceReport> CheckConformance(
    const ConformanceOptions& options) {
  RewardStub stub(options.address, options.token_file, options.credentials);
  ConformanceReport report;
  ASSIGN_OR_RETURN(report.info, Greet(stub, options));
  report.checks = Conformance(options, &stub, report.info).Run();
  if (options.load_time <= absl::ZeroDuration()) return report;
  for (int batch : kBatchSizes) {
    const uint32_t most = report.info.max_batch_items();
    if (most > 0 && batch > static_cast<int>(most)) break;
    report.load.push_back(ProbeLoad(options, report.info, batch, stub));
  }
  return report;
}

}  // namespace operant
