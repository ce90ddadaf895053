#include "learner/score_items.h"

#include "google/protobuf/util/json_util.h"

namespace operant::learner {
namespace {

void SetText(const v1::Trajectory& t, const PromptRow& row,
             const Tokenizer& tokenizer, v1::ScoreItem& item) {
  bool prompt_lossy = false;
  bool response_lossy = false;
  item.set_prompt(
      row.prompt.empty()
          ? ToValidUtf8(tokenizer.Decode(row.prompt_token_ids), &prompt_lossy)
          : row.prompt);
  item.set_response(
      ToValidUtf8(tokenizer.Decode(std::span<const int32_t>(
                      t.response_token_ids().data(),
                      static_cast<size_t>(t.response_token_ids_size()))),
                  &response_lossy));
  item.set_text_lossy(prompt_lossy || response_lossy);
}

}  // namespace

v1::ScoreItem MakeScoreItem(const v1::Trajectory& t, const PromptRow& row,
                            const Tokenizer& tokenizer) {
  v1::ScoreItem item;
  item.set_id(t.id());
  item.set_group_id(t.group_id());
  item.set_sample_index(t.seed_key().sample_index());
  SetText(t, row, tokenizer, item);
  *item.mutable_prompt_token_ids() = t.prompt_token_ids();
  *item.mutable_response_token_ids() = t.response_token_ids();
  *item.mutable_response_logprobs() = t.response_logprobs();
  item.set_finish(t.finish());
  item.set_ground_truth(row.ground_truth);
  item.set_data_source(row.data_source);
  if (!row.metadata_json.empty()) {
    // The dataset reader made sure that it is a JSON object.
    (void)google::protobuf::util::JsonStringToMessage(row.metadata_json,
                                                      item.mutable_metadata());
  }
  item.set_policy_version(t.versions().rbegin()->policy_version());
  return item;
}

std::vector<v1::ScoreItem> MakeScoreItems(
    std::span<const v1::Trajectory> trajectories,
    std::span<const PromptRow* const> rows, const Tokenizer& tokenizer) {
  std::vector<v1::ScoreItem> items;
  items.reserve(trajectories.size());
  for (size_t i = 0; i < trajectories.size(); ++i)
    items.push_back(MakeScoreItem(trajectories[i], *rows[i], tokenizer));
  return items;
}

}  // namespace operant::learner
