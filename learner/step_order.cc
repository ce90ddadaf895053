#include "learner/step_order.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"

namespace operant::learner {

absl::Status StepOrder::Expect(Stage stage, uint64_t want, uint64_t got,
                               const char* what) const {
  if (stage_ == stage && want == got) return absl::OkStatus();
  constexpr const char* kStages[] = {"idle", "chosen", "committed"};
  return absl::InternalError(
      absl::StrCat(what, " out of order: ", got, ", expected ", want, "; step ",
                   steps_, " is ", kStages[static_cast<int>(stage_)]));
}

absl::Status StepOrder::Choose(uint64_t step) {
  RETURN_IF_ERROR(Expect(Stage::kIdle, steps_, step, "batch manifest"));
  stage_ = Stage::kChosen;
  return absl::OkStatus();
}

absl::Status StepOrder::Commit(uint64_t step) {
  RETURN_IF_ERROR(Expect(Stage::kChosen, steps_, step, "step"));
  stage_ = Stage::kCommitted;
  return absl::OkStatus();
}

absl::Status StepOrder::Publish(uint64_t version) {
  RETURN_IF_ERROR(
      Expect(Stage::kCommitted, steps_ + 1, version, "published version"));
  stage_ = Stage::kIdle;
  ++steps_;
  return absl::OkStatus();
}

absl::Status StepOrder::Cut(uint64_t steps) const {
  return Expect(Stage::kIdle, steps_, steps, "checkpoint");
}

}  // namespace operant::learner
