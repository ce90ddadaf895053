#include "tests/proto/compatibility.h"

#include <map>

#include "absl/strings/str_cat.h"

namespace operant {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::FileDescriptorSet;
using google::protobuf::MethodDescriptorProto;
using google::protobuf::ServiceDescriptorProto;

// Everything of a set of files by its full name.
struct Contract {
  std::map<std::string, const DescriptorProto*> messages;
  std::map<std::string, const EnumDescriptorProto*> enums;
  std::map<std::string, const ServiceDescriptorProto*> services;
};

std::string Child(const std::string& scope, const std::string& name) {
  return scope.empty() ? name : absl::StrCat(scope, ".", name);
}

void AddMessage(const std::string& scope, const DescriptorProto& message,
                Contract& contract) {
  const std::string name = Child(scope, message.name());
  contract.messages[name] = &message;
  for (const DescriptorProto& nested : message.nested_type()) {
    AddMessage(name, nested, contract);
  }
  for (const EnumDescriptorProto& nested : message.enum_type()) {
    contract.enums[Child(name, nested.name())] = &nested;
  }
}

Contract ContractOf(const FileDescriptorSet& files) {
  Contract contract;
  for (const FileDescriptorProto& file : files.file()) {
    for (const DescriptorProto& message : file.message_type()) {
      AddMessage(file.package(), message, contract);
    }
    for (const EnumDescriptorProto& type : file.enum_type()) {
      contract.enums[Child(file.package(), type.name())] = &type;
    }
    for (const ServiceDescriptorProto& service : file.service()) {
      contract.services[Child(file.package(), service.name())] = &service;
    }
  }
  return contract;
}

template <typename T>
const T* Find(const std::map<std::string, const T*>& all,
              const std::string& name) {
  const auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

// The name of the oneof that holds `field`, or "".
std::string OneofOf(const DescriptorProto& message,
                    const FieldDescriptorProto& field) {
  return field.has_oneof_index()
             ? message.oneof_decl(field.oneof_index()).name()
             : "";
}

class Comparison {
 public:
  void CompareMessages(const Contract& before, const Contract& after) {
    for (const auto& [name, old] : before.messages) {
      const DescriptorProto* now = Find(after.messages, name);
      if (now == nullptr) {
        Add(name, "message removed");
      } else {
        CompareFields(name, *old, *now);
      }
    }
  }

  void CompareEnums(const Contract& before, const Contract& after) {
    for (const auto& [name, old] : before.enums) {
      const EnumDescriptorProto* now = Find(after.enums, name);
      if (now == nullptr) {
        Add(name, "enum removed");
      } else {
        CompareValues(name, *old, *now);
      }
    }
  }

  void CompareServices(const Contract& before, const Contract& after) {
    for (const auto& [name, old] : before.services) {
      const ServiceDescriptorProto* now = Find(after.services, name);
      if (now == nullptr) {
        Add(name, "service removed");
      } else {
        CompareMethods(name, *old, *now);
      }
    }
  }

  std::vector<std::string> changes() const { return changes_; }

 private:
  void Add(const std::string& name, const std::string& what) {
    changes_.push_back(absl::StrCat(name, ": ", what));
  }

  template <typename T>
  void ExpectSame(const std::string& name, const char* what, const T& old,
                  const T& now) {
    if (old == now) return;
    Add(name,
        absl::StrCat(what, " changed from \"", old, "\" to \"", now, "\""));
  }

  // Fields are matched by number: that is what travels.
  void CompareFields(const std::string& message, const DescriptorProto& old,
                     const DescriptorProto& now) {
    std::map<int, const FieldDescriptorProto*> by_number;
    for (const FieldDescriptorProto& field : now.field()) {
      by_number[field.number()] = &field;
    }
    for (const FieldDescriptorProto& field : old.field()) {
      const std::string name = Child(message, field.name());
      const auto found = by_number.find(field.number());
      if (found == by_number.end()) {
        Add(name,
            absl::StrCat("field ", field.number(), " removed or renumbered"));
        continue;
      }
      CompareField(name, field, *found->second);
      ExpectSame(name, "oneof", OneofOf(old, field),
                 OneofOf(now, *found->second));
    }
  }

  void CompareField(const std::string& name, const FieldDescriptorProto& old,
                    const FieldDescriptorProto& now) {
    ExpectSame(name, "name", old.name(), now.name());
    ExpectSame(name, "type", FieldDescriptorProto::Type_Name(old.type()),
               FieldDescriptorProto::Type_Name(now.type()));
    ExpectSame(name, "type", old.type_name(), now.type_name());
    ExpectSame(name, "label", FieldDescriptorProto::Label_Name(old.label()),
               FieldDescriptorProto::Label_Name(now.label()));
  }

  void CompareValues(const std::string& type, const EnumDescriptorProto& old,
                     const EnumDescriptorProto& now) {
    std::map<std::string, int> numbers;
    for (const auto& value : now.value())
      numbers[value.name()] = value.number();
    for (const auto& value : old.value()) {
      const std::string name = Child(type, value.name());
      const auto found = numbers.find(value.name());
      if (found == numbers.end()) {
        Add(name, "enum value removed or renamed");
      } else {
        ExpectSame(name, "number", value.number(), found->second);
      }
    }
  }

  void CompareMethods(const std::string& service,
                      const ServiceDescriptorProto& old,
                      const ServiceDescriptorProto& now) {
    std::map<std::string, const MethodDescriptorProto*> methods;
    for (const auto& method : now.method()) methods[method.name()] = &method;
    for (const auto& method : old.method()) {
      const std::string name = Child(service, method.name());
      const MethodDescriptorProto* found = Find(methods, method.name());
      if (found == nullptr) {
        Add(name, "method removed or renamed");
      } else {
        CompareMethod(name, method, *found);
      }
    }
  }

  void CompareMethod(const std::string& name, const MethodDescriptorProto& old,
                     const MethodDescriptorProto& now) {
    ExpectSame(name, "request", old.input_type(), now.input_type());
    ExpectSame(name, "response", old.output_type(), now.output_type());
    ExpectSame(name, "request streaming", old.client_streaming(),
               now.client_streaming());
    ExpectSame(name, "response streaming", old.server_streaming(),
               now.server_streaming());
  }

  std::vector<std::string> changes_;
};

}  // namespace

std::vector<std::string> IncompatibleChanges(const FileDescriptorSet& before,
                                             const FileDescriptorSet& after) {
  const Contract old = ContractOf(before);
  const Contract now = ContractOf(after);
  Comparison comparison;
  comparison.CompareMessages(old, now);
  comparison.CompareEnums(old, now);
  comparison.CompareServices(old, now);
  return comparison.changes();
}

}  // namespace operant
