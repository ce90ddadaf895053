#include "common/reward_client/endpoint_client.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/exit_code.h"
#include "common/base/grpc_status.h"
#include "common/base/log.h"
#include "common/base/reward_contract.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/reward_client/failed_call.h"
#include "common/reward_client/retry_budget.h"
#include "common/reward_client/score_request.h"
#include "common/reward_client/server_info.h"
#include "common/reward_client/validation.h"

namespace operant {
namespace {

constexpr absl::Duration kGreetingDeadline = absl::Seconds(5);

double Uniform01() {
  thread_local absl::BitGen random;
  return absl::Uniform(random, 0.0, 1.0);
}

// The same payloads (exit code) and code with another message.
absl::Status WithMessage(const absl::Status& status, std::string_view message) {
  absl::Status renamed(status.code(),
                       absl::string_view(message.data(), message.size()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    renamed.SetPayload(url, payload);
  });
  return renamed;
}

absl::Status StoppedWaiting() {
  return absl::CancelledError(
      "shutdown was asked for while it waited to try again");
}

}  // namespace

EndpointClient::EndpointClient(const Options& options, MetricRegistry* metrics)
    : options_(options),
      stub_(options.address, options.token_file, options.credentials, metrics),
      metrics_(options.name, metrics),
      inflight_(/*most=*/1),  // until the handshake
      cache_(options.cache_items),
      breaker_(options.breaker_failures) {}

absl::Status EndpointClient::Handshake() {
  // Absence is all that is awaited here: no other retries.
  RetryPolicy policy = options_.retry;
  policy.max_retries = 0;
  RetryBudget budget(policy, options_.unavailable_wait);
  while (true) {
    const absl::Status status = Greet();
    if (status.ok()) break;
    if (!IsRetryable(status)) return Locate(status);
    const std::optional<absl::Duration> wait =
        budget.NextWait(/*absent=*/true, absl::Now(), Uniform01());
    if (!wait.has_value()) {
      return WithExitCode(
          absl::UnavailableError(absl::StrCat(
              Locate(status).message(),
              "; waited=", absl::FormatDuration(options_.unavailable_wait),
              "; start the server, or correct reward.endpoints")),
          ExitCode::kRewardUnavailable);
    }
    if (!SleepUnlessShutdown(*wait)) return Locate(StoppedWaiting());
  }
  metrics_.SetInfo(*info());
  return absl::OkStatus();
}

std::shared_ptr<const v1::GetInfoResponse> EndpointClient::info() const {
  absl::MutexLock lock(&mu_);
  return info_;
}

std::string EndpointClient::lineage() const {
  const auto said = info();
  return absl::StrCat(options_.name, " ", Printable(said->name()), "/",
                      Printable(said->version()));
}

absl::StatusOr<v1::GetInfoResponse> EndpointClient::GetInfo() {
  v1::GetInfoRequest request;
  request.set_api_level(kRewardApiLevel);
  request.set_run_id(options_.run_id);
  request.set_tokenizer_digest(options_.tokenizer_digest);
  return stub_.GetInfo(request, kGreetingDeadline);
}

// One handshake, without waiting.
absl::Status EndpointClient::Greet() {
  RETURN_IF_ERROR(stub_.ReadToken());
  const absl::StatusOr<v1::GetInfoResponse> info = GetInfo();
  if (info.ok()) {
    RETURN_IF_ERROR(CheckInfo(*info));
    RETURN_IF_ERROR(CheckComponentWeights(*info, options_.component_weights));
    Accept(*info);
    return absl::OkStatus();
  }
  const absl::Status& cause = info.status();
  const std::string said = Printable(std::string(cause.message()));
  if (IsRetryable(cause)) {
    return absl::Status(cause.code(),
                        absl::StrCat("server does not answer: ", said));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no reward server at the address: GetInfo answered ",
      absl::StatusCodeToString(cause.code()), " '", said,
      "', expected operant.v1.RewardService; correct reward.endpoints"));
}

void EndpointClient::Accept(const v1::GetInfoResponse& info) {
  inflight_.SetMost(InflightFor(info));
  lost_ = false;
  metrics_.SetUnreachable(false);
  std::shared_ptr<const v1::GetInfoResponse> before;
  {
    absl::MutexLock lock(&mu_);
    before =
        std::exchange(info_, std::make_shared<const v1::GetInfoResponse>(info));
  }
  if (before == nullptr ||
      (before->name() == info.name() && before->version() == info.version())) {
    return;
  }
  cache_.Clear();
  LogWarning("reward server came back as another",
             {{"endpoint", options_.name},
              {"was", Printable(before->name() + "/" + before->version())},
              {"is", Printable(info.name() + "/" + info.version())}});
}

