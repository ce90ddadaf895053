#include "common/text/wordnet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "absl/strings/ascii.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/string_map.h"
#include "common/text/wordnet_entries.h"

namespace operant {
namespace {

// A stand-in for the text's two ends.
constexpr char kEdge = ' ';

bool IsWordChar(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c);
}

bool IsSpaceRight(char before, char after) {
  return before != '(' && after != ' ' && after != kEdge;
}

// Whether `c` may stand between its neighbours; brackets are counted apart.
bool IsPlainChar(char before, char c, char after) {
  switch (c) {
    case ' ':
      return IsSpaceRight(before, after);
    case ',':
    case ';':
      return (IsWordChar(before) || before == ')') && after == ' ';
    case '-':
      return IsWordChar(before) && IsWordChar(after);
    case '\'':
      return absl::ascii_islower(before) && absl::ascii_islower(after);
    case '(':
      return before == ' ' && IsWordChar(after);
    case ')':
      return IsWordChar(before) &&
             (after == ' ' || after == ',' || after == ';');
    default:
      return IsWordChar(c);
  }
}

bool BracketsBalance(std::string_view text) {
  bool open = false;
  for (const char c : text) {
    if (c != '(' && c != ')') continue;
    if (open == (c == '(')) return false;
    open = !open;
  }
  return !open;
}

// Parts of words joined by hyphens count on their own.
std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = begin;
    while (end < text.size() && (IsWordChar(text[end]) || text[end] == '\'')) {
      ++end;
    }
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

using WordCounts = StringMap<int32_t>;

class DemoBuilder {
 public:
  DemoBuilder(const WordnetDemoOptions& options, WordnetEntries wordnet)
      : options_(options), wordnet_(std::move(wordnet)) {}

  WordnetDemo Build() {
    KeepPlainEntries();
    KeepCommonVocabulary();
    ShuffleByHeadword();
    WordnetDemo demo;
    for (const WordnetEntry& entry : wordnet_.entries) AddRow(entry, &demo);
    demo.lexicon = std::move(wordnet_.lexicon);
    return demo;
  }

 private:
  // Plain definitions of the wanted length, the first headword of each.
  void KeepPlainEntries() {
    StringSet seen;
    std::erase_if(wordnet_.entries, [&](const WordnetEntry& entry) {
      return !IsWanted(entry) || !seen.insert(entry.definition).second;
    });
  }

  bool IsWanted(const WordnetEntry& entry) const {
    if (!IsPlainDefinition(entry.definition)) return false;
    const auto words =
        1 + std::count(entry.definition.begin(), entry.definition.end(), ' ');
    return words >= options_.min_words && words <= options_.max_words &&
           static_cast<int32_t>(entry.headword.size()) <=
               options_.max_headword_bytes;
  }

  // Drops the rarest tenth of the words with the definitions that use them,
  // counts anew, and so on: what is left repeats its words far more often than
  // the definitions that one cut would leave.
  void KeepCommonVocabulary() {
    const auto wanted = static_cast<size_t>(options_.vocabulary_words);
    for (StringSet words = Vocabulary(std::numeric_limits<size_t>::max());
         words.size() > wanted;) {
      words = Vocabulary(std::max(wanted, words.size() * 9 / 10));
      std::erase_if(wordnet_.entries, [&](const WordnetEntry& entry) {
        return !std::ranges::all_of(
            WordsOf(entry.definition),
            [&](std::string_view word) { return words.contains(word); });
      });
    }
  }

  // The `size` most frequent words of the entries.
  StringSet Vocabulary(size_t size) const {
    WordCounts counts;
    for (const WordnetEntry& entry : wordnet_.entries) {
      for (const std::string_view word : WordsOf(entry.definition)) {
        ++counts[word];
      }
    }
    std::vector<std::pair<int32_t, std::string_view>> order;
    for (const auto& [word, count] : counts) order.emplace_back(-count, word);
    std::ranges::sort(order);
    StringSet words;
    for (const auto& [count, word] :
         std::span(order).first(std::min(size, order.size()))) {
      words.emplace(word);
    }
    return words;
  }

