// JSON from outside: bounded, and with errors in place of exceptions.
#ifndef OPERANT_COMMON_TEXT_JSON_READER_H_
#define OPERANT_COMMON_TEXT_JSON_READER_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

inline constexpr int kMaxJsonDepth = 64;

// DataLoss, naming the byte, unless `text` is one JSON value in valid UTF-8
// that nests at most kMaxJsonDepth deep. The error never quotes the text.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text);

// Members of an object that may be absent or null, which gives the default.
// `where` is the path to the object, for the error: DataLoss if the type is
// another.
absl::StatusOr<bool> BoolMember(const nlohmann::json& object, const char* name,
                                std::string_view where, bool otherwise);
absl::StatusOr<std::string> StringMember(const nlohmann::json& object,
                                         const char* name,
                                         std::string_view where);
// The member `type` of a component of a tokenizer.json.
absl::StatusOr<std::string> TypeOf(const nlohmann::json& component,
                                   std::string_view where);

// The member, or null if `object` has none.
const nlohmann::json& Member(const nlohmann::json& object, const char* name);

// "model.merges[3]: expected ..." as DataLoss.
absl::Status MalformedError(std::string_view where, std::string_view what);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_JSON_READER_H_
