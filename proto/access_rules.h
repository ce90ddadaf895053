// Reads who may call what from the descriptors of proto/: the build's source of
// the table in common/base/method_roles.h.
#ifndef OPERANT_PROTO_ACCESS_RULES_H_
#define OPERANT_PROTO_ACCESS_RULES_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.pb.h"

namespace operant {

// "/package.Service/Method" -> its roles, bit r for role r.
using AccessRules = std::map<std::string, uint32_t>;

// The rule of every method of `files`, by its option `callers` or by a grant of
// access.proto. InvalidArgument, naming every method that has no rule, or two.
absl::StatusOr<AccessRules> AccessRulesOf(
    const google::protobuf::FileDescriptorSet& files);

}  // namespace operant

#endif  // OPERANT_PROTO_ACCESS_RULES_H_
