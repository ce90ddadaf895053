#include "common/text/bpe_trainer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <queue>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/byte_alphabet.h"
#include "common/text/split_pattern.h"
#include "common/text/string_map.h"
#include "common/text/unicode.h"

namespace operant {
namespace {

constexpr int kBytes = 256;
// A longer piece is no word: it is not counted, which bounds the work of one
// merge by the text.
constexpr size_t kMaxWordBytes = 256;

using Pair = std::pair<int32_t, int32_t>;

struct Word {
  std::vector<int32_t> ids;
  int64_t count = 0;
};

struct PairUse {
  int64_t count = 0;
  std::vector<int32_t> words;  // where it was seen; may repeat or be outdated
};

// A pair with the count it had when it was queued: most frequent first, then
// the least ids.
struct Candidate {
  int64_t count;
  Pair pair;
  bool operator<(const Candidate& other) const {
    return std::tie(count, other.pair) < std::tie(other.count, pair);
  }
};

class BpeTrainer {
 public:
  explicit BpeTrainer(const BpeTrainerOptions& options) : options_(options) {}

  absl::Status AddBaseTokens();
  void CountWords(const BpeTexts& texts);
  void Train();
  std::string Json() const;

 private:
  int32_t AddToken(std::string token);
  void AddWord(std::string_view bytes, int64_t count);
  void AddWholeWord(std::string_view bytes);
  // Adds (sign 1) or takes away (-1) the pairs of a word.
  void CountPairs(int32_t word, int sign);
  void Queue(const Pair& pair);
  // The next pair to merge; false if none is frequent enough.
  bool PopBest(Pair* best);
  void MergeEverywhere(const Pair& pair, int32_t merged);
  bool IsSpecial(int32_t id) const {
    return id < static_cast<int32_t>(options_.special_tokens.size());
  }

  const BpeTrainerOptions& options_;
  std::vector<std::string> tokens_;  // by id, in the byte alphabet
  StringMap<int32_t> ids_;           // by token
  std::vector<int32_t> byte_ids_ = std::vector<int32_t>(kBytes);
  StringSet whole_words_;  // their bytes
  std::vector<Word> words_;
  absl::flat_hash_map<Pair, PairUse> uses_;
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> merges_;
};

int32_t BpeTrainer::AddToken(std::string token) {
  const auto id = static_cast<int32_t>(tokens_.size());
  ids_[token] = id;
  tokens_.push_back(std::move(token));
  return id;
}

absl::Status BpeTrainer::AddBaseTokens() {
  const size_t base = kBytes + options_.special_tokens.size();
  const auto least = static_cast<int64_t>(base) + options_.whole_words;
  if (options_.vocab_size < least) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot train a tokenizer: vocab_size=", options_.vocab_size,
        ", expected at least ", least, " (", base,
        " bytes and special tokens, whole_words=", options_.whole_words, ")"));
  }
  for (const std::string& token : options_.special_tokens) AddToken(token);
  std::vector<std::pair<int32_t, int>> alphabet;
  for (int b = 0; b < kBytes; ++b) alphabet.emplace_back(ByteToScalar(b), b);
  std::sort(alphabet.begin(), alphabet.end());
  for (const auto& [scalar, byte] : alphabet) {
    std::string token;
    AppendUtf8(scalar, &token);
    byte_ids_[byte] = AddToken(std::move(token));
  }
  if (ids_.size() != base || ids_.contains(std::string_view())) {
    return absl::InvalidArgumentError(
        "cannot train a tokenizer: special_tokens, expected distinct texts of "
        "two characters or more");
  }
  return absl::OkStatus();
}

using WordCounts = StringMap<int64_t>;

void CountPieces(const std::vector<std::string>& texts, WordCounts* counts) {
  for (const std::string& text : texts) {
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = NextSplit(SplitPattern::kGpt2, text, begin);
      const auto word = std::string_view(text).substr(begin, end - begin);
      if (word.size() <= kMaxWordBytes) ++(*counts)[word];
      begin = end;
    }
  }
}

// Most frequent first; equal counts by their bytes.
std::vector<std::pair<std::string_view, int64_t>> ByFrequency(
    const WordCounts& counts) {
  std::vector<std::pair<std::string_view, int64_t>> words(counts.begin(),
                                                          counts.end());
  std::ranges::sort(words, {}, [](const auto& word) {
    return std::pair(-word.second, word.first);
  });
  return words;
}

void BpeTrainer::CountWords(const BpeTexts& texts) {
  WordCounts counts;
  CountPieces(texts.written, &counts);
  int32_t left = options_.whole_words;
  for (const auto& [bytes, count] : ByFrequency(counts)) {
    if (left-- <= 0 || count < options_.min_frequency) break;
    AddWholeWord(bytes);
  }
  CountPieces(texts.read, &counts);
  for (const auto& [bytes, count] : ByFrequency(counts)) {
    if (!whole_words_.contains(bytes)) AddWord(bytes, count);
  }
  for (const auto& [pair, use] : uses_) Queue(pair);
}

// One byte is a token already, and a special token stays what it is.
void BpeTrainer::AddWholeWord(std::string_view bytes) {
  std::string token;
  for (const char c : bytes) {
    AppendUtf8(ByteToScalar(static_cast<uint8_t>(c)), &token);
  }
  if (!ids_.contains(token)) AddToken(std::move(token));
  whole_words_.emplace(bytes);
}