int EndpointClient::InflightFor(const v1::GetInfoResponse& info) const {
  if (options_.max_inflight == 0) return CallsAtOnce(info, kMaxRewardCalls);
  // The server's word is kept where it gave one.
  return info.max_inflight_batches() == 0
             ? options_.max_inflight
             : CallsAtOnce(info, options_.max_inflight);
}

std::vector<ItemAnswer> EndpointClient::Score(const ScoreJob& job,
                                              const std::vector<int>& batch) {
  RetryBudget budget(options_.retry, options_.unavailable_wait);
  std::vector<ItemAnswer> answers(batch.size());
  std::vector<std::string> keys;
  std::vector<size_t> open = Recall(job, batch, keys, answers);
  while (!open.empty()) {
    const absl::Duration pause = AwaitCircuit();
    bool absent = true;
    if (pause == absl::ZeroDuration()) {
      absent = AskFor(job, batch, open, answers);
      open = RetryablePositions(
          job.items, batch, answers,
          HasNeed(*info(), v1::GetInfoResponse::WHOLE_GROUP));
    } else {
      for (size_t i : open) {
        if (answers[i].attempts == 0) answers[i] = UnaskedAnswer();
      }
    }
    if (open.empty() || job.abandoned.load()) break;
    const std::optional<absl::Duration> wait =
        budget.NextWait(absent, absl::Now(), Uniform01());
    if (!wait.has_value()) break;
    if (!SleepUnlessShutdown(std::max(*wait, pause))) {
      for (size_t i : open) answers[i].status = StoppedWaiting();
      break;
    }
    if (pause == absl::ZeroDuration()) metrics_.CountRetry();
  }
  Remember(keys, answers);
  Conclude(job, batch, answers);
  return answers;
}

// Zero if a call may go now.
absl::Duration EndpointClient::AwaitCircuit() {
  absl::MutexLock lock(&mu_);
  return breaker_.Admit(absl::Now());
}

// Fills in what the cache knows; returns the positions that it does not know.
// `keys` stays empty without a cache.
std::vector<size_t> EndpointClient::Recall(const ScoreJob& job,
                                           const std::vector<int>& batch,
                                           std::vector<std::string>& keys,
                                           std::vector<ItemAnswer>& answers) {
  std::vector<size_t> open(batch.size());
  std::iota(open.begin(), open.end(), 0);
  const std::shared_ptr<const v1::GetInfoResponse> said = info();
  if (cache_.capacity() == 0 || !IsCacheable(*said)) return open;
  for (int index : batch)
    keys.push_back(CacheKey(ItemFor(*said, job.items[index])));
  std::erase_if(open, [&](size_t i) {
    std::optional<ItemAnswer> known = cache_.Find(keys[i]);
    if (!known.has_value()) return false;
    metrics_.CountCacheHit();
    answers[i] = *std::move(known);
    answers[i].attempts = 0;
    answers[i].latency = absl::ZeroDuration();
    return true;
  });
  return open;
}

void EndpointClient::Remember(const std::vector<std::string>& keys,
                              const std::vector<ItemAnswer>& answers) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (answers[i].attempts > 0) cache_.Remember(keys[i], answers[i]);
  }
}

// Asks for the positions `open` of `batch` and files the answers there. Returns
// whether nobody was there to answer.
bool EndpointClient::AskFor(const ScoreJob& job, const std::vector<int>& batch,
                            const std::vector<size_t>& open,
                            std::vector<ItemAnswer>& answers) {
  std::vector<int> asked;
  for (size_t i : open) asked.push_back(batch[i]);
  bool absent = false;
  std::vector<ItemAnswer> fresh = Ask(job, asked, absent);
  for (size_t i = 0; i < open.size(); ++i) {
    fresh[i].attempts = answers[open[i]].attempts + 1;
    answers[open[i]] = std::move(fresh[i]);
  }
  return absent;
}

