// A small tokenizer.json for tests: the 256 bytes, a few merges, two specials.
#ifndef OPERANT_TESTS_COMMON_TEXT_BYTE_LEVEL_JSON_H_
#define OPERANT_TESTS_COMMON_TEXT_BYTE_LEVEL_JSON_H_

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/text/byte_alphabet.h"

namespace operant {

using MergeList = std::vector<std::pair<std::string, std::string>>;

// Byte b has the id b; merge i gives 256 + i; "<eos>" and "<tag>" follow.
inline nlohmann::json ByteLevelJson(const MergeList& merges) {
  nlohmann::json vocab = nlohmann::json::object();
  for (int b = 0; b < 256; ++b) {
    vocab[BytesToAlphabet(std::string(1, static_cast<char>(b)))] = b;
  }
  int id = 256;
  nlohmann::json merge_list = nlohmann::json::array();
  for (const auto& [left, right] : merges) {
    vocab[left + right] = id++;
    merge_list.push_back(left + " " + right);
  }
  nlohmann::json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  return {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", id}, {"content", "<eos>"}, {"special", true}},
        {{"id", id + 1},
         {"content", "<tag>"},
         {"special", false},
         {"normalized", false}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor", nullptr},
      {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merge_list}}}};
}

}  // namespace operant

#endif  // OPERANT_TESTS_COMMON_TEXT_BYTE_LEVEL_JSON_H_
