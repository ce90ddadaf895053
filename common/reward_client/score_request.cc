#include "common/reward_client/score_request.h"

#include "common/reward_client/content_digest.h"
#include "common/reward_client/server_info.h"

namespace operant {
namespace {

using Info = v1::GetInfoResponse;

bool NeedsText(const Info& info) {
  return HasNeed(info, Info::TEXT) ||
         (!HasNeed(info, Info::TOKEN_IDS) && !HasNeed(info, Info::LOGPROBS) &&
          !HasNeed(info, Info::MESSAGES));
}

// Field by field, so that what is not needed is not even copied.
void CopyAlways(const v1::ScoreItem& from, v1::ScoreItem& to) {
  to.set_id(from.id());
  to.set_group_id(from.group_id());
  to.set_sample_index(from.sample_index());
  to.set_finish(from.finish());
  to.set_ground_truth(from.ground_truth());
  to.set_data_source(from.data_source());
  if (from.has_metadata()) *to.mutable_metadata() = from.metadata();
  to.set_policy_version(from.policy_version());
  to.set_text_lossy(from.text_lossy());
}

}  // namespace

v1::ScoreItem ItemFor(const Info& info, const v1::ScoreItem& item) {
  v1::ScoreItem sent;
  CopyAlways(item, sent);
  sent.set_content_digest(ContentDigest(item));
  if (NeedsText(info)) {
    sent.set_prompt(item.prompt());
    sent.set_response(item.response());
  }
  if (HasNeed(info, Info::TOKEN_IDS)) {
    *sent.mutable_prompt_token_ids() = item.prompt_token_ids();
    *sent.mutable_response_token_ids() = item.response_token_ids();
  }
  if (HasNeed(info, Info::LOGPROBS)) {
    *sent.mutable_response_logprobs() = item.response_logprobs();
  }
  if (HasNeed(info, Info::MESSAGES)) *sent.mutable_messages() = item.messages();
  return sent;
}

}  // namespace operant
