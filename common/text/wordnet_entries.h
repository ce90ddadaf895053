// Reads WordNet 3.0's database files (see wndb(5WN)).
#ifndef OPERANT_COMMON_TEXT_WORDNET_ENTRIES_H_
#define OPERANT_COMMON_TEXT_WORDNET_ENTRIES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace operant {

// A synset, named by the first of its lemmas that is one word in lower-case
// letters.
struct WordnetEntry {
  std::string headword;
  std::string part_of_speech;  // noun, verb, adjective, adverb
  std::string definition;      // the gloss without its example sentences
};

struct WordnetEntries {
  // Of those synsets that have such a lemma, by part of speech and place in the
  // file. A headword comes once for each of the senses it names.
  std::vector<WordnetEntry> entries;
  // Every word of every gloss and lemma, lower-case, sorted. Words are parted
  // at whatever is no letter or digit, but for an apostrophe within.
  std::vector<std::string> lexicon;
};

// `folder` holds data.noun, data.verb, data.adj and data.adv. Errors: NotFound,
// naming the package; DataLoss, naming file and line.
absl::StatusOr<WordnetEntries> ReadWordnet(const std::string& folder);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_WORDNET_ENTRIES_H_
