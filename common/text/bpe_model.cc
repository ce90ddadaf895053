#include "common/text/bpe_model.h"

#include <functional>
#include <optional>
#include <queue>
#include <tuple>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/text/byte_alphabet.h"
#include "common/text/json_reader.h"

namespace operant {
namespace {

// Words longer than this hardly ever come twice; as many words as this are
// more than a language has in a book.
constexpr size_t kMaxCachedBytes = 64;
constexpr size_t kMaxCachedPieces = 1 << 16;

absl::Status UnknownTokenError(size_t merge) {
  return MalformedError(absl::StrCat("model.merges[", merge, "]"),
                        "names a token that model.vocab lacks");
}

// A piece's tokens as a doubly linked list in an array.
struct Symbol {
  int32_t id;  // kRemoved: merged into one on its left
  int32_t previous;
  int32_t next;
};
constexpr int32_t kRemoved = -1;
constexpr int32_t kNone = -1;

// A merge that was possible when it was found. The least rank comes first, then
// the leftmost place.
struct Candidate {
  int32_t rank;
  int32_t left;
  bool operator>(const Candidate& other) const {
    return std::tie(rank, left) > std::tie(other.rank, other.left);
  }
};

// Merges the tokens of one piece until no merge is left.
class PieceMerger {
 public:
  PieceMerger(const MergeTable& merges, const std::vector<int32_t>& ids)
      : merges_(merges), symbols_(ids.size()) {
    for (int32_t i = 0; i < size(); ++i) symbols_[i] = {ids[i], i - 1, i + 1};
    symbols_.back().next = kNone;
  }

  void Run() {
    for (int32_t left = 0; left < size(); ++left) Propose(left);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const Merge* merge = MergeAt(best.left);
      if (merge == nullptr || merge->rank != best.rank) continue;  // outdated
      JoinWithNext(best.left, merge->id);
      Propose(symbols_[best.left].previous);
      Propose(best.left);
    }
  }

  void AppendTo(std::vector<int32_t>* ids) const {
    for (const Symbol& symbol : symbols_) {
      if (symbol.id != kRemoved) ids->push_back(symbol.id);
    }
  }

 private:
  int32_t size() const { return static_cast<int32_t>(symbols_.size()); }

  // The merge of the symbol at `left` with the one after it, or null.
  const Merge* MergeAt(int32_t left) const {
    const Symbol& symbol = symbols_[left];
    if (symbol.id == kRemoved || symbol.next == kNone) return nullptr;
    return merges_.Find(symbol.id, symbols_[symbol.next].id);
  }

  void Propose(int32_t left) {
    if (left == kNone) return;
    const Merge* merge = MergeAt(left);
    if (merge != nullptr) queue_.push({merge->rank, left});
  }

  void JoinWithNext(int32_t left, int32_t id) {
    Symbol& symbol = symbols_[left];
    Symbol& gone = symbols_[symbol.next];
    symbol.id = id;
    symbol.next = gone.next;
    if (gone.next != kNone) symbols_[gone.next].previous = left;
    gone.id = kRemoved;
  }

  const MergeTable& merges_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

}  // namespace

absl::StatusOr<BpeModel> BpeModel::Create(const BpeSpec& spec) {
  BpeModel model;
  model.unknown_id_ = spec.unknown_id;
  model.fuse_unknown_ = spec.fuse_unknown;
  model.ReadVocab(spec);
  RETURN_IF_ERROR(model.ReadMerges(spec));
  return model;
}

void BpeModel::ReadVocab(const BpeSpec& spec) {
  byte_ids_.fill(-1);
  for (const auto& [token, id] : spec.vocab) {
    const std::optional<std::string> bytes = AlphabetToBytes(token);
    if (!bytes.has_value()) continue;  // no text leads to it
    if (bytes->size() == 1) byte_ids_[static_cast<uint8_t>((*bytes)[0])] = id;
    if (spec.ignore_merges) whole_pieces_[*bytes] = id;
  }
}

absl::Status BpeModel::ReadMerges(const BpeSpec& spec) {
  merges_.Reserve(spec.merges.size());
  for (size_t i = 0; i < spec.merges.size(); ++i) {
    const auto& [left, right] = spec.merges[i];
    const auto left_id = spec.vocab.find(left);
    const auto right_id = spec.vocab.find(right);
    const auto merged_id = spec.vocab.find(left + right);
    if (left_id == spec.vocab.end() || right_id == spec.vocab.end() ||
        merged_id == spec.vocab.end()) {
      return UnknownTokenError(i);
    }
    merges_.Set(left_id->second, right_id->second,
                {static_cast<int32_t>(i), merged_id->second});
  }
  return absl::OkStatus();
}

std::vector<int32_t> BpeModel::ByteIds(std::string_view piece) const {
  std::vector<int32_t> ids;
  ids.reserve(piece.size());
  bool after_unknown = false;
  for (const char c : piece) {
    const int32_t id = byte_ids_[static_cast<uint8_t>(c)];
    const bool unknown = id < 0;
    if (!unknown) {
      ids.push_back(id);
    } else if (unknown_id_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      ids.push_back(unknown_id_);
    }
    after_unknown = unknown;
  }
  return ids;
}

void BpeModel::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  if (const auto whole = whole_pieces_.find(piece);
      whole != whole_pieces_.end()) {
    ids->push_back(whole->second);
    return;
  }
  const std::vector<int32_t> bytes = ByteIds(piece);
  if (bytes.size() < 2) {
    ids->insert(ids->end(), bytes.begin(), bytes.end());
    return;
  }
  PieceMerger merger(merges_, bytes);
  merger.Run();
  merger.AppendTo(ids);
}

void PieceCache::Encode(std::string_view piece, std::vector<int32_t>* ids) {
  if (piece.size() > kMaxCachedBytes) return model_.Encode(piece, ids);
  const auto known = slices_.find(piece);
  if (known != slices_.end()) {
    const auto begin = ids_.begin() + static_cast<int64_t>(known->second.begin);
    ids->insert(ids->end(), begin,
                begin + static_cast<int64_t>(known->second.count));
    return;
  }
  const size_t before = ids->size();
  model_.Encode(piece, ids);
  if (slices_.size() >= kMaxCachedPieces) return;
  slices_.emplace(piece, Slice{ids_.size(), ids->size() - before});
  ids_.insert(ids_.end(), ids->begin() + static_cast<int64_t>(before),
              ids->end());
}

}  // namespace operant
