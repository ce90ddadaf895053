// Whether a newer version of the wire contracts still talks to an older one.
#ifndef OPERANT_TESTS_PROTO_COMPATIBILITY_H_
#define OPERANT_TESTS_PROTO_COMPATIBILITY_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.pb.h"

namespace operant {

// Each change from `before` to `after` that breaks a peer or a stored file: a
// message, field, enum value, service or method removed; a field renumbered,
// renamed, of another type, label or oneof; an enum value renumbered; a method
// with another request, response or streaming. Additions are none. One line
// each, naming the full name; empty if compatible.
std::vector<std::string> IncompatibleChanges(
    const google::protobuf::FileDescriptorSet& before,
    const google::protobuf::FileDescriptorSet& after);

}  // namespace operant

#endif  // OPERANT_TESTS_PROTO_COMPATIBILITY_H_
