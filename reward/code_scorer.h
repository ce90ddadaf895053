// Scores a response 1 if the program in it passes its row's tests, else 0.
#ifndef OPERANT_REWARD_CODE_SCORER_H_
#define OPERANT_REWARD_CODE_SCORER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "reward/sandbox.h"
#include "reward/scorer.h"

namespace operant::reward {

// The tests are the row's `ground_truth`: Python statements, as Sandbox::Run
// takes them. The program is the response's last fenced block of Python, or the
// whole response, less the blanks before it, if it has no fence. Components:
// `passed`, `failed`, `crashed`, `timeout`, `output`, `no_program`, of which
// one is 1; the note `said` has the first failure.
//
// Errors of an item, naming row and field: no ground_truth, one that is not
// Python, metadata.language other than python; Unavailable (may be tried again)
// if the sandbox could not start.
class CodeScorer final : public ItemScorer {
 public:
  // Errors: FailedPrecondition: no sandbox can be had.
  static absl::StatusOr<std::unique_ptr<Scorer>> Create(
      const v1::Sandbox& config);

  v1::GetInfoResponse Describe() const override;

 protected:
  absl::Status ScoreItem(const v1::ScoreItem& item,
                         v1::ScoreResult& result) const override;

 private:
  explicit CodeScorer(std::unique_ptr<const Sandbox> sandbox);

  const std::unique_ptr<const Sandbox> sandbox_;
};

// The program in `response`; none if its fences hold none in Python.
std::optional<std::string> FindProgram(const std::string& response);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_CODE_SCORER_H_
