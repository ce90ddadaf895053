#include "common/nn/cpu_lane.h"

#include <algorithm>
#include <cmath>

namespace operant {
namespace {

// Sequences are scored in groups that fill a cache of this many positions, or
// of the longest sequence if that is more.
constexpr int64_t kScorePositions = 1024;
// Logits that a scorer keeps at once: 256 KiB, which stays in the L2 cache.
constexpr int64_t kScoreLogits = 1 << 16;
// Rows that make a product worth while however large the vocabulary is.
constexpr int64_t kMinScoreRows = 12;

int64_t ScoreRowsAtOnce(int64_t vocab_size) {
  return std::clamp(kScoreLogits / vocab_size, kMinScoreRows, kTileRows);
}

}  // namespace

CpuLane::CpuLane(const CpuKernels& kernels, const ModelConfig& config,
                 const RotaryTable& rotary)
    : kernels_(kernels),
      config_(config),
      decoder_(kernels, config, rotary),
      head_input_(kTileRows * config.hidden_size) {
  rows_.reserve(kTileRows);
  head_rows_.reserve(kTileRows);
}

void CpuLane::Forward(const CpuWeights& weights,
                      std::span<const SlotTokens> batch, KvCache& cache,
                      int64_t slot_blocks, float* logits) {
  for (const SlotTokens& entry : batch) {
    int32_t position = entry.position;
    for (const int32_t token : entry.tokens) {
      if (TileIsFull()) RunForwardTile(weights, cache, logits);
      AddRow({token, position++, entry.slot * slot_blocks});
    }
    WantLogits(-1);
  }
  RunForwardTile(weights, cache, logits);
}

void CpuLane::PrepareScore(int64_t longest) {
  const int64_t blocks = BlocksFor(std::max(longest, kScorePositions));
  if (score_cache_.blocks() < blocks) score_cache_ = KvCache(config_, blocks);
  if (score_logits_.size() == 0) {
    score_logits_ =
        FloatBuffer(ScoreRowsAtOnce(config_.vocab_size) * config_.vocab_size);
  }
}

void CpuLane::Score(const CpuWeights& weights, const ScoreTask& task,
                    std::span<const SequenceTokens> sequences,
                    TokenScore* out) {
  int64_t next_block = 0;
  for (const SequenceTokens& sequence : sequences) {
    const auto length = static_cast<int32_t>(sequence.tokens.size());
    if (length <= sequence.first_scored) continue;
    if (next_block + BlocksFor(length) > score_cache_.blocks()) {
      RunScoreTile(weights, task, out);
      next_block = 0;
    }
    // The last token predicts nothing, so it is not run.
    for (int32_t p = 0; p + 1 < length; ++p) {
      if (TileIsFull()) RunScoreTile(weights, task, out);
      const auto i = static_cast<size_t>(p);
      AddRow({sequence.tokens[i], p, next_block});
      if (p + 1 >= sequence.first_scored) WantLogits(sequence.tokens[i + 1]);
    }
    next_block += BlocksFor(length);
  }
  RunScoreTile(weights, task, out);
}

void CpuLane::WantLogits(int32_t next_token) {
  head_rows_.push_back({static_cast<int64_t>(rows_.size()) - 1, next_token});
}

bool CpuLane::TileIsFull() const {
  return static_cast<int64_t>(rows_.size()) == kTileRows;
}

void CpuLane::RunForwardTile(const CpuWeights& weights, KvCache& cache,
                             float*& logits) {
  if (rows_.empty()) return;
  decoder_.RunLayers(weights, rows_, cache);
  Head(weights, head_rows_, logits);
  logits += static_cast<int64_t>(head_rows_.size()) * config_.vocab_size;
  rows_.clear();
  head_rows_.clear();
}

void CpuLane::RunScoreTile(const CpuWeights& weights, const ScoreTask& task,
                           TokenScore*& out) {
  if (rows_.empty()) return;
  decoder_.RunLayers(weights, rows_, score_cache_);
  const auto step = static_cast<size_t>(ScoreRowsAtOnce(config_.vocab_size));
  const std::span<const HeadRow> rows = head_rows_;
  for (size_t i = 0; i < rows.size(); i += step) {
    ScoreRows(weights, task, rows.subspan(i, std::min(step, rows.size() - i)),
              out);
  }
  rows_.clear();
  head_rows_.clear();
}

void CpuLane::ScoreRows(const CpuWeights& weights, const ScoreTask& task,
                        std::span<const HeadRow> rows, TokenScore*& out) {
  Head(weights, rows, score_logits_.data());
  const float* logits = score_logits_.data();
  const float* hidden = head_input_.data();
  for (const HeadRow& row : rows) {
    *out++ = ScoreRow(task, row, logits, hidden);
    logits += config_.vocab_size;
    hidden += config_.hidden_size;
  }
}

void CpuLane::Head(const CpuWeights& weights, std::span<const HeadRow> rows,
                   float* logits) {
  float* hidden = head_input_.data();
  for (const HeadRow& row : rows) {
    decoder_.Normalise(weights, row.row, hidden);
    hidden += config_.hidden_size;
  }
  Multiply(weights.head, head_input_.data(), static_cast<int64_t>(rows.size()),
           logits, false);
}

// With z = (x - max) / T and s = sum e^z: log p = z - log s and
// H = log s - sum(e^z z) / s.
TokenScore CpuLane::ScoreRow(const ScoreTask& task, const HeadRow& row,
                             const float* logits, const float* hidden) const {
  const float inverse_t = 1.0f / task.temperature;
  const SoftmaxSums sums =
      kernels_.softmax_sums(logits, config_.vocab_size, inverse_t);
  const float log_sum = std::log(sums.sum);
  TokenScore score;
  score.logprob = (logits[row.next_token] - sums.max) * inverse_t - log_sum;
  score.entropy = log_sum - sums.weighted / sums.sum;
  if (task.value_head != nullptr) {
    score.value = kernels_.dot(hidden, task.value_head->weight.data(),
                               config_.hidden_size) +
                  task.value_head->bias;
  }
  return score;
}

}  // namespace operant