void BpeTrainer::AddWord(std::string_view bytes, int64_t count) {
  Word word{.ids = {}, .count = count};
  for (const char c : bytes) {
    word.ids.push_back(byte_ids_[static_cast<uint8_t>(c)]);
  }
  words_.push_back(std::move(word));
  CountPairs(static_cast<int32_t>(words_.size()) - 1, 1);
}

void BpeTrainer::CountPairs(int32_t word, int sign) {
  const std::vector<int32_t>& ids = words_[word].ids;
  for (size_t i = 0; i + 1 < ids.size(); ++i) {
    PairUse& use = uses_[{ids[i], ids[i + 1]}];
    use.count += sign * words_[word].count;
    if (sign < 0) continue;
    if (use.words.empty() || use.words.back() != word) {
      use.words.push_back(word);
    }
  }
}

void BpeTrainer::Queue(const Pair& pair) {
  const int64_t count = uses_[pair].count;
  if (count >= options_.min_frequency) queue_.push({count, pair});
}

bool BpeTrainer::PopBest(Pair* best) {
  while (!queue_.empty()) {
    const Candidate top = queue_.top();
    queue_.pop();
    if (uses_[top.pair].count == top.count) {
      *best = top.pair;
      return true;
    }
    Queue(top.pair);  // merges elsewhere have used some of it up
  }
  return false;
}

void BpeTrainer::MergeEverywhere(const Pair& pair, int32_t merged) {
  std::vector<int32_t> users = std::move(uses_[pair].words);
  std::sort(users.begin(), users.end());
  users.erase(std::unique(users.begin(), users.end()), users.end());
  std::vector<Pair> changed;
  for (const int32_t word : users) {
    CountPairs(word, -1);
    std::vector<int32_t>& ids = words_[word].ids;
    size_t kept = 0;
    for (size_t i = 0; i < ids.size(); ++kept) {
      const bool match = i + 1 < ids.size() && Pair(ids[i], ids[i + 1]) == pair;
      ids[kept] = match ? merged : ids[i];
      i += match ? 2 : 1;
    }
    ids.resize(kept);
    CountPairs(word, 1);
    for (size_t i = 0; i + 1 < kept; ++i) {
      if (ids[i] == merged || ids[i + 1] == merged) {
        changed.emplace_back(ids[i], ids[i + 1]);
      }
    }
  }
  uses_.erase(pair);
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  for (const Pair& other : changed) Queue(other);
}

void BpeTrainer::Train() {
  Pair pair;
  while (static_cast<int32_t>(tokens_.size()) < options_.vocab_size &&
         PopBest(&pair)) {
    std::string token = tokens_[pair.first] + tokens_[pair.second];
    const auto known = ids_.find(token);
    // Two pairs may spell the same token; none may spell a special one.
    if (known != ids_.end() && IsSpecial(known->second)) continue;
    const int32_t merged =
        known != ids_.end() ? known->second : AddToken(std::move(token));
    merges_.push_back(pair);
    MergeEverywhere(pair, merged);
  }
}

using OrderedJson = nlohmann::ordered_json;

OrderedJson ByteLevelJson() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", false},
          {"use_regex", true}};
}

OrderedJson SpecialTokenJson(int32_t id, const std::string& content) {
  return {{"id", id},        {"content", content}, {"single_word", false},
          {"lstrip", false}, {"rstrip", false},    {"normalized", false},
          {"special", true}};
}

std::string BpeTrainer::Json() const {
  OrderedJson added = OrderedJson::array();
  OrderedJson::object_t vocab;  // emplace_back: no search for the key
  OrderedJson merges = OrderedJson::array();
  for (int32_t id = 0; id < static_cast<int32_t>(tokens_.size()); ++id) {
    if (IsSpecial(id)) added.push_back(SpecialTokenJson(id, tokens_[id]));
    vocab.emplace_back(tokens_[id], id);
  }
  for (const auto& [left, right] : merges_) {
    merges.push_back(absl::StrCat(tokens_[left], " ", tokens_[right]));
  }
  OrderedJson model = {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", options_.whole_words > 0},
                       {"vocab", std::move(vocab)},
                       {"merges", std::move(merges)}};
  const OrderedJson json = {
      {"version", "1.0"},          {"truncation", nullptr},
      {"padding", nullptr},        {"added_tokens", std::move(added)},
      {"normalizer", nullptr},     {"pre_tokenizer", ByteLevelJson()},
      {"post_processor", nullptr}, {"decoder", ByteLevelJson()},
      {"model", std::move(model)}};
  return json.dump(1) + "\n";
}

}  // namespace

absl::StatusOr<std::string> TrainBpe(const BpeTrainerOptions& options,
                                     const BpeTexts& texts) {
  BpeTrainer trainer(options);
  RETURN_IF_ERROR(trainer.AddBaseTokens());
  trainer.CountWords(texts);
  trainer.Train();
  return trainer.Json();
}

std::string TokenizerConfigJson(const TokenizerConfig& config) {
  OrderedJson json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                      {"clean_up_tokenization_spaces", false},
                      {"model_max_length", config.model_max_length}};
  if (!config.eos_token.empty()) json["eos_token"] = config.eos_token;
  if (!config.pad_token.empty()) json["pad_token"] = config.pad_token;
  return json.dump(1) + "\n";
}

}  // namespace operant
