#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/config.h"
#include "common/base/config_document.h"
#include "common/base/config_faults.h"
#include "common/base/config_field.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "yaml-cpp/yaml.h"

namespace operant {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using internal::FieldRef;
using internal::ShownValue;
using internal::ValueFault;

constexpr uint64_t kMaxFileBytes = 1 << 20;
// The field that a plain text stands for in a list of messages.
constexpr char kShorthandField[] = "address";

// What to write where a user meant a zero that stands for the default.
const std::map<std::string, std::string>& ZeroSwitches() {
  static const auto& switches = *new std::map<std::string, std::string>{
      {"rollout.workers", "set rollout.zero_workers: true to start none"},
      {"ppo.kl_coefficient", "set ppo.no_kl: true for no KL penalty"},
  };
  return switches;
}

std::string ChildPath(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

// "section.key" of another section that has a key of this name, or "".
std::string SameKeyElsewhere(const std::string& name) {
  const Descriptor* root = v1::RunConfig::descriptor();
  for (int i = 0; i < root->field_count(); ++i) {
    const Descriptor* section = root->field(i)->message_type();
    if (section != nullptr && section->FindFieldByName(name) != nullptr) {
      return ChildPath(root->field(i)->name(), name);
    }
  }
  return "";
}

std::string UnknownKeyHint(const std::string& name, const Descriptor& message) {
  std::string meant = NearestWord(name, internal::FieldNames(message));
  if (meant.empty()) meant = SameKeyElsewhere(name);
  if (!meant.empty()) return absl::StrCat("did you mean \"", meant, "\"?");
  return absl::StrCat("known keys: ",
                      absl::StrJoin(internal::FieldNames(message), ", "));
}

// Quoted, or tagged !!str: text even if it looks like a number.
bool IsQuoted(const YAML::Node& node) {
  return node.Tag() == "!" || absl::EndsWith(node.Tag(), ":str");
}

// Merges YAML into a configuration and remembers what was wrong with it.
class Reader {
 public:
  Reader(v1::RunConfig& config, internal::ConfigFaults& faults)
      : config_(config), faults_(faults) {}

  void ReadFile(const std::string& path, const std::string& text);
  void ReadOverride(const std::string& text);
  // A zero that a user wrote must not silently become the default.
  void RefuseZerosThatMeanDefaults();

 private:
  // Parses one document; null after a fault.
  YAML::Node Parse(const std::string& text);
  void ReadMap(const YAML::Node& node, const std::string& path,
               Message& message);
  void ReadEntry(const YAML::Node& key, const YAML::Node& value,
                 const std::string& path, Message& message);
  void ReadField(const YAML::Node& node, const std::string& path,
                 const FieldRef& ref);
  void ReadList(const YAML::Node& node, const std::string& path,
                const FieldRef& ref);
  void ReadListElement(const YAML::Node& node, const std::string& path,
                       const FieldRef& ref);
  // False after a fault.
  bool ReadScalar(const YAML::Node& node, const std::string& path,
                  const FieldRef& ref);
  void NoteZero(const YAML::Node& node, const std::string& path,
                const FieldRef& ref);
  void ForgetZeros(const std::string& path);

  std::string Where(const YAML::Mark& mark) const;
  void Fault(const YAML::Node& node, const std::string& what);
  void Fault(const YAML::Node& node, ValueFault fault);

  v1::RunConfig& config_;
  internal::ConfigFaults& faults_;
  std::string source_;             // the file's path or the override
  bool source_has_lines_ = false;  // it is a file
  // Path -> where it was set to zero or the empty text.
  std::map<std::string, std::string> zeros_;
};

std::string Reader::Where(const YAML::Mark& mark) const {
  if (!source_has_lines_ || mark.is_null()) return source_;
  return absl::StrCat(source_, ":", mark.line + 1, ":", mark.column + 1);
}

void Reader::Fault(const YAML::Node& node, const std::string& what) {
  faults_.Add(absl::StrCat(Where(node.Mark()), ": ", what));
}

void Reader::Fault(const YAML::Node& node, ValueFault fault) {
  fault.key = absl::StrCat(Where(node.Mark()), ": ", fault.key);
  faults_.Add(fault);
}

YAML::Node Reader::Parse(const std::string& text) {
  const internal::ConfigDocument document = internal::ParseConfigDocument(text);
  if (!document.fault.empty()) {
    faults_.Add(absl::StrCat(Where(document.mark), ": ", document.fault));
  }
  return document.root;
}

void Reader::ReadFile(const std::string& path, const std::string& text) {
  source_ = path;
  source_has_lines_ = true;
  ReadMap(Parse(text), "", config_);
}

void Reader::ReadOverride(const std::string& text) {
  source_ = absl::StrCat("override \"", ShownValue(text), "\"");
  source_has_lines_ = false;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    faults_.Add(absl::StrCat(source_, ": expected section.key=value"));
    return;
  }
  const YAML::Node value = Parse(text.substr(equals + 1));
  // The same as a file that holds only this: {section: {key: value}}.
  const std::vector<std::string> names =
      absl::StrSplit(text.substr(0, equals), '.');
  YAML::Node tree = value;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    YAML::Node parent(YAML::NodeType::Map);
    parent.force_insert(*name, tree);
    tree.reset(parent);
  }
  ReadMap(tree, "", config_);
}

