#include "common/text/added_tokens.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "common/text/unicode.h"

namespace operant {
namespace {

// The scalar that ends at `end`. REQUIRES: end > 0.
Scalar ScalarBefore(std::string_view text, size_t end) {
  size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
  const Scalar scalar = DecodeScalar(text.substr(0, end), begin);
  if (begin + scalar.length == end) return scalar;
  return {kInvalidScalar, 1};
}

bool IsSingleWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWordScalar(ScalarBefore(text, begin).value)) return false;
  return end == text.size() || !IsWordScalar(DecodeScalar(text, end).value);
}

// Where the whitespace before `begin` begins, at `floor` or after it.
size_t BeginOfSpaces(std::string_view text, size_t begin, size_t floor) {
  while (begin > floor) {
    const Scalar scalar = ScalarBefore(text, begin);
    if (ClassOf(scalar.value) != CharClass::kSpace) break;
    begin -= scalar.length;
  }
  return begin;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    by_content_[content] = i;
    std::vector<size_t>& lengths = lengths_[static_cast<uint8_t>(content[0])];
    lengths.push_back(content.size());
  }
  for (std::vector<size_t>& lengths : lengths_) {
    std::sort(lengths.begin(), lengths.end(), std::greater<>());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  }
}

const AddedToken* AddedTokenMatcher::LongestAt(std::string_view text,
                                               size_t pos) const {
  for (const size_t length : lengths_[static_cast<uint8_t>(text[pos])]) {
    const auto it = by_content_.find(text.substr(pos, length));
    if (it != by_content_.end()) return &tokens_[it->second];
  }
  return nullptr;
}

void AddedTokenMatcher::Find(std::string_view text, bool plain_text,
                             absl::FunctionRef<void(std::string_view)> gap,
                             absl::FunctionRef<void(int32_t)> found) const {
  size_t done = 0;  // text before it has been reported
  for (size_t pos = 0; pos < text.size();) {
    const AddedToken* token = LongestAt(text, pos);
    if (token == nullptr) {
      ++pos;
      continue;
    }
    size_t begin = std::max(pos, done);
    size_t end = std::max(pos + token->content.size(), done);
    pos += token->content.size();
    if (plain_text && token->special) continue;
    if (token->single_word && !IsSingleWord(text, begin, end)) continue;
    if (token->lstrip) begin = BeginOfSpaces(text, begin, done);
    if (token->rstrip) end = EndOfRun(text, end, CharClass::kSpace);
    if (begin > done) gap(text.substr(done, begin - done));
    found(token->id);
    done = end;
  }
  if (done < text.size()) gap(text.substr(done));
}

}  // namespace operant
