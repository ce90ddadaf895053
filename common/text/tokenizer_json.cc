#include "common/text/tokenizer_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"

namespace operant {
namespace {

absl::Status UnsupportedError(std::string_view what,
                              std::string_view expected) {
  return absl::UnimplementedError(
      fmt::format("tokenizer not supported: {}, expected {}; use a model with "
                  "a byte-level BPE tokenizer",
                  what, expected));
}

absl::StatusOr<int32_t> ParseId(const nlohmann::json& json,
                                std::string_view where) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() >= kMaxTokens) {
    return MalformedError(
        where, absl::StrCat("expected an id in [0, ", kMaxTokens, ")"));
  }
  return json.get<int32_t>();
}

absl::Status ParseVocab(const nlohmann::json& json, BpeSpec* spec) {
  if (!json.is_object() || json.empty()) {
    return MalformedError("model.vocab", "expected an object of token ids");
  }
  std::vector<bool> taken;
  for (const auto& [token, id_json] : json.items()) {
    ASSIGN_OR_RETURN(const int32_t id, ParseId(id_json, "model.vocab"));
    if (id >= static_cast<int32_t>(taken.size())) taken.resize(id + 1);
    if (taken[id]) {
      return MalformedError("model.vocab",
                            absl::StrCat("two tokens have the id ", id));
    }
    taken[id] = true;
    spec->vocab[token] = id;
  }
  return absl::OkStatus();
}

using TokenPair = std::pair<std::string, std::string>;

// "a b" or ["a", "b"].
std::optional<TokenPair> ParseMerge(const nlohmann::json& json) {
  if (json.is_array()) {
    if (json.size() != 2 || !json[0].is_string() || !json[1].is_string()) {
      return std::nullopt;
    }
    return TokenPair(json[0].get<std::string>(), json[1].get<std::string>());
  }
  if (!json.is_string()) return std::nullopt;
  const auto& text = json.get_ref<const std::string&>();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != text.npos) {
    return std::nullopt;
  }
  return TokenPair(text.substr(0, space), text.substr(space + 1));
}

// Files made from a merges.txt may have kept its first line.
bool IsVersionLine(const nlohmann::json& json) {
  return json.is_string() &&
         json.get_ref<const std::string&>().starts_with("#version");
}

absl::Status ParseMerges(const nlohmann::json& json, BpeSpec* spec) {
  if (!json.is_array()) {
    return MalformedError("model.merges", "expected a list");
  }
  for (size_t i = 0; i < json.size(); ++i) {
    if (IsVersionLine(json[i])) continue;
    std::optional<TokenPair> merge = ParseMerge(json[i]);
    if (!merge.has_value()) {
      return MalformedError(absl::StrCat("model.merges[", i, "]"),
                            "expected \"a b\" or [\"a\", \"b\"]");
    }
    spec->merges.push_back(*std::move(merge));
  }
  return absl::OkStatus();
}

// Settings of the model that change its ids and that byte-level BPE never has.
absl::Status RefuseModelSettings(const nlohmann::json& json) {
  ASSIGN_OR_RETURN(const bool byte_fallback,
                   BoolMember(json, "byte_fallback", "model", false));
  if (byte_fallback) {
    return UnsupportedError("model.byte_fallback=true", "false");
  }
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    ASSIGN_OR_RETURN(const std::string affix,
                     StringMember(json, name, "model"));
    if (!affix.empty()) {
      return UnsupportedError(absl::StrCat("model.", name), "none");
    }
  }
  const nlohmann::json& dropout = Member(json, "dropout");
  if (!dropout.is_null() && dropout != 0) {
    return UnsupportedError("model.dropout", "none");
  }
  return absl::OkStatus();
}

absl::Status ParseUnknown(const nlohmann::json& json, BpeSpec* spec) {
  ASSIGN_OR_RETURN(const std::string token,
                   StringMember(json, "unk_token", "model"));
  ASSIGN_OR_RETURN(spec->fuse_unknown,
                   BoolMember(json, "fuse_unk", "model", false));
  if (token.empty()) return absl::OkStatus();
  const auto it = spec->vocab.find(token);
  if (it == spec->vocab.end()) {
    return MalformedError("model.unk_token", "expected a token of model.vocab");
  }
  spec->unknown_id = it->second;
  return absl::OkStatus();
}

absl::StatusOr<BpeSpec> ParseModel(const nlohmann::json& json) {
  if (!json.is_object()) return MalformedError("model", "expected an object");
  ASSIGN_OR_RETURN(std::string type, StringMember(json, "type", "model"));
  // Files before 2020 leave the type out; only BPE has merges.
  if (type.empty() && json.contains("merges")) type = "BPE";
  if (type != "BPE") {
    return UnsupportedError(absl::StrCat("model.type=", type), "BPE");
  }
  RETURN_IF_ERROR(RefuseModelSettings(json));
  BpeSpec spec;
  RETURN_IF_ERROR(ParseVocab(Member(json, "vocab"), &spec));
  RETURN_IF_ERROR(ParseMerges(Member(json, "merges"), &spec));
  RETURN_IF_ERROR(ParseUnknown(json, &spec));
  ASSIGN_OR_RETURN(spec.ignore_merges,
                   BoolMember(json, "ignore_merges", "model", false));
  return spec;
}