void Reader::ReadMap(const YAML::Node& node, const std::string& path,
                     Message& message) {
  if (node.IsNull()) return;
  if (!node.IsMap()) {
    Fault(node,
          absl::StrCat(
              path.empty() ? "the file" : path, ": expected a mapping of ",
              absl::StrJoin(internal::FieldNames(*message.GetDescriptor()),
                            ", ")));
    return;
  }
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) {
      Fault(entry.first, absl::StrCat(path, ": expected a plain word as key"));
    } else if (!seen.insert(entry.first.Scalar()).second) {
      Fault(entry.first,
            absl::StrCat(ChildPath(path, ShownValue(entry.first.Scalar())),
                         ": given twice; keep one"));
    } else {
      ReadEntry(entry.first, entry.second, path, message);
    }
  }
}

void Reader::ReadEntry(const YAML::Node& key, const YAML::Node& value,
                       const std::string& path, Message& message) {
  const std::string& name = key.Scalar();
  const Descriptor& descriptor = *message.GetDescriptor();
  const FieldDescriptor* field = descriptor.FindFieldByName(name);
  if (field == nullptr) {
    Fault(key,
          absl::StrCat(ChildPath(path, ShownValue(name)), ": unknown key; ",
                       UnknownKeyHint(name, descriptor)));
    return;
  }
  ReadField(value, ChildPath(path, name), {&message, field});
}

void Reader::ReadField(const YAML::Node& node, const std::string& path,
                       const FieldRef& ref) {
  const bool is_section =
      ref.field->message_type() != nullptr && !ref.field->is_repeated();
  if (is_section) {
    if (node.IsNull()) return;
    ReadMap(
        node, path,
        *ref.message->GetReflection()->MutableMessage(ref.message, ref.field));
    return;
  }
  if (node.IsNull()) {  // back to the default
    ref.message->GetReflection()->ClearField(ref.message, ref.field);
    ForgetZeros(path);
  } else if (ref.field->is_repeated()) {
    ReadList(node, path, ref);
  } else if (ReadScalar(node, path, ref)) {
    NoteZero(node, path, ref);
  }
}

void Reader::ReadList(const YAML::Node& node, const std::string& path,
                      const FieldRef& ref) {
  if (!node.IsSequence()) {
    Fault(node, absl::StrCat(path, ": expected a list; write [a, b]"));
    return;
  }
  ref.message->GetReflection()->ClearField(ref.message, ref.field);
  ForgetZeros(path);
  int index = 0;
  for (const YAML::Node& element : node) {
    ReadListElement(element, absl::StrCat(path, "[", index++, "]"), ref);
  }
}

void Reader::ReadListElement(const YAML::Node& node, const std::string& path,
                             const FieldRef& ref) {
  if (ref.field->message_type() == nullptr) {
    ReadScalar(node, path, ref);
    return;
  }
  Message& element =
      *ref.message->GetReflection()->AddMessage(ref.message, ref.field);
  const FieldDescriptor* shorthand =
      element.GetDescriptor()->FindFieldByName(kShorthandField);
  if (node.IsScalar() && shorthand != nullptr) {
    ReadScalar(node, ChildPath(path, kShorthandField), {&element, shorthand});
  } else {
    ReadMap(node, path, element);
  }
}

bool Reader::ReadScalar(const YAML::Node& node, const std::string& path,
                        const FieldRef& ref) {
  const bool is_text = ref.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  if (!node.IsScalar()) {
    Fault(node, absl::StrCat(path,
                             ": expected one value, not a list or a "
                             "mapping"));
    return false;
  }
  const absl::Status status = internal::SetScalar(ref, node.Scalar());
  if (!status.ok()) {
    Fault(node, {path, node.Scalar(), std::string(status.message()), ""});
    return false;
  }
  if (!is_text && IsQuoted(node)) {
    Fault(node, {path, absl::StrCat("\"", node.Scalar(), "\""), "a bare value",
                 "remove the quotes"});
    return false;
  }
  return true;
}

void Reader::NoteZero(const YAML::Node& node, const std::string& path,
                      const FieldRef& ref) {
  if (!internal::IsUnset(ref)) {
    zeros_.erase(path);
  } else if (ref.field->cpp_type() != FieldDescriptor::CPPTYPE_BOOL) {
    zeros_[path] = Where(node.Mark());
  }
}

void Reader::ForgetZeros(const std::string& path) {
  zeros_.erase(path);
  std::erase_if(zeros_, [prefix = path + "["](const auto& zero) {
    return absl::StartsWith(zero.first, prefix);
  });
}

void Reader::RefuseZerosThatMeanDefaults() {
  v1::RunConfig resolved = config_;
  ResolveDefaults(resolved);
  for (const auto& [path, where] : zeros_) {
    const FieldRef ref = internal::FindField(resolved, path);
    if (ref.field == nullptr || internal::IsUnset(ref)) continue;
    const auto found = ZeroSwitches().find(path);
    const std::string next = found == ZeroSwitches().end()
                                 ? "leave the key out for the default"
                                 : found->second;
    const std::string default_text =
        internal::ScalarText(*ref.message, *ref.field);
    const bool is_text =
        ref.field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    faults_.Add(
        {absl::StrCat(where, ": ", path), is_text ? "" : "0",
         absl::StrCat(is_text ? "a text" : "another number",
                      " since this stands for the default ", default_text),
         next});
  }
}

}  // namespace

absl::StatusOr<v1::RunConfig> LoadConfig(
    const std::vector<std::string>& files,
    const std::vector<std::string>& overrides) {
  v1::RunConfig config;
  internal::ConfigFaults faults;
  Reader reader(config, faults);
  for (const std::string& file : files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file, kMaxFileBytes));
    reader.ReadFile(file, text);
  }
  for (const std::string& text : overrides) reader.ReadOverride(text);
  reader.RefuseZerosThatMeanDefaults();
  RETURN_IF_ERROR(faults.ToStatus());
  return config;
}

}  // namespace operant
