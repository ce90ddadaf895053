#include "tests/proto/compatibility.h"

#include <string>

#include "absl/strings/str_join.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "operant/v1/access.pb.h"
#include "operant/v1/config.pb.h"
#include "operant/v1/coordinator.pb.h"
#include "operant/v1/ledger.pb.h"
#include "operant/v1/ranks.pb.h"
#include "operant/v1/reward.pb.h"
#include "operant/v1/rollout.pb.h"
#include "operant/v1/trajectory.pb.h"
#include "operant/v1/weights.pb.h"

namespace operant {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::TextFormat;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kSnapshot[] = "tests/proto/contract.txtpb";

// The contracts that this build speaks.
FileDescriptorSet CurrentContract() {
  FileDescriptorSet files;
  for (const FileDescriptor* file :
       {v1::Grant::descriptor()->file(), v1::RunConfig::descriptor()->file(),
        v1::RegisterRequest::descriptor()->file(),
        v1::LedgerRecord::descriptor()->file(),
        v1::RankReport::descriptor()->file(),
        v1::ScoreRequest::descriptor()->file(),
        v1::GenerateRequest::descriptor()->file(),
        v1::Trajectory::descriptor()->file(),
        v1::WeightFrame::descriptor()->file()}) {
    file->CopyTo(files.add_file());
  }
  return files;
}

TEST(ContractTest, ThisBuildStillSpeaksTheCommittedContract) {
  const auto text = ReadFile(kSnapshot);
  ASSERT_TRUE(text.ok()) << text.status();
  FileDescriptorSet committed;
  ASSERT_TRUE(TextFormat::ParseFromString(*text, &committed));
  ASSERT_EQ(committed.file_size(), CurrentContract().file_size());
  const auto changes = IncompatibleChanges(committed, CurrentContract());
  EXPECT_THAT(changes, IsEmpty())
      << absl::StrJoin(changes, "\n")
      << "\nadd instead of changing; if no release speaks the old contract, "
         "run tests/proto/refresh.sh and commit the difference";
}

// A small contract to break, one change a test.
class CompatibilityTest : public testing::Test {
 protected:
  CompatibilityTest() {
    const bool parsed = TextFormat::ParseFromString(
        R"pb(
          file {
            package: "p"
            message_type {
              name: "M"
              field {
                name: "a"
                number: 1
                label: LABEL_OPTIONAL
                type: TYPE_INT32
              }
              field {
                name: "b"
                number: 2
                label: LABEL_OPTIONAL
                type: TYPE_STRING
                oneof_index: 0
              }
              field {
                name: "c"
                number: 3
                label: LABEL_OPTIONAL
                type: TYPE_MESSAGE
                type_name: ".p.M.Inner"
              }
              oneof_decl { name: "one" }
              oneof_decl { name: "other" }
              nested_type {
                name: "Inner"
                field {
                  name: "x"
                  number: 1
                  label: LABEL_OPTIONAL
                  type: TYPE_BOOL
                }
                enum_type {
                  name: "F"
                  value { name: "F_0" number: 0 }
                }
              }
            }
            message_type { name: "N" }
            enum_type {
              name: "E"
              value { name: "E_0" number: 0 }
              value { name: "E_1" number: 1 }
            }
            service {
              name: "S"
              method { name: "Do" input_type: ".p.M" output_type: ".p.N" }
            }
          })pb",
        &before_);
    EXPECT_TRUE(parsed);
    after_ = before_;
  }

  FileDescriptorProto& file() { return *after_.mutable_file(0); }
  DescriptorProto& message() { return *file().mutable_message_type(0); }
  FieldDescriptorProto& field(int i) { return *message().mutable_field(i); }
  google::protobuf::MethodDescriptorProto& method() {
    return *file().mutable_service(0)->mutable_method(0);
  }

  void ExpectChange(const std::string& part) {
    EXPECT_THAT(IncompatibleChanges(before_, after_),
                ElementsAre(HasSubstr(part)));
  }

  FileDescriptorSet before_;
  FileDescriptorSet after_;
};

