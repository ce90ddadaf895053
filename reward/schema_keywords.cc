#include "reward/schema_keywords.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace operant::reward {
namespace {

using Json = nlohmann::json;
using Fault = std::optional<SchemaFault>;

bool IsText(const Json& value) { return value.is_string(); }
bool IsNumber(const Json& value) { return value.is_number(); }
bool IsFlag(const Json& value) { return value.is_boolean(); }
bool IsList(const Json& value) { return value.is_array(); }
bool IsFullList(const Json& value) {
  return value.is_array() && !value.empty();
}
bool IsObject(const Json& value) { return value.is_object(); }

bool IsPositive(const Json& value) {
  return value.is_number() && value.get<double>() > 0;
}

// 3.0 is as good as 3.
bool IsCount(const Json& value) {
  if (!value.is_number()) return false;
  const double number = value.get<double>();
  return number >= 0 && number == std::floor(number);
}

bool AreTexts(const Json& value) {
  return value.is_array() && std::ranges::all_of(value, IsText);
}

bool NamesAType(const Json& value) {
  constexpr std::string_view kTypes[] = {"array",  "boolean", "integer", "null",
                                         "number", "object",  "string"};
  return value.is_string() &&
         std::ranges::count(kTypes, value.get_ref<const std::string&>()) > 0;
}

bool NamesTypes(const Json& value) {
  return NamesAType(value) ||
         (IsFullList(value) && std::ranges::all_of(value, NamesAType));
}

struct Keyword {
  const char* name;
  bool (*fits)(const Json&);
  const char* expected;
};

constexpr char kCount[] = "a whole number of at least 0";
constexpr char kTypes[] =
    "array, boolean, integer, null, number, object or string, or a list of "
    "these";

// JSON Schema Validation, draft 7 (draft-handrews-json-schema-validation-01),
// section 6, and the core's section 8.
constexpr Keyword kKeywords[] = {
    {"$comment", IsText, "text"},
    {"$id", IsText, "text"},
    {"$ref", IsText, "text"},
    {"$schema", IsText, "text"},
    {"allOf", IsFullList, "a list of schemas"},
    {"anyOf", IsFullList, "a list of schemas"},
    {"contentEncoding", IsText, "text"},
    {"contentMediaType", IsText, "text"},
    {"definitions", IsObject, "an object of schemas"},
    {"dependencies", IsObject, "an object"},
    {"description", IsText, "text"},
    {"enum", IsList, "a list"},
    {"examples", IsList, "a list"},
    {"exclusiveMaximum", IsNumber, "a number"},
    {"exclusiveMinimum", IsNumber, "a number"},
    {"maxItems", IsCount, kCount},
    {"maxLength", IsCount, kCount},
    {"maxProperties", IsCount, kCount},
    {"maximum", IsNumber, "a number"},
    {"minItems", IsCount, kCount},
    {"minLength", IsCount, kCount},
    {"minProperties", IsCount, kCount},
    {"minimum", IsNumber, "a number"},
    {"multipleOf", IsPositive, "a number above 0"},
    {"oneOf", IsFullList, "a list of schemas"},
    {"properties", IsObject, "an object of schemas"},
    {"readOnly", IsFlag, "true or false"},
    {"required", AreTexts, "a list of names"},
    {"title", IsText, "text"},
    {"type", NamesTypes, kTypes},
    {"uniqueItems", IsFlag, "true or false"},
};

bool IsOneOf(std::string_view key, std::initializer_list<const char*> keys) {
  return std::ranges::count(keys, key) > 0;
}

Fault CheckValue(const std::string& place, const std::string& key,
                 const Json& value) {
  for (const Keyword& keyword : kKeywords) {
    if (key == keyword.name && !keyword.fits(value)) {
      return SchemaFault{place, absl::StrCat("expected ", keyword.expected,
                                             ", got ", value.dump())};
    }
  }
  return {};
}

Fault Check(const std::string& where, const Json& schema);

// The schemas under a keyword that holds a name for each.
Fault CheckNamed(const std::string& place, const std::string& key,
                 const Json& value) {
  for (const auto& [name, part] : value.items()) {
    if (key == "dependencies" && AreTexts(part)) continue;
    if (Fault fault = Check(absl::StrCat(place, "/", name), part)) return fault;
  }
  return {};
}

Fault CheckListed(const std::string& place, const Json& value) {
  for (size_t i = 0; i < value.size(); ++i) {
    if (Fault fault = Check(absl::StrCat(place, "/", i), value[i]))
      return fault;
  }
  return {};
}

Fault CheckParts(const std::string& place, const std::string& key,
                 const Json& value) {
  if (IsOneOf(key, {"properties", "definitions", "$defs", "dependencies"}) &&
      value.is_object()) {
    return CheckNamed(place, key, value);
  }
  if (IsOneOf(key, {"allOf", "anyOf", "oneOf", "items"}) && value.is_array())
    return CheckListed(place, value);
  if (IsOneOf(key, {"additionalItems", "additionalProperties", "contains",
                    "else", "if", "items", "not", "propertyNames", "then"})) {
    return Check(place, value);
  }
  return {};
}

Fault Check(const std::string& where, const Json& schema) {
  if (schema.is_boolean()) return {};
  if (!schema.is_object())
    return SchemaFault{where, "neither an object nor a boolean"};
  for (const auto& [key, value] : schema.items()) {
    const std::string place = absl::StrCat(where, "/", key);
    if (IsOneOf(key, {"pattern", "patternProperties", "format"})) {
      return SchemaFault{place,
                         "this keyword is not supported, since its search has "
                         "no bound; check text with reward.scorer=regex"};
    }
    if (key == "$ref" && value == "#" && schema.size() == 1 && where == "#")
      return SchemaFault{place, "refers to itself"};
    if (Fault fault = CheckValue(place, key, value)) return fault;
    if (Fault fault = CheckParts(place, key, value)) return fault;
  }
  return {};
}

}  // namespace

std::optional<SchemaFault> FindSchemaFault(const Json& schema) {
  return Check("#", schema);
}

}  // namespace operant::reward
