// One aligned line a step, for people: columns of fixed width under a header
// that comes back every screenful.
#ifndef OPERANT_COMMON_RUN_CONSOLE_TABLE_H_
#define OPERANT_COMMON_RUN_CONSOLE_TABLE_H_

#include <cstdio>
#include <string>
#include <vector>

namespace operant {

// ANSI styles; plain text where the stream is no terminal.
enum class TextStyle { kPlain, kBold, kDim, kGood, kBad };

// Whether `stream` is a terminal that wants colours (NO_COLOR unset, TERM not
// "dumb").
bool WantsColour(std::FILE* stream);
std::string Styled(const std::string& text, TextStyle style, bool colour);

// Not thread-safe.
class ConsoleTable {
 public:
  struct Column {
    std::string title;
    int width = 8;  // grows to the title's; wider cells push the line out
  };
  struct Cell {
    std::string text;
    TextStyle style = TextStyle::kPlain;
  };

  // `rows_per_header`: rows between two headers; 0: only one header.
  ConsoleTable(std::vector<Column> columns, bool colour,
               int rows_per_header = 20);

  // The row, right-aligned, with a header line before it when one is due; each
  // line ends with a newline. Missing cells are blank.
  std::string Row(const std::vector<Cell>& cells);

 private:
  std::string Header() const;
  std::string Pad(const std::string& text, size_t column) const;

  std::vector<Column> columns_;
  const bool colour_;
  const int rows_per_header_;
  int rows_ = 0;
};

}  // namespace operant

#endif  // OPERANT_COMMON_RUN_CONSOLE_TABLE_H_