TEST_F(CompatibilityTest, NoChangeIsCompatible) {
  EXPECT_THAT(IncompatibleChanges(before_, after_), IsEmpty());
}

TEST_F(CompatibilityTest, AdditionsAreCompatible) {
  FieldDescriptorProto& added = *message().add_field();
  added = field(0);
  added.set_name("new");
  added.set_number(9);
  file().add_message_type()->set_name("New");
  auto& value = *file().mutable_enum_type(0)->add_value();
  value.set_name("E_2");
  value.set_number(2);
  auto& rpc = *file().mutable_service(0)->add_method();
  rpc = method();
  rpc.set_name("DoMore");
  EXPECT_THAT(IncompatibleChanges(before_, after_), IsEmpty());
}

TEST_F(CompatibilityTest, FindsARemovedField) {
  message().mutable_field()->DeleteSubrange(0, 1);
  ExpectChange("p.M.a: field 1 removed or renumbered");
}

TEST_F(CompatibilityTest, FindsARenumberedField) {
  field(0).set_number(8);
  ExpectChange("p.M.a: field 1 removed or renumbered");
}

TEST_F(CompatibilityTest, FindsARenamedField) {
  field(0).set_name("z");
  ExpectChange("p.M.a: name changed");
}

TEST_F(CompatibilityTest, FindsARetypedField) {
  field(0).set_type(FieldDescriptorProto::TYPE_INT64);
  ExpectChange("p.M.a: type changed");
}

TEST_F(CompatibilityTest, FindsAFieldOfAnotherMessageType) {
  field(2).set_type_name(".p.N");
  ExpectChange("p.M.c: type changed");
}

TEST_F(CompatibilityTest, FindsAChangedLabel) {
  field(0).set_label(FieldDescriptorProto::LABEL_REPEATED);
  ExpectChange("p.M.a: label changed");
}

TEST_F(CompatibilityTest, FindsAFieldThatLeftOrChangedItsOneof) {
  field(1).set_oneof_index(1);
  ExpectChange("p.M.b: oneof changed");
  field(1).clear_oneof_index();
  ExpectChange("p.M.b: oneof changed");
}

TEST_F(CompatibilityTest, FindsARemovedMessage) {
  file().mutable_message_type()->DeleteSubrange(1, 1);
  ExpectChange("p.N: message removed");
}

TEST_F(CompatibilityTest, FindsAChangeInANestedMessage) {
  message().mutable_nested_type(0)->clear_field();
  ExpectChange("p.M.Inner.x: field 1 removed");
}

TEST_F(CompatibilityTest, FindsARemovedEnumOrValue) {
  message().mutable_nested_type(0)->clear_enum_type();
  ExpectChange("p.M.Inner.F: enum removed");
  after_ = before_;
  file().mutable_enum_type(0)->mutable_value()->DeleteSubrange(1, 1);
  ExpectChange("p.E.E_1: enum value removed");
}

TEST_F(CompatibilityTest, FindsARenumberedEnumValue) {
  file().mutable_enum_type(0)->mutable_value(1)->set_number(7);
  ExpectChange("p.E.E_1: number changed");
}

TEST_F(CompatibilityTest, FindsARemovedServiceOrMethod) {
  file().clear_service();
  ExpectChange("p.S: service removed");
  after_ = before_;
  file().mutable_service(0)->clear_method();
  ExpectChange("p.S.Do: method removed");
}

TEST_F(CompatibilityTest, FindsAMethodOfOtherMessages) {
  method().set_input_type(".p.N");
  ExpectChange("p.S.Do: request changed");
  after_ = before_;
  method().set_output_type(".p.M");
  ExpectChange("p.S.Do: response changed");
}

TEST_F(CompatibilityTest, FindsChangedStreaming) {
  method().set_client_streaming(true);
  ExpectChange("p.S.Do: request streaming changed");
  after_ = before_;
  method().set_server_streaming(true);
  ExpectChange("p.S.Do: response streaming changed");
}

}  // namespace
}  // namespace operant
