#include "common/nn/json_edit.h"

#include "gtest/gtest.h"

namespace operant {
namespace {

TEST(JsonEditTest, ReplacesOnlyTheValueOfTheOutermostKey) {
  EXPECT_EQ(ReplaceTopLevelValue(
                R"({ "a" : {"dtype": "x", "b": [1, "}"]},
  "dtype" :  "bfloat16"  , "z": "\"dtype\": 1" })",
                "dtype", R"("float32")"),
            R"({ "a" : {"dtype": "x", "b": [1, "}"]},
  "dtype" :  "float32"  , "z": "\"dtype\": 1" })");
}

TEST(JsonEditTest, ReplacesAValueOfAnyKind) {
  EXPECT_EQ(ReplaceTopLevelValue(R"({"a":null})", "a", "1"), R"({"a":1})");
  EXPECT_EQ(ReplaceTopLevelValue(R"({"a":{"b":[{}]},"c":2})", "a", "1"),
            R"({"a":1,"c":2})");
  EXPECT_EQ(ReplaceTopLevelValue("{\"c\":2,\n\"a\": [1,2]\n}", "a", "1"),
            "{\"c\":2,\n\"a\": 1\n}");
}

TEST(JsonEditTest, LeavesAnObjectWithoutTheKeyAlone) {
  for (const char* json :
       {"{}", " { } ", R"({"b": {"a": 1}})", R"({"ab":1})"}) {
    EXPECT_EQ(ReplaceTopLevelValue(json, "a", "2"), json);
  }
}

}  // namespace
}  // namespace operant
