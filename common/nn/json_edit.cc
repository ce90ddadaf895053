#include "common/nn/json_edit.h"

#include <cstddef>

namespace operant {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

size_t SkipSpace(std::string_view json, size_t at) {
  const size_t next = json.find_first_not_of(kSpace, at);
  return next == std::string_view::npos ? json.size() : next;
}

// Past the closing quote of the text that opens at `at`.
size_t SkipText(std::string_view json, size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at < json.size() ? at + 1 : json.size();
}

// Past the value that starts at `at`: up to the ',' or '}' of its own level.
size_t SkipValue(std::string_view json, size_t at) {
  int depth = 0;
  while (at < json.size()) {
    const char c = json[at];
    if (c == '"') {
      at = SkipText(json, at);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (depth == 0 && (c == ',' || c == '}')) break;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  return at;
}

}  // namespace

std::string ReplaceTopLevelValue(std::string_view json, std::string_view key,
                                 std::string_view value) {
  size_t at = SkipSpace(json, 0) + 1;  // past the '{'
  while ((at = SkipSpace(json, at)) < json.size() && json[at] == '"') {
    const size_t key_end = SkipText(json, at);
    const std::string_view name = json.substr(at + 1, key_end - at - 2);
    const size_t begin = SkipSpace(json, SkipSpace(json, key_end) + 1);
    size_t end = SkipValue(json, begin);
    if (name != key) {
      at = end + 1;
      continue;
    }
    while (end > begin && kSpace.find(json[end - 1]) != kSpace.npos) --end;
    return std::string(json.substr(0, begin))
        .append(value)
        .append(json.substr(end));
  }
  return std::string(json);
}

}  // namespace operant
