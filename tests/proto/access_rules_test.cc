#include "proto/access_rules.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "operant/v1/access.pb.h"

namespace operant {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<AccessRules> RulesOf(const std::string& text) {
  google::protobuf::FileDescriptorSet files;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &files));
  return AccessRulesOf(files);
}

std::string Method(const std::string& options) {
  return R"(file { package: "operant.v1" service { name: "S" method {
      name: "M" options { )" +
         options + " } } } }";
}

TEST(AccessRulesTest, AMethodsOptionIsItsRule) {
  const auto rules =
      RulesOf(Method("[operant.v1.callers]: ROLE_LEARNER "
                     "[operant.v1.callers]: ROLE_OPERATOR"));
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(*rules, (AccessRules{{"/operant.v1.S/M", 0b10010}}));
}

TEST(AccessRulesTest, AMethodWithoutCallersFailsTheBuild) {
  const auto rules = RulesOf(Method(""));
  EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(rules.status().message()),
              HasSubstr("/operant.v1.S/M says nowhere who may call it"));
  EXPECT_FALSE(RulesOf(Method("[operant.v1.callers]: ROLE_UNSPECIFIED")).ok());
}

std::string Grant(const std::string& method) {
  return "file { options { [operant.v1.grants] { method: \"" + method +
         "\" callers: ROLE_LEARNER } } }";
}

TEST(AccessRulesTest, AGrantStandsInForTheOptionOnce) {
  EXPECT_TRUE(RulesOf(Method("") + Grant("operant.v1.S/M")).ok());
  EXPECT_TRUE(RulesOf(Grant("grpc.health.v1.Health/Check")).ok());
  EXPECT_FALSE(RulesOf(Grant("operant.v1.S/Gone")).ok());
  EXPECT_FALSE(RulesOf(Method("[operant.v1.callers]: ROLE_LEARNER") +
                       Grant("operant.v1.S/M"))
                   .ok());
}

}  // namespace
}  // namespace operant
