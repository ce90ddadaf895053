#include "common/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/digest.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/added_tokens.h"
#include "common/text/bpe_model.h"
#include "common/text/byte_alphabet.h"
#include "common/text/nfc.h"
#include "common/text/pre_tokenizer.h"
#include "common/text/tokenizer_json.h"

namespace operant {
namespace {

constexpr std::string_view kFileName = "tokenizer.json";
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 28;  // known ones: < 40 MB

struct Token {
  std::string bytes;  // what it decodes to
  bool special = false;
};

// The tokens to be looked for in the raw text, or those for normalized text.
std::vector<AddedToken> SelectTokens(const TokenizerParts& parts,
                                     bool normalized) {
  std::vector<AddedToken> selected;
  for (AddedToken token : parts.added_tokens) {
    if (token.normalized != normalized) continue;
    if (parts.nfc && normalized) token.content = NormalizeNfc(token.content);
    selected.push_back(std::move(token));
  }
  return selected;
}

class ByteLevelTokenizer : public Tokenizer {
 public:
  ByteLevelTokenizer(std::string json, TokenizerParts parts, BpeModel model)
      : json_(std::move(json)),
        digest_(Hex(Sha256(json_))),
        nfc_(parts.nfc),
        raw_tokens_(SelectTokens(parts, false)),
        normalized_tokens_(SelectTokens(parts, true)),
        pre_tokenizer_(std::move(parts.pre_tokenizer)),
        model_(std::move(model)),
        ids_(std::move(parts.model.vocab)) {
    for (const auto& [token, id] : ids_) SetToken(id, token, false);
    for (const AddedToken& token : parts.added_tokens) {
      ids_[token.content] = token.id;
      // What is looked for in normalized text decodes to its normalized form.
      const bool normalize = nfc_ && token.normalized;
      SetToken(token.id,
               normalize ? NormalizeNfc(token.content) : token.content,
               token.special);
    }
  }

  std::vector<int32_t> Encode(std::string_view text,
                              bool plain_text) const override {
    std::vector<int32_t> ids;
    PieceCache cache(&model_);
    const auto add_id = [&](int32_t id) { ids.push_back(id); };
    const auto encode_plain = [&](std::string_view gap) {
      pre_tokenizer_.Split(
          gap, [&](std::string_view piece) { cache.Encode(piece, &ids); });
    };
    const auto encode_normalized = [&](std::string_view gap) {
      normalized_tokens_.Find(gap, plain_text, encode_plain, add_id);
    };
    const auto encode_raw = [&](std::string_view gap) {
      if (!nfc_) return encode_normalized(gap);
      const std::string normalized = NormalizeNfc(gap);
      encode_normalized(normalized);
    };
    raw_tokens_.Find(text, plain_text, encode_raw, add_id);
    return plain_text ? WithoutSpecial(std::move(ids)) : ids;
  }

  std::string Decode(std::span<const int32_t> ids,
                     bool skip_special) const override {
    std::string out;
    for (const int32_t id : ids) {
      if (!IsInVocabulary(id)) continue;
      if (skip_special && tokens_[id].special) continue;
      out += tokens_[id].bytes;
    }
    return out;
  }

  int32_t vocab_size() const override {
    return static_cast<int32_t>(tokens_.size());
  }
  int32_t TokenToId(std::string_view token) const override {
    const auto it = ids_.find(token);
    return it == ids_.end() ? -1 : it->second;
  }
  bool IsSpecial(int32_t id) const override {
    return IsInVocabulary(id) && tokens_[id].special;
  }
  const std::string& digest() const override { return digest_; }
  const std::string& json() const override { return json_; }

 private:
  bool IsInVocabulary(int32_t id) const { return id >= 0 && id < vocab_size(); }

  void SetToken(int32_t id, const std::string& text, bool special) {
    if (id >= vocab_size()) tokens_.resize(id + 1);
    // A text that is not all of the byte alphabet stands for itself.
    tokens_[id] = {AlphabetToBytes(text).value_or(text), special};
  }

  // A vocabulary may hold the text of a special token, and merges or
  // ignore_merges may lead to it: spell such a token in bytes.
  std::vector<int32_t> WithoutSpecial(std::vector<int32_t> ids) const {
    if (std::none_of(ids.begin(), ids.end(),
                     [&](int32_t id) { return IsSpecial(id); })) {
      return ids;
    }
    std::vector<int32_t> spelled;
    for (const int32_t id : ids) {
      if (!IsSpecial(id)) {
        spelled.push_back(id);
        continue;
      }
      for (const char byte : tokens_[id].bytes) {
        model_.Encode(std::string_view(&byte, 1), &spelled);
      }
    }
    return spelled;
  }

  const std::string json_;
  const std::string digest_;
  const bool nfc_;
  const AddedTokenMatcher raw_tokens_;
  const AddedTokenMatcher normalized_tokens_;
  const PreTokenizer pre_tokenizer_;
  const BpeModel model_;
  StringMap<int32_t> ids_;
  std::vector<Token> tokens_;  // by id
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Load(
    const std::string& path) {
  std::string file = path;
  if (!std::string_view(path).ends_with(".json")) {
    file = JoinPath(path, kFileName);
  }
  ASSIGN_OR_RETURN(const std::string json, ReadFile(file, kMaxFileBytes));
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Parse(json);
  if (tokenizer.ok()) return tokenizer;
  return absl::Status(tokenizer.status().code(),
                      absl::StrCat(file, ": ", tokenizer.status().message()));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(
    std::string_view tokenizer_json) {
  ASSIGN_OR_RETURN(TokenizerParts parts, ParseTokenizerJson(tokenizer_json));
  ASSIGN_OR_RETURN(BpeModel model, BpeModel::Create(parts.model));
  return std::make_unique<ByteLevelTokenizer>(
      std::string(tokenizer_json), std::move(parts), std::move(model));
}

}  // namespace operant
