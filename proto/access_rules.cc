#include "proto/access_rules.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "operant/v1/access.pb.h"

namespace operant {
namespace {

namespace pb = google::protobuf;

constexpr char kOurs[] = "/operant.";

template <typename Roles>
uint32_t BitsOf(const Roles& roles) {
  uint32_t bits = 0;
  for (const int role : roles) {
    if (role != v1::ROLE_UNSPECIFIED) bits |= uint32_t{1} << role;
  }
  return bits;
}

class Reader {
 public:
  explicit Reader(const pb::FileDescriptorSet& files) {
    for (const pb::FileDescriptorProto& file : files.file()) ReadGrants(file);
    for (const pb::FileDescriptorProto& file : files.file()) ReadMethods(file);
    for (const auto& [path, bits] : rules_) {
      if (absl::StartsWith(path, kOurs) && !methods_.contains(path)) {
        faults_.push_back(absl::StrCat(path, " is granted but does not exist"));
      }
    }
  }

  absl::StatusOr<AccessRules> Result() const {
    if (faults_.empty()) return rules_;
    return absl::InvalidArgumentError(absl::StrJoin(faults_, "\n"));
  }

 private:
  void ReadGrants(const pb::FileDescriptorProto& file) {
    const pb::FileOptions& options = file.options();
    for (int i = 0; i < options.ExtensionSize(v1::grants); ++i) {
      const v1::Grant& grant = options.GetExtension(v1::grants, i);
      Add(absl::StrCat("/", grant.method()), BitsOf(grant.callers()));
    }
  }

  void ReadMethods(const pb::FileDescriptorProto& file) {
    for (const pb::ServiceDescriptorProto& service : file.service()) {
      for (const pb::MethodDescriptorProto& method : service.method()) {
        ReadMethod(absl::StrCat("/", file.package(), ".", service.name(), "/",
                                method.name()),
                   method.options());
      }
    }
  }

  void ReadMethod(const std::string& path, const pb::MethodOptions& options) {
    methods_[path] = true;
    const auto& callers = options.GetRepeatedExtension(v1::callers);
    if (!callers.empty()) return Add(path, BitsOf(callers));
    if (rules_.contains(path)) return;
    faults_.push_back(absl::StrCat(
        path,
        " says nowhere who may call it; add option (callers) = ROLE_..."));
  }

  void Add(const std::string& path, uint32_t bits) {
    if (bits == 0) faults_.push_back(absl::StrCat(path, " names no role"));
    if (!rules_.emplace(path, bits).second) {
      faults_.push_back(absl::StrCat(path, " says twice who may call it"));
    }
  }

  AccessRules rules_;
  std::map<std::string, bool> methods_;
  std::vector<std::string> faults_;
};

}  // namespace

absl::StatusOr<AccessRules> AccessRulesOf(const pb::FileDescriptorSet& files) {
  return Reader(files).Result();
}

}  // namespace operant