// Counts the final answers and makes each error say where and what it was.
void EndpointClient::Conclude(const ScoreJob& job,
                              const std::vector<int>& batch,
                              std::vector<ItemAnswer>& answers) {
  for (size_t i = 0; i < batch.size(); ++i) {
    ItemAnswer& answer = answers[i];
    metrics_.CountAnswer(answer);
    if (answer.status.ok()) continue;
    answer.status = WithMessage(
        answer.status,
        absl::StrCat("reward endpoint '", options_.name, "' at ",
                     options_.address, ", item '", job.items[batch[i]].id(),
                     "', attempts=", answer.attempts, ": ",
                     answer.status.message()));
  }
}

// One call for the items `batch`, judged. `absent`: nobody was there.
std::vector<ItemAnswer> EndpointClient::Ask(const ScoreJob& job,
                                            const std::vector<int>& batch,
                                            bool& absent) {
  const InflightLimit::Hold hold(inflight_);
  // Whoever answers next may be another; only a greeting finds it again.
  if (!stub_.connected()) lost_ = true;
  if (lost_) {
    const absl::Status greeting = Greet();
    if (!greeting.ok()) {
      Learn(greeting);
      absent = IsRetryable(greeting);
      if (absent) metrics_.SetUnreachable(true);
      return std::vector<ItemAnswer>(batch.size(), FailedCall(greeting));
    }
  }
  const std::shared_ptr<const v1::GetInfoResponse> said = info();
  const v1::ScoreRequest request = MakeRequest(*said, job, batch);
  AnswerRules rules{
      *said, options_.max_abs_score, {}, options_.component_weights};
  for (int index : batch) {
    rules.response_tokens.push_back(job.items[index].response_token_ids_size());
  }
  const absl::Time start = absl::Now();
  const absl::StatusOr<v1::ScoreResponse> response =
      Call(request, rules.response_tokens);
  std::vector<ItemAnswer> answers =
      response.ok() ? ValidateResponse(request, *response, rules)
                    : std::vector<ItemAnswer>(batch.size(),
                                              FailedCall(response.status()));
  for (ItemAnswer& answer : answers) answer.latency = absl::Now() - start;
  absent = absl::IsUnavailable(response.status());
  if (absent) {
    lost_ = true;
    metrics_.SetUnreachable(true);
  }
  return answers;
}

absl::StatusOr<v1::ScoreResponse> EndpointClient::Call(
    const v1::ScoreRequest& request, const std::vector<int>& tokens) {
  const size_t all_tokens = std::accumulate(tokens.begin(), tokens.end(), 0);
  const absl::Time start = absl::Now();
  absl::StatusOr<v1::ScoreResponse> response =
      stub_.Score(request, all_tokens, options_.deadline);
  metrics_.CountRequest(response.status(), absl::Now() - start,
                        request.items_size());
  Learn(response.status());
  return response;
}

// What a call's end says of the server: whether it is there, and whether it is
// asked too much at once.
void EndpointClient::Learn(const absl::Status& call) {
  const absl::Time now = absl::Now();
  const bool late = absl::IsDeadlineExceeded(call);
  if (late || absl::IsResourceExhausted(call)) {
    inflight_.Overloaded(now);
  } else if (call.ok()) {
    inflight_.Succeeded();
  }
  absl::MutexLock lock(&mu_);
  if (late || absl::IsUnavailable(call)) {
    breaker_.Failed(now);
  } else {
    breaker_.Succeeded();
  }
  metrics_.SetCircuit(breaker_.open(), inflight_.limit());
}

v1::ScoreRequest EndpointClient::MakeRequest(const v1::GetInfoResponse& info,
                                             const ScoreJob& job,
                                             const std::vector<int>& batch) {
  v1::ScoreRequest request;
  request.set_request_id(
      absl::StrCat(job.step, "-", options_.name, "-", next_request_++));
  request.set_run_id(options_.run_id);
  request.set_step(job.step);
  request.set_eval(job.eval);
  request.mutable_items()->Reserve(static_cast<int>(batch.size()));
  for (int index : batch)
    *request.add_items() = ItemFor(info, job.items[index]);
  return request;
}

// `cause` with the endpoint and its address in front.
absl::Status EndpointClient::Locate(const absl::Status& cause) const {
  return WithMessage(cause, absl::StrCat("reward endpoint '", options_.name,
                                         "' at ", options_.address, ": ",
                                         std::string(cause.message())));
}

}  // namespace operant
