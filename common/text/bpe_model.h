// Byte-pair encoding of one piece of text, over bytes.
#ifndef OPERANT_COMMON_TEXT_BPE_MODEL_H_
#define OPERANT_COMMON_TEXT_BPE_MODEL_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/text/string_map.h"

namespace operant {

// The `model` of a tokenizer.json. Tokens are written in the byte alphabet.
struct BpeSpec {
  StringMap<int32_t> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // by rank
  // A piece that is a token becomes it, whatever the merges say.
  bool ignore_merges = false;
  int32_t unknown_id = -1;  // for bytes without a token; -1: they are dropped
  bool fuse_unknown = false;
};

// What two neighbouring tokens become. Least rank first.
struct Merge {
  int32_t rank;
  int32_t id;
};

class MergeTable {
 public:
  void Reserve(size_t merges) { merges_.reserve(merges); }
  void Set(int32_t left, int32_t right, Merge merge) {
    merges_[Key(left, right)] = merge;
  }
  // Null if the two do not merge.
  const Merge* Find(int32_t left, int32_t right) const {
    const auto it = merges_.find(Key(left, right));
    return it == merges_.end() ? nullptr : &it->second;
  }

 private:
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
  }
  absl::flat_hash_map<uint64_t, Merge> merges_;
};

// Immutable and thread-safe after creation.
class BpeModel {
 public:
  // DataLoss if a merge names a token that the vocabulary lacks.
  static absl::StatusOr<BpeModel> Create(const BpeSpec& spec);

  // Appends the ids of the bytes of `piece`: merges in the order of their rank,
  // equal ranks from left to right. O(n log n).
  void Encode(std::string_view piece, std::vector<int32_t>* ids) const;

 private:
  BpeModel() = default;
  void ReadVocab(const BpeSpec& spec);
  absl::Status ReadMerges(const BpeSpec& spec);
  std::vector<int32_t> ByteIds(std::string_view piece) const;

  // Raw bytes to id; only with ignore_merges.
  StringMap<int32_t> whole_pieces_;
  MergeTable merges_;
  std::array<int32_t, 256> byte_ids_;  // -1: none
  int32_t unknown_id_ = -1;
  bool fuse_unknown_ = false;
};

// Remembers the ids of pieces. For one thread; bounded.
class PieceCache {
 public:
  explicit PieceCache(const BpeModel* model) : model_(*model) {}
  // As BpeModel::Encode.
  void Encode(std::string_view piece, std::vector<int32_t>* ids);

 private:
  struct Slice {
    size_t begin;
    size_t count;
  };
  const BpeModel& model_;
  StringMap<Slice> slices_;
  std::vector<int32_t> ids_;  // what the slices point into
};

}  // namespace operant

#endif  // OPERANT_COMMON_TEXT_BPE_MODEL_H_
