#include "reward/json_schema_scorer.h"

#include <string>

#include "common/base/file_io.h"
#include "gtest/gtest.h"
#include "tests/testing/score_one.h"

namespace operant::reward {
namespace {

std::string FileOf(const std::string& contents) {
  const std::string path =
      JoinPath(testing::TempDir(), "json_schema_scorer_test.json");
  EXPECT_TRUE(WriteFileAtomically(path, contents).ok());
  return path;
}

constexpr char kPerson[] = R"({
  "type": "object",
  "properties": {"name": {"type": "string", "minLength": 1},
                 "pattern": {"type": "number"},
                 "friend": {"$ref": "#"}},
  "required": ["name"],
  "additionalProperties": false
})";

TEST(JsonSchemaScorerTest, ScoresWhetherTheSchemaAccepts) {
  const auto scorer = JsonSchemaScorer::Create(FileOf(kPerson));
  ASSERT_TRUE(scorer.ok()) << scorer.status();
  const struct {
    const char* response;
    double json, valid;
  } rows[] = {
      {R"({"name": "Ada"})", 1, 1},
      {"```json\n{\"name\": \"Ada\"}\n```", 1, 1},
      {R"({"name": "Ada", "friend": {"name": "Bo"}})", 1, 1},
      {R"({"name": "Ada", "friend": {"name": ""}})", 1, 0},
      {R"({"name": ""})", 1, 0},
      {R"({"name": "Ada", "age": 3})", 1, 0},
      {R"({"age": 3})", 1, 0},
      {"[]", 1, 0},
      {"Ada", 0, 0},
      {"", 0, 0},
      {R"({"name": "Ada"} and more)", 0, 0},
  };
  for (const auto& row : rows) {
    const v1::ScoreResult result = ScoreOne(**scorer, TextItem(row.response));
    ASSERT_TRUE(result.has_score()) << row.response;
    EXPECT_EQ(result.score(), row.valid) << row.response;
    EXPECT_EQ(result.components().at("json"), row.json) << row.response;
    EXPECT_EQ(result.components().at("valid"), row.valid) << row.response;
    EXPECT_EQ(result.notes().count("schema"), row.valid ? 0u : 1u);
  }
}

TEST(JsonSchemaScorerTest, RefusesWhatIsNoSchemaSayingWhere) {
  const struct {
    const char* schema;
    const char* told;
  } rows[] = {
      {"{", "reward.schema="},
      {"[1]", "at #"},
      {"17", "at #"},
      {R"({"type": 12})", "at #/type"},
      {R"({"type": "strin"})", "at #/type"},
      {R"({"type": ["string", "nil"]})", "at #/type"},
      {R"({"required": "name"})", "at #/required"},
      {R"({"properties": {"a": 3}})", "#/properties/a"},
      {R"({"minimum": "x"})", "at #/minimum"},
      {R"({"minimum": "3"})", "at #/minimum: expected a number, got \"3\""},
      {R"({"items": [{"maxLength": -1}]})", "at #/items/0/maxLength"},
      {R"({"multipleOf": 0})", "at #/multipleOf"},
      {R"({"uniqueItems": 1})", "at #/uniqueItems"},
      {R"({"anyOf": {"type": "null"}})", "at #/anyOf"},
      {R"({"dependencies": {"a": [1]}})", "at #/dependencies/a"},
      {R"({"$ref": "https://example.com/schema.json"})", "at #"},
      {R"({"$ref": "#/definitions/none"})", "at #"},
      {R"({"$ref": "#"})", "#/$ref"},
      {R"({"properties": {"a": {"pattern": "^(a+)+$"}}})",
       "#/properties/a/pattern"},
      {R"({"patternProperties": {"a": {}}})", "#/patternProperties"},
  };
  for (const auto& row : rows) {
    const absl::Status status =
        JsonSchemaScorer::Create(FileOf(row.schema)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument)
        << row.schema << status;
    EXPECT_NE(status.message().find(row.told), std::string::npos) << status;
  }
  const absl::Status missing =
      JsonSchemaScorer::Create("/nowhere.json").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.message().find("reward.schema: "), std::string::npos)
      << missing;
}

}  // namespace
}  // namespace operant::reward
