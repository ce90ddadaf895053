#include "reward/json_schema_scorer.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "common/base/file_io.h"
#include "common/base/status_macros.h"
#include "common/text/json_reader.h"
#include "reward/schema_keywords.h"

// Its errors are exceptions, which stay in this file.
#define VALIJSON_USE_EXCEPTIONS 1
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

namespace operant::reward {
namespace {

using Json = nlohmann::json;
using Adapter = valijson::adapters::NlohmannJsonAdapter;

constexpr uint64_t kMaxSchemaBytes = 1 << 20;

absl::Status NotASchema(const std::string& path, const std::string& where,
                        const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("schema is not one: reward.schema='", path, "' at ", where,
                   ": ", why, "; expected JSON Schema, draft 7"));
}

// What stands in a fenced block, if the response is one; else the response.
absl::string_view JsonPart(absl::string_view response) {
  absl::string_view text = absl::StripAsciiWhitespace(response);
  if (!absl::StartsWith(text, "```") || !absl::EndsWith(text, "```") ||
      text.size() < 6) {
    return text;
  }
  text.remove_prefix(3);
  text.remove_suffix(3);
  absl::ConsumePrefix(&text, "json");
  return absl::StripAsciiWhitespace(text);
}

}  // namespace

// Immutable once parsed; each validation has its own Validator.
class JsonSchemaScorer::Compiled {
 public:
  static absl::StatusOr<std::unique_ptr<const Compiled>> Parse(
      const std::string& path) {
    const absl::StatusOr<std::string> text = ReadFile(path, kMaxSchemaBytes);
    if (!text.ok()) {
      return absl::Status(
          text.status().code(),
          absl::StrCat("reward.schema: ", text.status().message()));
    }
    const absl::StatusOr<Json> json = ParseJson(*text);
    if (!json.ok()) {
      return NotASchema(path, "#", std::string(json.status().message()));
    }
    if (const auto fault = FindSchemaFault(*json))
      return NotASchema(path, fault->where, fault->what);
    auto compiled = std::make_unique<Compiled>();
    try {
      valijson::SchemaParser().populateSchema(Adapter(*json),
                                              compiled->schema_);
    } catch (const std::exception& error) {
      return NotASchema(path, "#", error.what());
    }
    return std::unique_ptr<const Compiled>(std::move(compiled));
  }

  // "": `value` is valid; else what the schema asks for, and where.
  std::string Fault(const Json& value) const {
    valijson::ValidationResults results;
    valijson::Validator validator;
    try {
      if (validator.validate(schema_, Adapter(value), &results)) return "";
    } catch (const std::exception& error) {
      return error.what();
    }
    valijson::ValidationResults::Error error;
    if (!results.popError(error)) return "not valid";
    return absl::StrCat(absl::StrJoin(error.context, ""), ": ",
                        error.description);
  }

 private:
  valijson::Schema schema_;
};

absl::StatusOr<std::unique_ptr<Scorer>> JsonSchemaScorer::Create(
    const std::string& path) {
  ASSIGN_OR_RETURN(auto schema, Compiled::Parse(path));
  return std::unique_ptr<Scorer>(new JsonSchemaScorer(std::move(schema)));
}

JsonSchemaScorer::JsonSchemaScorer(std::unique_ptr<const Compiled> schema)
    : schema_(std::move(schema)) {}

JsonSchemaScorer::~JsonSchemaScorer() = default;

v1::GetInfoResponse JsonSchemaScorer::Describe() const {
  return TextRuleInfo("json-schema", {"json", "valid"});
}

absl::Status JsonSchemaScorer::ScoreItem(const v1::ScoreItem& item,
                                         v1::ScoreResult& result) const {
  const absl::StatusOr<Json> value =
      ParseJson(std::string(JsonPart(item.response())));
  const std::string fault = value.ok() ? schema_->Fault(*value)
                                       : std::string(value.status().message());
  (*result.mutable_components())["json"] = value.ok();
  (*result.mutable_components())["valid"] = fault.empty();
  if (!fault.empty()) (*result.mutable_notes())["schema"] = fault;
  result.set_score(fault.empty() ? 1 : 0);
  return absl::OkStatus();
}

}  // namespace operant::reward
