#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "common/base/config.h"
#include "common/base/config_field.h"
#include "yaml-cpp/emitter.h"
#include "yaml-cpp/emittermanip.h"

namespace operant {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Words that some YAML reader takes for something else than text.
bool IsReservedWord(const std::string& text) {
  static const auto& words =
      *new std::vector<std::string>{"true", "false", "yes",  "no",  "on", "off",
                                    "y",    "n",     "null", "nan", "inf"};
  const std::string lower = absl::AsciiStrToLower(text);
  return std::find(words.begin(), words.end(), lower) != words.end();
}

bool IsPlainText(const std::string& text) {
  if (text.empty() || !(absl::ascii_isalpha(text[0]) || text[0] == '/')) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) &&
        std::string_view("_-./").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return !IsReservedWord(text);
}

void WriteScalar(const FieldDescriptor& field, const std::string& text,
                 YAML::Emitter& out) {
  const bool is_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (is_text && !IsPlainText(text)) out << YAML::DoubleQuoted;
  out << text;
}

void WriteMessage(const Message& message, YAML::Emitter& out);

void WriteList(const Message& message, const FieldDescriptor& field,
               YAML::Emitter& out) {
  const Reflection& reflection = *message.GetReflection();
  const bool of_messages = field.message_type() != nullptr;
  if (!of_messages) out << YAML::Flow;
  out << YAML::BeginSeq;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (of_messages) {
      WriteMessage(reflection.GetRepeatedMessage(message, &field, i), out);
    } else {
      WriteScalar(field, internal::ListElementText(message, field, i), out);
    }
  }
  out << YAML::EndSeq;
}

void WriteField(const Message& message, const FieldDescriptor& field,
                YAML::Emitter& out) {
  const Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    WriteList(message, field, out);
  } else if (field.message_type() != nullptr) {
    WriteMessage(reflection.GetMessage(message, &field), out);
  } else {
    WriteScalar(field, internal::ScalarText(message, field), out);
  }
}

void WriteMessage(const Message& message, YAML::Emitter& out) {
  std::vector<const FieldDescriptor*> set_fields;
  message.GetReflection()->ListFields(message, &set_fields);
  if (set_fields.empty()) out << YAML::Flow;  // {}
  out << YAML::BeginMap;
  for (const FieldDescriptor* field : set_fields) {
    out << YAML::Key << field->name() << YAML::Value;
    WriteField(message, *field, out);
  }
  out << YAML::EndMap;
}

}  // namespace

std::string ConfigToYaml(const v1::RunConfig& config) {
  YAML::Emitter out;
  WriteMessage(config, out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace operant
