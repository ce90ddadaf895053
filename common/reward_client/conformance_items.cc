#include "common/reward_client/conformance_items.h"

#include <fstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "common/reward_client/conformance.h"
#include "google/protobuf/util/json_util.h"

namespace operant {
namespace {

constexpr int kSamplesPerGroup = 4;
constexpr size_t kLongText = 100'000;

void FillTokens(v1::ScoreItem& item) {
  for (int id = 1; id <= 8; ++id) {
    item.add_prompt_token_ids(id);
    item.add_response_token_ids(id);
    item.add_response_logprobs(-0.5f);
  }
}

std::string Repeat(const std::string& text, size_t bytes) {
  std::string repeated;
  while (repeated.size() < bytes) repeated += text;
  return repeated;
}

}  // namespace

v1::ScoreItem SampleItem(const std::string& id, const std::string& response) {
  v1::ScoreItem item;
  item.set_id(id);
  item.set_group_id("group-0");
  item.set_prompt("How much is 40 + 2?");
  item.set_response(response);
  v1::ChatMessage& message = *item.add_messages();
  message.set_role("user");
  message.set_content(item.prompt());
  FillTokens(item);
  item.set_finish(v1::FINISH_REASON_STOP);
  item.set_ground_truth("42");
  return item;
}

std::vector<v1::ScoreItem> SampleItems(int count) {
  std::vector<v1::ScoreItem> items;
  for (int i = 0; i < count; ++i) {
    items.push_back(SampleItem(absl::StrCat("item-", i),
                               absl::StrCat("The answer is ", 38 + i % 8)));
    items.back().set_group_id(absl::StrCat("group-", i / kSamplesPerGroup));
    items.back().set_sample_index(i % kSamplesPerGroup);
  }
  return items;
}

std::vector<v1::ScoreItem> HaywireItems() {
  const std::string responses[] = {
      "",
      " \n\t ",
      Repeat("again ", kLongText),
      Repeat("(", kLongText),
      std::string("nul \0 and \x01\x1b[31m escape", 22),
      "\xef\xbf\xbd\xef\xbf\xbd broken text",
      "42\xf0\x9f\x99\x82 \xe7\xad\x94\xe3\x81\x88 \xd8\xa7\xd9\x84",
      "{\"unclosed\": [1, 2",
      "<think><think></answer>\\boxed{\\boxed{",
      "1e999 NaN -Infinity 0x7f 1/0",
  };
  std::vector<v1::ScoreItem> items;
  for (const std::string& response : responses) {
    items.push_back(
        SampleItem(absl::StrCat("haywire-", items.size()), response));
    items.back().set_finish(v1::FINISH_REASON_LENGTH);
  }
  items.back().clear_ground_truth();
  return items;
}

std::vector<v1::ScoreItem> OddIdItems() {
  std::vector<v1::ScoreItem> items;
  for (const std::string& id :
       {std::string("7"), std::string("07"), std::string(" 7 "),
        std::string("A"), std::string("a"), std::string("\xc3\xa9"),
        std::string("x\ny"), std::string(200, 'i')}) {
    items.push_back(SampleItem(id, "42"));
  }
  return items;
}

absl::StatusOr<std::vector<v1::ScoreItem>> ReadScoreItems(
    const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat("cannot read: data='", path, "', expected a JSONL file"));
  }
  std::vector<v1::ScoreItem> items;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty()) continue;
    v1::ScoreItem item;
    const auto parsed =
        google::protobuf::util::JsonStringToMessage(line, &item);
    if (!parsed.ok()) {
      return absl::DataLossError(
          absl::StrCat(path, ":", number,
                       ": not a row of ScoreItem's fields (prompt, response, "
                       "ground_truth, ...): ",
                       std::string(parsed.message())));
    }
    item.set_id(absl::StrCat("row-", number));
    if (item.group_id().empty()) item.set_group_id(item.id());
    items.push_back(std::move(item));
  }
  if (items.empty()) {
    return absl::DataLossError(absl::StrCat(path, ": holds no rows"));
  }
  return items;
}

}  // namespace operant
