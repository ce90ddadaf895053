#include "common/run/console_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

constexpr const char* kGap = "  ";

const char* AnsiCode(TextStyle style) {
  switch (style) {
    case TextStyle::kPlain:
      return "";
    case TextStyle::kBold:
      return "\033[1m";
    case TextStyle::kDim:
      return "\033[2m";
    case TextStyle::kGood:
      return "\033[32m";
    case TextStyle::kBad:
      return "\033[31m";
  }
  return "";
}

// Characters, not bytes: continuation bytes of UTF-8 take no column.
size_t DisplayWidth(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](unsigned char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

bool WantsColour(std::FILE* stream) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(stream)) != 0 && std::getenv("NO_COLOR") == nullptr &&
         (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::string Styled(const std::string& text, TextStyle style, bool colour) {
  if (!colour || style == TextStyle::kPlain) return text;
  return absl::StrCat(AnsiCode(style), text, "\033[0m");
}

ConsoleTable::ConsoleTable(std::vector<Column> columns, bool colour,
                           int rows_per_header)
    : columns_(std::move(columns)),
      colour_(colour),
      rows_per_header_(rows_per_header) {
  for (Column& column : columns_) {
    column.width =
        std::max(column.width, static_cast<int>(DisplayWidth(column.title)));
  }
}

std::string ConsoleTable::Row(const std::vector<Cell>& cells) {
  const bool due =
      rows_ == 0 || (rows_per_header_ > 0 && rows_ % rows_per_header_ == 0);
  ++rows_;
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Cell cell = i < cells.size() ? cells[i] : Cell{};
    absl::StrAppend(&line, i == 0 ? "" : kGap,
                    Styled(Pad(cell.text, i), cell.style, colour_));
  }
  return absl::StrCat(due ? Header() : "", line, "\n");
}

std::string ConsoleTable::Header() const {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    absl::StrAppend(&line, i == 0 ? "" : kGap, Pad(columns_[i].title, i));
  }
  return absl::StrCat(Styled(line, TextStyle::kBold, colour_), "\n");
}

std::string ConsoleTable::Pad(const std::string& text, size_t column) const {
  const size_t width = columns_[column].width;
  const size_t used = DisplayWidth(text);
  return used >= width ? text : std::string(width - used, ' ') + text;
}

}  // namespace operant