  void ShuffleByHeadword() {
    std::vector<std::pair<std::string, size_t>> order;
    for (size_t i = 0; i < wordnet_.entries.size(); ++i) {
      order.emplace_back(Xxh3(wordnet_.entries[i].headword), i);
    }
    std::sort(order.begin(), order.end());
    std::vector<WordnetEntry> shuffled;
    for (const auto& [hash, i] : order) {
      shuffled.push_back(std::move(wordnet_.entries[i]));
    }
    wordnet_.entries = std::move(shuffled);
  }

  void AddRow(const WordnetEntry& entry, WordnetDemo* demo) {
    const bool held_out = IsHeldOut(entry.headword);
    std::vector<WordnetDemo::Row>& rows =
        held_out ? demo->heldout : demo->train;
    const int32_t limit =
        held_out ? options_.max_heldout_rows : options_.max_train_rows;
    if (static_cast<int32_t>(rows.size()) >= limit) return;
    std::string prompt =
        fmt::format("{} ({}):", entry.headword, entry.part_of_speech);
    if (held_out && !heldout_prompts_.insert(prompt).second) return;
    rows.push_back({std::move(prompt), fmt::format(" {}", entry.definition),
                    entry.headword, entry.part_of_speech});
  }

  // By the hash's last byte: its first ones order the rows.
  bool IsHeldOut(const std::string& headword) const {
    const auto byte = static_cast<uint8_t>(Xxh3(headword).back());
    return byte % options_.heldout_every == 0;
  }

  const WordnetDemoOptions options_;
  WordnetEntries wordnet_;
  StringSet heldout_prompts_;
};

// Each prompt once, if without responses.
absl::Status WriteRows(std::span<const WordnetDemo::Row> rows,
                       bool with_response, const std::string& path) {
  std::string out;
  StringSet prompts;
  for (const WordnetDemo::Row& row : rows) {
    if (!with_response && !prompts.insert(row.prompt).second) continue;
    nlohmann::ordered_json json;
    json["prompt"] = row.prompt;
    if (with_response) json["response"] = row.response;
    json["metadata"] = {{"headword", row.headword},
                        {"part_of_speech", row.part_of_speech}};
    out += json.dump() + "\n";
  }
  return WriteFileAtomically(path, out);
}

}  // namespace

bool IsPlainDefinition(std::string_view definition) {
  if (definition.empty()) return false;
  for (size_t i = 0; i < definition.size(); ++i) {
    const char before = i == 0 ? kEdge : definition[i - 1];
    const bool last = i + 1 == definition.size();
    const char after = last ? kEdge : definition[i + 1];
    if (!IsPlainChar(before, definition[i], after)) return false;
  }
  const char end = definition.back();
  return BracketsBalance(definition) && definition.front() != ' ' &&
         (IsWordChar(end) || end == ')');
}

absl::StatusOr<WordnetDemo> BuildWordnetDemo(
    const std::string& folder, const WordnetDemoOptions& options) {
  ASSIGN_OR_RETURN(WordnetEntries wordnet, ReadWordnet(folder));
  return DemoBuilder(options, std::move(wordnet)).Build();
}

absl::Status WriteWordnetDemo(const WordnetDemo& demo,
                              const std::string& folder) {
  RETURN_IF_ERROR(MakeDirectories(folder));
  const auto path = [&](const char* name) { return JoinPath(folder, name); };
  RETURN_IF_ERROR(WriteRows(demo.train, true, path("train.jsonl")));
  RETURN_IF_ERROR(WriteRows(demo.train, false, path("prompts.jsonl")));
  RETURN_IF_ERROR(WriteRows(demo.heldout, true, path("heldout.jsonl")));
  RETURN_IF_ERROR(
      WriteRows(demo.heldout, false, path("heldout_prompts.jsonl")));
  std::string lexicon;
  for (const std::string& word : demo.lexicon) lexicon += word + "\n";
  return WriteFileAtomically(path("lexicon.txt"), lexicon);
}

}  // namespace operant
