#include "learner/response_stats.h"

#include <array>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace operant::learner {
namespace {

constexpr const char* kWhiteSpace = " \t\n\v\f\r";

using Words = std::vector<absl::string_view>;

Words SplitWords(const std::string& text) {
  return absl::StrSplit(text, absl::ByAnyChar(kWhiteSpace), absl::SkipEmpty());
}

// Different trigrams over all trigrams, fed response by response.
class TrigramCounter {
 public:
  void Add(const Words& words) {
    for (size_t i = 2; i < words.size(); ++i) {
      seen_.insert({words[i - 2], words[i - 1], words[i]});
      ++total_;
    }
  }
  double DistinctShare() const {
    return total_ == 0 ? 1 : static_cast<double>(seen_.size()) / total_;
  }

 private:
  absl::flat_hash_set<std::array<absl::string_view, 3>> seen_;
  int64_t total_ = 0;
};

}  // namespace

ResponseStats ComputeResponseStats(
    std::span<const std::string> responses,
    const absl::flat_hash_set<std::string>& training_texts) {
  absl::flat_hash_set<absl::string_view> vocabulary;
  TrigramCounter trigrams;
  int64_t words_total = 0;
  int64_t copies = 0;
  ResponseStats stats;
  for (const std::string& response : responses) {
    const Words words = SplitWords(response);
    words_total += static_cast<int64_t>(words.size());
    if (stats.responses < kDistinctWordsResponses) {
      vocabulary.insert(words.begin(), words.end());
    }
    if (stats.responses < kDistinct3Responses) trigrams.Add(words);
    copies +=
        training_texts.contains(absl::StripAsciiWhitespace(response)) ? 1 : 0;
    ++stats.responses;
  }
  if (stats.responses == 0) return stats;
  stats.mean_words = static_cast<double>(words_total) / stats.responses;
  stats.distinct_words = static_cast<int64_t>(vocabulary.size());
  stats.distinct3 = trigrams.DistinctShare();
  stats.verbatim = static_cast<double>(copies) / stats.responses;
  return stats;
}

std::string_view Trimmed(std::string_view text) {
  const absl::string_view trimmed =
      absl::StripAsciiWhitespace({text.data(), text.size()});
  return {trimmed.data(), trimmed.size()};
}

std::map<std::string, int64_t> CountByKind(std::span<const std::string> kinds) {
  std::map<std::string, int64_t> counts;
  for (const std::string& kind : kinds) {
    if (!kind.empty()) ++counts[kind];
  }
  return counts;
}

}  // namespace operant::learner
