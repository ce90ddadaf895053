// Properties that hold for any configuration and any bytes.
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/common/base/config_files.h"

namespace operant {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;

using Random = std::mt19937_64;

int Below(Random& random, int limit) {
  return std::uniform_int_distribution<int>(0, limit - 1)(random);
}

template <typename T>
T AnyInteger(Random& random) {
  switch (Below(random, 4)) {
    case 0:
      return 1;
    case 1:
      return std::numeric_limits<T>::max();
    case 2:
      return std::numeric_limits<T>::min();
    default:
      return static_cast<T>(random());
  }
}

double AnyDouble(Random& random) {
  const double mantissa = std::uniform_real_distribution<>(-1, 1)(random);
  return mantissa * std::pow(10, Below(random, 600) - 300);
}

// What a YAML reader might take for something else.
std::string AnyText(Random& random) {
  static const std::string pieces[] = {"true",
                                       "null",
                                       "~",
                                       "1",
                                       "1e-6",
                                       ": ",
                                       "#",
                                       " #",
                                       "- ",
                                       "[",
                                       "{",
                                       "}",
                                       "\"",
                                       "'",
                                       "\\",
                                       "\n",
                                       "\t",
                                       "\r",
                                       "&a",
                                       "*a",
                                       "!!str",
                                       "|",
                                       ">",
                                       "%",
                                       "@",
                                       "a",
                                       "word",
                                       "/path",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\x01",
                                       "\x7f",
                                       "\xc2\x85",
                                       "\xe2\x80\xa8",
                                       "\xef\xbb\xbf",
                                       "---",
                                       "..."};
  std::string text;
  for (int i = Below(random, 4); i > 0; --i) {
    text += pieces[Below(random, std::size(pieces))];
  }
  return text;
}

void FillMessage(Random& random, Message& message);

void FillSingular(Random& random, Message& message,
                  const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&message, field, AnyText(random));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&message, field, true);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&message, field, AnyDouble(random));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&message, field,
                                  AnyInteger<uint32_t>(random));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&message, field,
                                  AnyInteger<uint64_t>(random));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillMessage(random, *reflection.MutableMessage(&message, field));
    default:
      FAIL() << "the schema uses a type this test does not know: "
             << field->full_name();
  }
}

void AddElement(Random& random, Message& message,
                const FieldDescriptor* field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.AddString(&message, field, AnyText(random));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.AddInt32(&message, field, AnyInteger<int32_t>(random));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return FillMessage(random, *reflection.AddMessage(&message, field));
    default:
      FAIL() << "the schema uses a list this test does not know: "
             << field->full_name();
  }
}

void FillMessage(Random& random, Message& message) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (Below(random, 2) == 0) continue;
    if (!field->is_repeated()) {
      FillSingular(random, message, field);
    } else {
      for (int n = Below(random, 3); n > 0; --n) {
        AddElement(random, message, field);
      }
    }
  }
}

TEST(ConfigPropertyTest, WhatIsWrittenReadsBackEqual) {
  ConfigFiles files;
  Random random(1);
  for (int i = 0; i < 500; ++i) {
    v1::RunConfig config;
    FillMessage(random, config);
    const std::string yaml = ConfigToYaml(config);
    const auto read = LoadConfig({files.Write("x.yaml", yaml)}, {});
    ASSERT_TRUE(read.ok()) << read.status() << "\n" << yaml;
    ASSERT_TRUE(MessageDifferencer::Equals(*read, config)) << yaml;
  }
}

TEST(ConfigPropertyTest, ResolvingIsIdempotentAndReadsBackEqual) {
  ConfigFiles files;
  Random random(2);
  for (int i = 0; i < 200; ++i) {
    v1::RunConfig config;
    if (i > 0) FillMessage(random, config);
    ResolveDefaults(config);
    v1::RunConfig again = config;
    ResolveDefaults(again);
    ASSERT_TRUE(MessageDifferencer::Equals(again, config));
    const auto read =
        LoadConfig({files.Write("x.yaml", ConfigToYaml(config))}, {});
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_TRUE(MessageDifferencer::Equals(*read, config));
  }
}

