// Fields of a configuration message by dotted path, and their values as text:
// what the configuration's reader, writer, defaults and checks share.
#ifndef OPERANT_COMMON_BASE_CONFIG_FIELD_H_
#define OPERANT_COMMON_BASE_CONFIG_FIELD_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace operant::internal {

// A field and the message that holds it. Null if there is no such field.
struct FieldRef {
  google::protobuf::Message* message = nullptr;
  const google::protobuf::FieldDescriptor* field = nullptr;
};

// The field of `root` at `path`, such as "ppo.gamma" or
// "reward.endpoints[0].weight". Creates the sections on the way, but no list
// elements.
FieldRef FindField(google::protobuf::Message& root, std::string_view path);

bool IsUnset(const FieldRef& ref);

// Sets a singular scalar, or appends to a list of scalars, from its text in
// YAML. InvalidArgument whose message is what was expected.
absl::Status SetScalar(const FieldRef& ref, const std::string& text);

// The value as SetScalar reads it: shortest form that reads back the same.
std::string ScalarText(const google::protobuf::Message& message,
                       const google::protobuf::FieldDescriptor& field);
std::string ListElementText(const google::protobuf::Message& message,
                            const google::protobuf::FieldDescriptor& field,
                            int index);

// A number of any type as a double. Dies if it is not a number.
double NumberOf(const FieldRef& ref);

std::vector<std::string> FieldNames(
    const google::protobuf::Descriptor& message);

}  // namespace operant::internal

#endif  // OPERANT_COMMON_BASE_CONFIG_FIELD_H_
