#include "reward/judge_client.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"
#include "httplib.h"

namespace operant::reward {
namespace {

constexpr int kAtOnce = 8;
constexpr size_t kMaxReplyBytes = 1 << 20;
constexpr uint64_t kMaxKeyBytes = 4096;

struct Url {
  std::string server;  // scheme://host:port
  std::string path;    // of the API's version, without a final slash
};

absl::StatusOr<Url> ParseUrl(const std::string& url) {
  const bool known =
      absl::StartsWith(url, "http://") || absl::StartsWith(url, "https://");
  const size_t host = url.find("://") + 3;
  const size_t slash = url.find('/', host);
  if (!known || url.size() <= host || slash == host) {
    return absl::InvalidArgumentError(absl::StrCat(
        "judge cannot be asked: reward.judge.url='", url,
        "', expected http(s)://host:port/path; write, for example, "
        "http://127.0.0.1:8000/v1"));
  }
  Url parsed = {url.substr(0, slash), ""};
  if (slash != url.npos) parsed.path = url.substr(slash);
  while (absl::EndsWith(parsed.path, "/")) parsed.path.pop_back();
  return parsed;
}

// Turns, evenly spaced. Thread-safe.
class Turns {
 public:
  explicit Turns(absl::Duration interval) : interval_(interval) {}

  // Blocks until it is the caller's turn; false, at once and taking none, if
  // that is longer away than `most`.
  bool Await(absl::Duration most) const {
    absl::Time turn;
    {
      absl::MutexLock lock(&mu_);
      const absl::Time now = absl::Now();
      turn = std::max(next_, now);
      if (turn - now > most) return false;
      next_ = turn + interval_;
    }
    absl::SleepFor(turn - absl::Now());
    return true;
  }

 private:
  const absl::Duration interval_;
  mutable absl::Mutex mu_;
  mutable absl::Time next_ ABSL_GUARDED_BY(mu_) = absl::InfinitePast();
};

// choices[0].message.content.
absl::StatusOr<std::string> ReplyIn(const std::string& body) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(body);
  if (json.ok() && json->is_object()) {
    const nlohmann::json& choices = Member(*json, "choices");
    if (choices.is_array() && !choices.empty() && choices[0].is_object()) {
      const nlohmann::json& message = Member(choices[0], "message");
      if (message.is_object() && Member(message, "content").is_string()) {
        return Member(message, "content").get<std::string>();
      }
    }
  }
  return absl::FailedPreconditionError(
      "judge gave no chat completion: expected choices[0].message.content; "
      "check reward.judge.url and reward.judge.model");
}

absl::Status HttpError(int status) {
  const std::string text =
      absl::StrCat("judge refused: status ", status,
                   ", expected 200; check reward.judge.url, model, "
                   "api_key_file and requests_per_minute");
  const bool later = status == 429 || status == 408 || status >= 500;
  return later ? absl::UnavailableError(text)
               : absl::FailedPreconditionError(text);
}

class HttpJudge final : public JudgeClient {
 public:
  HttpJudge(const v1::Judge& judge, Url url, std::string key)
      : judge_(judge),
        url_(std::move(url)),
        key_(std::move(key)),
        timeout_(absl::Milliseconds(judge.timeout_ms())),
        turns_(absl::Minutes(1) / judge.requests_per_minute()) {}

  absl::StatusOr<std::string> Ask(const std::string& question) const override {
    if (!turns_.Await(timeout_)) {
      return absl::UnavailableError(absl::StrCat(
          "judge has no time: a turn is over reward.judge.timeout_ms=",
          judge_.timeout_ms(), " away; raise requests_per_minute=",
          judge_.requests_per_minute(), " or lower reward.batch_items"));
    }
    std::string body;
    ASSIGN_OR_RETURN(const int status, Post(RequestBody(question), body));
    if (status != 200) return HttpError(status);
    return ReplyIn(body);
  }

 private:
  std::string RequestBody(const std::string& question) const {
    return nlohmann::json{
        {"model", judge_.model()},
        {"temperature", 0},
        {"max_tokens", judge_.max_reply_tokens()},
        {"messages", {{{"role", "user"}, {"content", question}}}}}
        .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }

  // The status; what is received is bounded in time and in bytes.
  absl::StatusOr<int> Post(std::string question, std::string& body) const {
    httplib::Client client(url_.server);
    const int64_t us = absl::ToInt64Microseconds(timeout_);
    client.set_connection_timeout(us / 1'000'000, us % 1'000'000);
    client.set_read_timeout(us / 1'000'000, us % 1'000'000);
    client.set_write_timeout(us / 1'000'000, us % 1'000'000);
    const absl::Time deadline = absl::Now() + timeout_;
    httplib::Request request;
    request.method = "POST";
    request.path = url_.path + "/chat/completions";
    request.set_header("Content-Type", "application/json");
    if (!key_.empty()) request.set_header("Authorization", "Bearer " + key_);
    request.body = std::move(question);
    request.content_receiver = [&](const char* data, size_t bytes, uint64_t,
                                   uint64_t) {
      body.append(data, bytes);
      return body.size() <= kMaxReplyBytes && absl::Now() < deadline;
    };
    const httplib::Result result = client.send(request);
    if (result) return result->status;
    return absl::UnavailableError(absl::StrCat(
        "judge did not answer: ", httplib::to_string(result.error()),
        ", expected a reply of ", url_.server,
        " within reward.judge.timeout_ms=", judge_.timeout_ms()));
  }

  const v1::Judge judge_;
  const Url url_;
  const std::string key_;
  const absl::Duration timeout_;
  const Turns turns_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const JudgeClient>> JudgeClient::Create(
    const v1::Judge& judge) {
  ASSIGN_OR_RETURN(Url url, ParseUrl(judge.url()));
  std::string key;
  if (!judge.api_key_file().empty()) {
    ASSIGN_OR_RETURN(key, ReadFile(judge.api_key_file(), kMaxKeyBytes));
    absl::StripAsciiWhitespace(&key);
  }
  return std::make_unique<HttpJudge>(judge, std::move(url), std::move(key));
}

void ForEachAtOnce(int count, const std::function<void(int)>& work) {
  std::atomic<int> next{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < std::min(count, kAtOnce); ++t) {
    threads.emplace_back([&] {
      for (int i = next++; i < count; i = next++) work(i);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace operant::reward
