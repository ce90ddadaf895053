#include "rollout/policy_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/status_macros.h"

namespace operant::rollout {

bool PolicyStore::IsNewer(const PolicyVersion& version) const {
  if (!active_.has_value()) return true;
  if (rebased_) return version != *active_;
  return version.version > active_->version;
}

void PolicyStore::Rejoin(const std::optional<PolicyVersion>& published) {
  published_ = published;
  rebased_ = false;
  rebased_ = active_.has_value() && published != active_ &&
             !(published.has_value() && IsNewer(*published));
}

bool PolicyStore::behind() const {
  return published_.has_value() && IsNewer(*published_);
}

absl::Status PolicyStore::Stage(const PolicyVersion& incoming) {
  if (incoming_.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "stage weights: version=", incoming.version,
        ", expected no transfer under way; version ", incoming_->version,
        " is on its way in, try again after it"));
  }
  if (!IsNewer(incoming)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "stage weights: version=", incoming.version, ", expected newer than ",
        active_->version, "; the worker serves that version already"));
  }
  if (published_.has_value() && published_->version == incoming.version &&
      published_->sha256 != incoming.sha256) {
    return absl::DataLossError(absl::StrCat(
        "stage weights: version=", incoming.version,
        " sha256=", Hex(incoming.sha256), ", expected the published ",
        Hex(published_->sha256), "; push the version again"));
  }
  incoming_ = incoming;
  verified_ = false;
  return absl::OkStatus();
}

absl::Status PolicyStore::Expect(const PolicyVersion& version, bool verified,
                                 const char* transition) const {
  if (incoming_ == version && verified_ == verified) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(transition, " weights: version=", version.version,
                   ", expected a version that is ",
                   verified ? "verified" : "staging", "; transfer it first"));
}

absl::Status PolicyStore::Verify(const PolicyVersion& incoming) {
  RETURN_IF_ERROR(Expect(incoming, /*verified=*/false, "verify"));
  verified_ = true;
  return absl::OkStatus();
}

absl::Status PolicyStore::Activate(const PolicyVersion& incoming) {
  RETURN_IF_ERROR(Expect(incoming, /*verified=*/true, "activate"));
  active_ = std::exchange(incoming_, std::nullopt);
  verified_ = false;
  rebased_ = false;
  return absl::OkStatus();
}

void PolicyStore::Abandon() {
  incoming_.reset();
  verified_ = false;
}

}  // namespace operant::rollout
