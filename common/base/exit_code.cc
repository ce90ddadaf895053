#include "common/base/exit_code.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"

namespace operant {
namespace {

constexpr char kPayloadUrl[] = "operant/exit_code";

ExitCode CodeByCanonicalCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ExitCode::kDone;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kPermissionDenied:  // of a file, or of a read-only
                                               // disk
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kUnimplemented:  // a model or tokenizer not built
      return ExitCode::kConfig;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kData;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
      return ExitCode::kResumable;
    default:
      return ExitCode::kBug;
  }
}

}  // namespace

absl::Status WithExitCode(absl::Status status, ExitCode code) {
  status.SetPayload(kPayloadUrl,
                    absl::Cord(absl::StrCat(static_cast<int>(code))));
  return status;
}

ExitCode ExitCodeFor(const absl::Status& status) {
  const absl::optional<absl::Cord> mark = status.GetPayload(kPayloadUrl);
  int code = 0;
  if (mark && absl::SimpleAtoi(std::string(*mark), &code)) {
    return static_cast<ExitCode>(code);
  }
  return CodeByCanonicalCode(status.code());
}

}  // namespace operant
