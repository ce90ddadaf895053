#include "common/text/wordnet_entries.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/string_map.h"

namespace operant {
namespace {

// The licence, at the top of each file, is indented; entries are not.
constexpr char kLicenceIndent = ' ';
constexpr std::string_view kGlossMark = "| ";

struct PartOfSpeech {
  const char* extension;
  const char* name;
};
constexpr PartOfSpeech kPartsOfSpeech[] = {{"noun", "noun"},
                                           {"verb", "verb"},
                                           {"adj", "adjective"},
                                           {"adv", "adverb"}};

absl::StatusOr<std::string> ReadDatabaseFile(const std::string& path) {
  absl::StatusOr<std::string> contents = ReadFile(path);
  if (absl::IsNotFound(contents.status())) {
    return absl::NotFoundError(
        absl::StrCat("WordNet 3.0 not found: file=", path,
                     "; install it with: apt-get install wordnet-base"));
  }
  return contents;
}

absl::Status MalformedLineError(const std::string& path, int64_t line) {
  return absl::DataLossError(absl::StrCat(
      path, ":", line, ": not a line of WordNet 3.0; reinstall wordnet-base"));
}

std::vector<std::string_view> SplitAt(std::string_view text, char separator) {
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) fields.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fields;
}

bool IsLowerCaseWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(c);
  });
}

std::string_view GlossOf(std::string_view data_line) {
  const size_t mark = data_line.find(kGlossMark);
  if (mark == std::string_view::npos) return {};
  return data_line.substr(mark + kGlossMark.size());
}

// The gloss up to its first example sentence.
std::string DefinitionOf(std::string_view gloss) {
  std::string_view text = gloss.substr(0, gloss.find('"'));
  const size_t last = text.find_last_not_of(" ;:,-");
  return std::string(text.substr(0, last + 1));  // npos + 1 == 0
}

// The words of a synset: offset, file, type, their count, then each with an id.
// An adjective may bear a mark like "(p)", which is left out. Empty if the line
// is malformed.
std::vector<std::string_view> LemmasOf(std::string_view data_line) {
  const std::vector<std::string_view> fields = SplitAt(data_line, ' ');
  uint32_t count = 0;
  if (fields.size() < 4 ||
      !absl::SimpleHexAtoi(std::string(fields[3]), &count) ||
      count > fields.size() || fields.size() < 4 + 2 * size_t{count}) {
    return {};
  }
  std::vector<std::string_view> lemmas;
  for (size_t i = 0; i < count; ++i) {
    const std::string_view lemma = fields[4 + 2 * i];
    lemmas.push_back(lemma.substr(0, lemma.find('(')));
  }
  return lemmas;
}

// Adds the words of `text` to `words`.
void CollectWords(std::string_view text, StringSet* words) {
  std::string word;
  const auto finish = [&] {
    while (word.ends_with('\'')) word.pop_back();
    if (!word.empty()) words->insert(word);
    word.clear();
  };
  for (const char c : text) {
    if (absl::ascii_isalnum(c)) {
      word += absl::ascii_tolower(c);
    } else if (c == '\'' && !word.empty()) {
      word += c;
    } else {
      finish();
    }
  }
  finish();
}

// Adds the words and, if a plain word names it, the definition of one synset.
// Whether `line` is one.
bool CollectSynset(std::string_view line, const char* part_of_speech,
                   StringSet* words, WordnetEntries* wordnet) {
  const std::string_view gloss = GlossOf(line);
  const std::vector<std::string_view> lemmas = LemmasOf(line);
  if (gloss.empty() || lemmas.empty()) return false;
  CollectWords(gloss, words);
  for (const std::string_view lemma : lemmas) CollectWords(lemma, words);
  const auto headword = std::ranges::find_if(lemmas, IsLowerCaseWord);
  if (headword != lemmas.end()) {
    wordnet->entries.push_back(
        {std::string(*headword), part_of_speech, DefinitionOf(gloss)});
  }
  return true;
}

absl::Status CollectFile(const std::string& path, const char* part_of_speech,
                         StringSet* words, WordnetEntries* wordnet) {
  ASSIGN_OR_RETURN(const std::string data, ReadDatabaseFile(path));
  int64_t number = 0;
  for (const std::string_view line : SplitAt(data, '\n')) {
    ++number;
    if (line[0] == kLicenceIndent) continue;
    if (!CollectSynset(line, part_of_speech, words, wordnet)) {
      return MalformedLineError(path, number);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WordnetEntries> ReadWordnet(const std::string& folder) {
  WordnetEntries result;
  StringSet words;
  for (const PartOfSpeech& part : kPartsOfSpeech) {
    RETURN_IF_ERROR(
        CollectFile(JoinPath(folder, absl::StrCat("data.", part.extension)),
                    part.name, &words, &result));
  }
  result.lexicon.assign(words.begin(), words.end());
  std::sort(result.lexicon.begin(), result.lexicon.end());
  return result;
}

}  // namespace operant