TEST(ConfigPropertyTest, AnyConfigurationIsValidatedWithoutDying) {
  Random random(3);
  for (int i = 0; i < 500; ++i) {
    v1::RunConfig config;
    FillMessage(random, config);
    if (i % 2 == 0) ResolveDefaults(config);
    for (const ConfigUse use :
         {ConfigUse::kTrain, ConfigUse::kSft, ConfigUse::kRollout,
          ConfigUse::kReward, ConfigUse::kEval, ConfigUse::kRm}) {
      const absl::Status status = ValidateConfig(config, use);
      ASSERT_TRUE(status.ok() || absl::IsInvalidArgument(status)) << status;
    }
  }
}

// A valid file with a few bytes changed, or bytes that mean something in YAML.
std::string AnyBytes(Random& random, const std::string& valid) {
  static constexpr char kAlphabet[] = "{}[]:,-?*&!|>%@`#'\"\\ \n\t~=.a1e<";
  std::string bytes = Below(random, 2) == 0 ? valid : "";
  for (int n = Below(random, 30); n > 0; --n) {
    const char c = Below(random, 4) == 0
                       ? static_cast<char>(random())
                       : kAlphabet[Below(random, sizeof(kAlphabet) - 1)];
    const size_t at = random() % (bytes.size() + 1);
    if (Below(random, 2) == 0 && at < bytes.size()) {
      bytes[at] = c;
    } else {
      bytes.insert(at, 1, c);
    }
  }
  return bytes;
}

void ExpectStatus(const absl::Status& status, const std::string& bytes) {
  ASSERT_TRUE(status.ok() || absl::IsInvalidArgument(status))
      << status << "\n"
      << testing::PrintToString(bytes);
}

TEST(ConfigPropertyTest, AnyBytesGiveAStatus) {
  ConfigFiles files;
  Random random(4);
  v1::RunConfig config;
  config.mutable_run()->set_name("x");
  config.mutable_reward()->add_endpoints()->set_address("127.0.0.1:1");
  ResolveDefaults(config);
  const std::string valid = ConfigToYaml(config);
  for (int i = 0; i < 3000; ++i) {
    const std::string bytes = AnyBytes(random, valid);
    ExpectStatus(
        LoadConfig({}, {absl::StrCat("run.name=", bytes), bytes}).status(),
        bytes);
    ExpectStatus(LoadConfig({files.Write("x.yaml", bytes)}, {}).status(),
                 bytes);
  }
}

TEST(ConfigPropertyTest, DeepNestingGivesAStatus) {
  for (const char* piece :
       {"[", "{a: ", "- ", "? ", "!", "&a [", "!!x [", "a: {", "\"", "<<: {"}) {
    std::string bytes;
    for (int i = 0; i < 20000; ++i) bytes += piece;
    ExpectStatus(LoadConfig({}, {"run.name=" + bytes}).status(), piece);
  }
}

TEST(ConfigPropertyTest, AliasesThatMultiplyGiveAStatus) {
  std::string bytes = "{run: &a [x, x, x, x, x, x, x, x]";
  for (char c = 'b'; c < 'z'; ++c) {
    absl::StrAppend(&bytes, ", ", std::string(1, c), ": &", std::string(1, c));
    absl::StrAppend(&bytes, " [");
    for (int i = 0; i < 8; ++i) {
      absl::StrAppend(&bytes, "*", std::string(1, c - 1), ",");
    }
    absl::StrAppend(&bytes, "]");
  }
  absl::StrAppend(&bytes, ", reward: {endpoints: *y}}");
  ConfigFiles files;
  EXPECT_EQ(LoadConfig({files.Write("x.yaml", bytes)}, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace operant
