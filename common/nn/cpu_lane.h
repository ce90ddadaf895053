// One thread's share of a call of the CPU engine: running entries of a batch,
// scoring whole sequences.
#ifndef OPERANT_COMMON_NN_CPU_LANE_H_
#define OPERANT_COMMON_NN_CPU_LANE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/nn/cpu_decoder.h"
#include "common/nn/cpu_kernels.h"
#include "common/nn/cpu_weights.h"
#include "common/nn/gemm.h"
#include "common/nn/inference_model.h"
#include "common/nn/kv_cache.h"
#include "common/nn/model_config.h"
#include "common/nn/rotary_table.h"

namespace operant {

struct ScoreTask {
  float temperature;
  const ValueHead* value_head;  // may be null
};

// Holds the memory of a thread's calls. Arguments are checked by the caller.
// Not thread-safe.
class CpuLane {
 public:
  // The arguments must outlive the lane.
  CpuLane(const CpuKernels& kernels, const ModelConfig& config,
          const RotaryTable& rotary);

  // InferenceModel::Forward for entries whose slots start at multiples of
  // `slot_blocks`; writes [entries, V].
  void Forward(const CpuWeights& weights, std::span<const SlotTokens> batch,
               KvCache& cache, int64_t slot_blocks, float* logits);

  // Makes room for Score of sequences of up to `longest` tokens.
  void PrepareScore(int64_t longest);
  // InferenceModel::Score; writes one TokenScore for each scored position.
  void Score(const CpuWeights& weights, const ScoreTask& task,
             std::span<const SequenceTokens> sequences, TokenScore* out);

 private:
  // A row of the tile whose logits are wanted, and the token that follows it.
  struct HeadRow {
    int64_t row;
    int32_t next_token;
  };

  // A tile collects rows until it is full or the call ends; then it is run and
  // the rows that need logits go through the head.
  void AddRow(const TokenRow& row) { rows_.push_back(row); }
  void WantLogits(int32_t next_token);
  bool TileIsFull() const;
  void RunForwardTile(const CpuWeights& weights, KvCache& cache,
                      float*& logits);
  void RunScoreTile(const CpuWeights& weights, const ScoreTask& task,
                    TokenScore*& out);
  void ScoreRows(const CpuWeights& weights, const ScoreTask& task,
                 std::span<const HeadRow> rows, TokenScore*& out);
  // Final norm and head of `rows`: [rows, V].
  void Head(const CpuWeights& weights, std::span<const HeadRow> rows,
            float* logits);
  TokenScore ScoreRow(const ScoreTask& task, const HeadRow& row,
                      const float* logits, const float* hidden) const;

  const CpuKernels& kernels_;
  const ModelConfig& config_;
  CpuDecoder decoder_;
  std::vector<TokenRow> rows_;      // of the tile
  std::vector<HeadRow> head_rows_;  // of them, in order
  FloatBuffer head_input_;          // [kTileRows, D]

  // Made by the first Score.
  FloatBuffer score_logits_;  // [score_rows, V]
  KvCache score_cache_;
};

}  // namespace operant

#endif  // OPERANT_COMMON_NN_CPU_LANE_H_
