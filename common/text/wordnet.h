// The demo's task: define a word, from WordNet 3.0.
#ifndef OPERANT_COMMON_TEXT_WORDNET_H_
#define OPERANT_COMMON_TEXT_WORDNET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace operant {

// Debian's package wordnet-base puts it there.
inline constexpr char kWordnetFolder[] = "/usr/share/wordnet";

struct WordnetDemo {
  struct Row {
    std::string prompt;    // "ocelot (noun):"
    std::string response;  // " nocturnal wildcat of tropical forests"
    std::string headword;
    std::string part_of_speech;
  };
  // In an order that mixes the alphabet. No headword and no definition is in
  // both. Definitions are distinct, and held-out prompts are: a training prompt
  // comes once for each sense.
  std::vector<Row> train;
  std::vector<Row> heldout;
  // Every word of WordNet, sorted.
  std::vector<std::string> lexicon;
};

struct WordnetDemoOptions {
  // Words between spaces: what a response needs to be more than empty.
  int32_t min_words = 2;
  int32_t max_words = 16;
  int32_t max_headword_bytes = 12;  // keeps prompts short in tokens
  // Definitions are written in so few words, the most frequent ones: a small
  // model has no chance to learn a word it meets once or twice.
  int32_t vocabulary_words = 2800;
  int32_t max_train_rows = 15000;
  int32_t max_heldout_rows = 1250;
  // One headword in so many is held out, chosen by its hash.
  int32_t heldout_every = 8;  // at least 2
};

// Whether `definition` is in the demo's plain style: lower-case ASCII letters,
// digits, single spaces, hyphens and apostrophes within words, commas and
// semicolons after them, balanced brackets one deep.
bool IsPlainDefinition(std::string_view definition);

// Reads WordNet from `folder`; the same files give the same demo. Errors:
// NotFound, naming the package; DataLoss.
absl::StatusOr<WordnetDemo> BuildWordnetDemo(const std::string& folder,
                                             const WordnetDemoOptions& options);

// Writes train.jsonl and heldout.jsonl ({prompt, response, metadata}),
// prompts.jsonl and heldout_prompts.jsonl ({prompt, metadata}) and lexicon.txt
// (a word a line). `folder` is made if it is missing.
absl::Status WriteWordnetDemo(const WordnetDemo& demo,
                              const std::string& folder);

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_WORDNET_H_
