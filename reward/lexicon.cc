#include "reward/lexicon.h"

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "reward/words.h"

namespace operant::reward {
namespace {

constexpr uint64_t kMaxLineBytes = 4096;  // one word a line

bool IsNumberSuffix(std::string_view suffix) {
  return suffix == "s" || suffix == "st" || suffix == "nd" || suffix == "rd" ||
         suffix == "th";
}

bool IsNumber(std::string_view part) {
  if (part.empty() || !absl::ascii_isdigit(part.front())) return false;
  const size_t end = part.find_first_not_of("0123456789,");
  return end == std::string_view::npos || IsNumberSuffix(part.substr(end));
}

}  // namespace

absl::StatusOr<Lexicon> Lexicon::Load(const std::string& path) {
  Lexicon lexicon;
  RETURN_IF_ERROR(
      ForEachLine(path, kMaxLineBytes, [&](int64_t, std::string_view line) {
        lexicon.Add(line);
        return absl::OkStatus();
      }));
  if (lexicon.size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "lexicon ", path,
        " is empty: words=0, expected one word a line; set reward.lexicon to "
        "the list of the task's words"));
  }
  return lexicon;
}

Lexicon::Lexicon(const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) Add(entry);
}

void Lexicon::Add(std::string_view entry) {
  while (entry.ends_with('\r')) entry.remove_suffix(1);
  std::string lower(entry);
  absl::AsciiStrToLower(&lower);
  for (std::string_view part : WordParts(lower)) words_.emplace(part);
}

bool Lexicon::Knows(std::string_view part) const {
  if (words_.contains(part) || IsNumber(part)) return true;
  if (!part.ends_with("'s")) return false;
  part.remove_suffix(2);
  return words_.contains(part) || IsNumber(part);
}

}  // namespace operant::reward