absl::StatusOr<AddedToken> ParseAddedToken(const nlohmann::json& json,
                                           std::string_view where) {
  if (!json.is_object()) return MalformedError(where, "expected an object");
  AddedToken token;
  ASSIGN_OR_RETURN(token.id,
                   ParseId(Member(json, "id"), fmt::format("{}.id", where)));
  ASSIGN_OR_RETURN(token.content, StringMember(json, "content", where));
  ASSIGN_OR_RETURN(token.special, BoolMember(json, "special", where, false));
  ASSIGN_OR_RETURN(token.single_word,
                   BoolMember(json, "single_word", where, false));
  ASSIGN_OR_RETURN(token.lstrip, BoolMember(json, "lstrip", where, false));
  ASSIGN_OR_RETURN(token.rstrip, BoolMember(json, "rstrip", where, false));
  ASSIGN_OR_RETURN(token.normalized,
                   BoolMember(json, "normalized", where, !token.special));
  return token;
}

// An added token may repeat a token of the vocabulary, id included; otherwise
// both its content and its id are its own.
absl::Status CheckAddedTokens(const std::vector<AddedToken>& tokens,
                              const BpeSpec& spec) {
  absl::flat_hash_map<int32_t, std::string_view> by_id;
  StringViewMap<int32_t> by_token;
  for (const auto& [token, id] : spec.vocab) by_id[id] = token;
  for (const auto& [token, id] : spec.vocab) by_token[token] = id;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view token = tokens[i].content;
    const int32_t id = tokens[i].id;
    if (by_id.try_emplace(id, token).first->second != token ||
        by_token.try_emplace(token, id).first->second != id) {
      return MalformedError(
          absl::StrCat("added_tokens[", i, "]"),
          absl::StrCat("id ", id, " conflicts with another token"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AddedToken>> ParseAddedTokens(
    const nlohmann::json& json, const BpeSpec& spec) {
  std::vector<AddedToken> tokens;
  if (json.is_null()) return tokens;
  if (!json.is_array()) {
    return MalformedError("added_tokens", "expected a list");
  }
  for (size_t i = 0; i < json.size(); ++i) {
    ASSIGN_OR_RETURN(
        AddedToken token,
        ParseAddedToken(json[i], absl::StrCat("added_tokens[", i, "]")));
    if (!token.content.empty()) tokens.push_back(std::move(token));
  }
  RETURN_IF_ERROR(CheckAddedTokens(tokens, spec));
  return tokens;
}

// Whether the normalizer is NFC rather than none.
absl::StatusOr<bool> ParseNormalizer(const nlohmann::json& json) {
  if (json.is_null()) return false;
  ASSIGN_OR_RETURN(const std::string type, TypeOf(json, "normalizer"));
  if (type == "NFC") return true;
  const nlohmann::json& sequence = Member(json, "normalizers");
  if (type != "Sequence" || !sequence.is_array()) {
    return UnsupportedError(absl::StrCat("normalizer.type=", type),
                            "NFC or none");
  }
  bool nfc = false;
  for (const nlohmann::json& part : sequence) {
    ASSIGN_OR_RETURN(const bool part_is_nfc, ParseNormalizer(part));
    nfc = nfc || part_is_nfc;
  }
  return nfc;
}

struct ComponentRule {
  const char* name;  // in the tokenizer.json
  const char* list;  // the member of a Sequence that holds the parts
  std::vector<std::string_view> allowed;
};

// OK if the component is of an allowed type or a Sequence of such.
absl::Status CheckComponent(const nlohmann::json& json,
                            const ComponentRule& rule) {
  ASSIGN_OR_RETURN(const std::string type, TypeOf(json, rule.name));
  const nlohmann::json& parts = Member(json, rule.list);
  if (type == "Sequence" && parts.is_array() && !parts.empty()) {
    for (const nlohmann::json& part : parts) {
      RETURN_IF_ERROR(CheckComponent(part, rule));
    }
    return absl::OkStatus();
  }
  for (const std::string_view allowed : rule.allowed) {
    if (type == allowed) return absl::OkStatus();
  }
  return UnsupportedError(absl::StrCat(rule.name, ".type=", type),
                          rule.allowed.front());
}

absl::Status CheckDecoder(const nlohmann::json& json) {
  if (json.is_null()) return UnsupportedError("decoder=null", "ByteLevel");
  return CheckComponent(json, {"decoder", "decoders", {"ByteLevel"}});
}

absl::Status CheckPostProcessor(const nlohmann::json& json) {
  if (json.is_null()) return absl::OkStatus();
  return CheckComponent(
      json,
      {"post_processor", "processors", {"ByteLevel", "TemplateProcessing"}});
}

}  // namespace

absl::StatusOr<TokenizerParts> ParseTokenizerJson(std::string_view text) {
  ASSIGN_OR_RETURN(const nlohmann::json json, ParseJson(text));
  if (!json.is_object()) {
    return MalformedError("tokenizer.json", "expected an object");
  }
  ASSIGN_OR_RETURN(BpeSpec model, ParseModel(Member(json, "model")));
  ASSIGN_OR_RETURN(std::vector<AddedToken> added,
                   ParseAddedTokens(Member(json, "added_tokens"), model));
  ASSIGN_OR_RETURN(const bool nfc, ParseNormalizer(Member(json, "normalizer")));
  ASSIGN_OR_RETURN(PreTokenizer pre_tokenizer,
                   PreTokenizer::FromJson(Member(json, "pre_tokenizer")));
  RETURN_IF_ERROR(CheckDecoder(Member(json, "decoder")));
  RETURN_IF_ERROR(CheckPostProcessor(Member(json, "post_processor")));
  return TokenizerParts{std::move(model), std::move(added),
                        std::move(pre_tokenizer), nfc};
}

}  // namespace operant
