#include "cli/config_reference.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/config_descriptor.h"
#include "common/base/config.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"

namespace operant::cli {
namespace {

namespace pb = google::protobuf;

// config.proto with its comments, which generated code leaves out.
const pb::Descriptor* RunConfigWithComments() {
  static const auto* pool = [] {
    pb::FileDescriptorSet set;
    set.ParseFromArray(kConfigDescriptor, kConfigDescriptorBytes);
    auto* built = new pb::DescriptorPool;
    for (const pb::FileDescriptorProto& file : set.file()) {
      built->BuildFile(file);
    }
    return built;
  }();
  return pool->FindMessageTypeByName("operant.v1.RunConfig");
}

// The comment before a field and the one at its end, as one paragraph.
std::string CommentOf(const pb::FieldDescriptor& field) {
  pb::SourceLocation location;
  if (!field.GetSourceLocation(&location)) return "";
  std::vector<std::string> lines = absl::StrSplit(
      absl::StrCat(location.leading_comments, location.trailing_comments), '\n',
      absl::SkipWhitespace());
  for (std::string& line : lines) absl::StripAsciiWhitespace(&line);
  return absl::StrJoin(lines, " ");
}

std::string TypeOf(const pb::FieldDescriptor& field) {
  const std::string type = field.message_type() != nullptr
                               ? field.message_type()->name()
                               : field.cpp_type_name();
  return field.is_repeated() ? absl::StrCat("list of ", type) : type;
}

std::string FirstSentence(const std::string& comment) {
  return comment.substr(0, comment.find(". "));
}

std::string ExplainMessage(const std::string& key,
                           const pb::Descriptor& message) {
  std::string text;
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    const std::string name =
        key.empty() ? field.name() : absl::StrCat(key, ".", field.name());
    const std::string comment = FirstSentence(CommentOf(field));
    absl::StrAppend(&text, name, comment.empty() ? "" : "  ", comment, "\n");
  }
  return text;
}

std::string ExplainField(const std::string& key,
                         const pb::FieldDescriptor& field) {
  std::string text = absl::StrCat(key, " (", TypeOf(field), ")\n");
  const std::string comment = CommentOf(field);
  if (!comment.empty()) absl::StrAppend(&text, comment, "\n");
  if (field.message_type() != nullptr) {
    absl::StrAppend(&text, ExplainMessage(key, *field.message_type()));
  }
  return text;
}

absl::Status UnknownKey(const std::string& key, const std::string& part,
                        const pb::Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) {
    names.push_back(message.field(i)->name());
  }
  const std::string nearest = NearestWord(part, names);
  return absl::NotFoundError(absl::StrCat(
      "unknown key: ", key, ", expected one of ", message.name(),
      "'s: ", absl::StrJoin(names, ", "),
      nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

}  // namespace

absl::StatusOr<std::string> ExplainConfigKey(const std::string& key) {
  const pb::Descriptor* message = RunConfigWithComments();
  if (key.empty()) return ExplainMessage("", *message);
  const pb::FieldDescriptor* field = nullptr;
  for (const std::string& part :
       std::vector<std::string>(absl::StrSplit(key, '.'))) {
    // A part below a plain value names nothing.
    if (message == nullptr) {
      return absl::NotFoundError(absl::StrCat(
          "unknown key: ", key, ", expected nothing below ", field->name()));
    }
    field = message->FindFieldByName(part);
    if (field == nullptr) return UnknownKey(key, part, *message);
    message = field->message_type();
  }
  return ExplainField(key, *field);
}

}  // namespace operant::cli
