#include "common/reward_client/score_request.h"

#include <string>

#include "common/base/digest.h"
#include "common/reward_client/content_digest.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using Info = v1::GetInfoResponse;

v1::ScoreItem FullItem() {
  v1::ScoreItem item;
  item.set_id("i");
  item.set_group_id("g");
  item.set_sample_index(3);
  item.set_prompt("question");
  item.set_response("answer");
  item.add_messages()->set_content("question");
  item.add_prompt_token_ids(1);
  item.add_response_token_ids(258);
  item.add_response_logprobs(-0.5f);
  item.set_finish(v1::FINISH_REASON_STOP);
  item.set_ground_truth("42");
  item.set_data_source("math");
  (*item.mutable_metadata()->mutable_fields())["k"].set_string_value("v");
  item.set_policy_version(9);
  item.set_text_lossy(true);
  return item;
}

Info Needs(std::initializer_list<Info::Need> needs) {
  Info info;
  for (Info::Need need : needs) info.add_needs(need);
  return info;
}

TEST(ItemForTest, SendsTheFieldsThatAreNeededAndNoOthers) {
  const v1::ScoreItem ids = ItemFor(Needs({Info::TOKEN_IDS}), FullItem());
  EXPECT_EQ(ids.response(), "");
  EXPECT_EQ(ids.response_token_ids_size(), 1);
  EXPECT_EQ(ids.response_logprobs_size(), 0);

  const v1::ScoreItem text = ItemFor(Needs({Info::TEXT}), FullItem());
  EXPECT_EQ(text.prompt(), "question");
  EXPECT_EQ(text.response(), "answer");
  EXPECT_EQ(text.response_token_ids_size(), 0);
  EXPECT_EQ(text.messages_size(), 0);
}

TEST(ItemForTest, SendsTextToAServerThatNamedNoContent) {
  EXPECT_EQ(ItemFor(Needs({}), FullItem()).response(), "answer");
  EXPECT_EQ(ItemFor(Needs({Info::WHOLE_GROUP}), FullItem()).response(),
            "answer");
}

TEST(ItemForTest, LosesNothingForAServerThatNeedsAll) {
  v1::ScoreItem expected = FullItem();
  expected.set_content_digest(ContentDigest(expected));
  const Info all =
      Needs({Info::TEXT, Info::TOKEN_IDS, Info::LOGPROBS, Info::MESSAGES});
  EXPECT_EQ(ItemFor(all, FullItem()).SerializeAsString(),
            expected.SerializeAsString());
}

TEST(ContentDigestTest, IsXxh3OfTheStatedBytes) {
  // 1 prompt id 1, 1 response id 258, finish 1.
  const std::string bytes("\1\0\0\0\1\0\0\0\1\0\0\0\2\1\0\0\1\0\0\0", 20);
  EXPECT_EQ(ContentDigest(FullItem()), Xxh3(bytes));
}

TEST(ContentDigestTest, TellsWherePromptAndResponseMeet) {
  v1::ScoreItem moved = FullItem();
  moved.add_prompt_token_ids(258);
  moved.clear_response_token_ids();
  EXPECT_NE(ContentDigest(moved), ContentDigest(FullItem()));
}

}  // namespace
}  // namespace operant
