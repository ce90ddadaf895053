#include "common/base/config_field.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "utf8proc.h"

namespace operant::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

absl::Status Expected(const std::string& what) {
  return absl::InvalidArgumentError(what);
}

bool IsUtf8(const std::string& text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  utf8proc_ssize_t at = 0;
  while (at < size) {
    utf8proc_int32_t ignored;
    const auto step = utf8proc_iterate(bytes + at, size - at, &ignored);
    if (step <= 0) return false;
    at += step;
  }
  return true;
}

// The whole of `text` as a number: no spaces, quotes or suffixes.
template <typename T>
bool ParseNumber(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  const std::from_chars_result result =
      std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

template <typename T>
std::string NumberText(T value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

// `set` and `add` are Reflection's setters of an integer type.
template <typename T, typename Set, typename Add>
absl::Status PutInteger(const FieldRef& ref, const std::string& text, Set set,
                        Add add) {
  T value = 0;
  if (!ParseNumber(text, value)) {
    return Expected(absl::StrCat("an integer in [",
                                 std::numeric_limits<T>::min(), ", ",
                                 std::numeric_limits<T>::max(), "]"));
  }
  const Reflection& reflection = *ref.message->GetReflection();
  const auto put = ref.field->is_repeated() ? add : set;
  (reflection.*put)(ref.message, ref.field, value);
  return absl::OkStatus();
}

absl::Status PutDouble(const FieldRef& ref, const std::string& text) {
  double value = 0;
  if (!ParseNumber(text, value) || !std::isfinite(value)) {
    return Expected("a finite number");
  }
  ref.message->GetReflection()->SetDouble(ref.message, ref.field, value);
  return absl::OkStatus();
}

absl::Status PutBool(const FieldRef& ref, const std::string& text) {
  if (text != "true" && text != "false") return Expected("true or false");
  ref.message->GetReflection()->SetBool(ref.message, ref.field, text == "true");
  return absl::OkStatus();
}

absl::Status PutString(const FieldRef& ref, const std::string& text) {
  if (!IsUtf8(text)) return Expected("valid UTF-8");
  const Reflection& reflection = *ref.message->GetReflection();
  if (ref.field->is_repeated()) {
    reflection.AddString(ref.message, ref.field, text);
  } else {
    reflection.SetString(ref.message, ref.field, text);
  }
  return absl::OkStatus();
}

struct PathPart {
  std::string name;
  int index = -1;  // of a list element; -1: none
};

// Splits "endpoints[0]".
PathPart ParsePathPart(absl::string_view text) {
  const size_t bracket = text.find('[');
  PathPart part{std::string(text.substr(0, bracket))};
  if (bracket == absl::string_view::npos) return part;
  const absl::string_view index =
      text.substr(bracket + 1, text.size() - bracket - 2);
  if (!absl::SimpleAtoi(index, &part.index)) part.index = -1;
  return part;
}

// The section, or list element, that `part` names; null if there is none.
Message* Descend(Message& message, const PathPart& part) {
  const FieldDescriptor* field =
      message.GetDescriptor()->FindFieldByName(part.name);
  if (field == nullptr || field->message_type() == nullptr) return nullptr;
  const Reflection& reflection = *message.GetReflection();
  if (!field->is_repeated()) return reflection.MutableMessage(&message, field);
  const int size = reflection.FieldSize(message, field);
  if (part.index < 0 || part.index >= size) return nullptr;
  return reflection.MutableRepeatedMessage(&message, field, part.index);
}

}  // namespace

FieldRef FindField(Message& root, std::string_view path) {
  const std::vector<std::string> parts = absl::StrSplit(std::string(path), '.');
  Message* message = &root;
  for (size_t i = 0; i + 1 < parts.size() && message != nullptr; ++i) {
    message = Descend(*message, ParsePathPart(parts[i]));
  }
  if (message == nullptr) return {};
  const FieldDescriptor* field =
      message->GetDescriptor()->FindFieldByName(parts.back());
  return field == nullptr ? FieldRef{} : FieldRef{message, field};
}

bool IsUnset(const FieldRef& ref) {
  const Reflection& reflection = *ref.message->GetReflection();
  return ref.field->is_repeated()
             ? reflection.FieldSize(*ref.message, ref.field) == 0
             : !reflection.HasField(*ref.message, ref.field);
}

absl::Status SetScalar(const FieldRef& ref, const std::string& text) {
  switch (ref.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return PutString(ref, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      return PutBool(ref, text);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return PutDouble(ref, text);
    case FieldDescriptor::CPPTYPE_INT32:
      return PutInteger<int32_t>(ref, text, &Reflection::SetInt32,
                                 &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_UINT32:
      return PutInteger<uint32_t>(ref, text, &Reflection::SetUInt32,
                                  &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return PutInteger<uint64_t>(ref, text, &Reflection::SetUInt64,
                                  &Reflection::AddUInt64);
    default:
      return absl::UnimplementedError(
          absl::StrCat("a type other than ", ref.field->cpp_type_name()));
  }
}

std::string ScalarText(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return NumberText(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return NumberText(reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return NumberText(reflection.GetUInt64(message, &field));
    default:
      return "";
  }
}

std::string ListElementText(const Message& message,
                            const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
    return NumberText(reflection.GetRepeatedInt32(message, &field, index));
  }
  return reflection.GetRepeatedString(message, &field, index);
}

double NumberOf(const FieldRef& ref) {
  const Message& message = *ref.message;
  const Reflection& reflection = *message.GetReflection();
  switch (ref.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, ref.field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection.GetUInt64(message, ref.field));
    default:
      return reflection.GetDouble(message, ref.field);
  }
}

std::vector<std::string> FieldNames(const Descriptor& message) {
  std::vector<std::string> names;
  for (int i = 0; i < message.field_count(); ++i) {
    names.push_back(message.field(i)->name());
  }
  return names;
}

}  // namespace operant::internal
