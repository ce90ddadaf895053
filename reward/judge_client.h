// Asks a chat model for verdicts, over OpenAI's HTTP protocol.
#ifndef OPERANT_REWARD_JUDGE_CLIENT_H_
#define OPERANT_REWARD_JUDGE_CLIENT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "operant/v1/config.pb.h"

namespace operant::reward {

class JudgeClient {
 public:
  // Errors: InvalidArgument (judge.url is not http(s)://host[:port][/path]);
  // NotFound (no judge.api_key_file). Connects to nothing yet.
  static absl::StatusOr<std::unique_ptr<const JudgeClient>> Create(
      const v1::Judge& judge);
  virtual ~JudgeClient() = default;

  // The model's reply to `question`, at temperature 0. Waits for its turn under
  // requests_per_minute, then for the reply, timeout_ms each at most.
  // Thread-safe. Errors: Unavailable, to be tried again (no turn in time, no
  // answer, status 429 or 5xx); FailedPrecondition (another status; what came
  // is not a chat completion).
  virtual absl::StatusOr<std::string> Ask(
      const std::string& question) const = 0;
};

// Calls `work` with 0 to `count` - 1 on a few threads at once, since a judge is
// mostly waited for. Returns when all are done.
void ForEachAtOnce(int count, const std::function<void(int)>& work);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_JUDGE_CLIENT_H_
