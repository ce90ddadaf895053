#include "common/text/json_reader.h"

#include <fmt/format.h>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/unicode.h"

namespace operant {
namespace {

// Where the brackets outside strings first nest deeper than the limit, or npos.
size_t TooDeepAt(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kMaxJsonDepth) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::string_view::npos;
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJson(std::string_view text) {
  if (!IsValidUtf8(text)) {
    return absl::DataLossError("not valid UTF-8; save the file as UTF-8");
  }
  const size_t deep = TooDeepAt(text);
  if (deep != std::string_view::npos) {
    return absl::DataLossError(absl::StrCat("nested too deep at byte ", deep,
                                            ", expected at most ",
                                            kMaxJsonDepth, " levels"));
  }
  try {
    return nlohmann::json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::parse_error& error) {
    return absl::DataLossError(
        absl::StrCat("not valid JSON at byte ", error.byte));
  } catch (const nlohmann::json::exception&) {  // a number out of range
    return absl::DataLossError("not valid JSON: a number is out of range");
  }
}

absl::StatusOr<bool> BoolMember(const nlohmann::json& object, const char* name,
                                std::string_view where, bool otherwise) {
  const nlohmann::json& member = Member(object, name);
  if (member.is_null()) return otherwise;
  if (!member.is_boolean()) {
    return MalformedError(fmt::format("{}.{}", where, name),
                          "expected true or false");
  }
  return member.get<bool>();
}

absl::StatusOr<std::string> StringMember(const nlohmann::json& object,
                                         const char* name,
                                         std::string_view where) {
  const nlohmann::json& member = Member(object, name);
  if (member.is_null()) return std::string();
  if (!member.is_string()) {
    return MalformedError(fmt::format("{}.{}", where, name),
                          "expected a string");
  }
  return member.get<std::string>();
}

absl::StatusOr<std::string> TypeOf(const nlohmann::json& component,
                                   std::string_view where) {
  if (!component.is_object()) {
    return MalformedError(where, "expected an object");
  }
  ASSIGN_OR_RETURN(std::string type, StringMember(component, "type", where));
  if (type.empty()) {
    return MalformedError(fmt::format("{}.type", where), "expected a name");
  }
  return type;
}

const nlohmann::json& Member(const nlohmann::json& object, const char* name) {
  static const nlohmann::json null;
  const auto it = object.find(name);
  return it == object.end() ? null : *it;
}

absl::Status MalformedError(std::string_view where, std::string_view what) {
  return absl::DataLossError(fmt::format("{}: {}", where, what));
}

}  // namespace operant
