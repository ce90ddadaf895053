// What a JSON Schema may say to be served: draft 7, less what has no bound.
#ifndef OPERANT_REWARD_SCHEMA_KEYWORDS_H_
#define OPERANT_REWARD_SCHEMA_KEYWORDS_H_

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace operant::reward {

struct SchemaFault {
  std::string where;  // a JSON pointer from "#"
  std::string what;
};

// The first fault of `schema` or of a schema in it: not an object or a boolean;
// a keyword whose value draft 7 does not allow (the validator would guess what
// is meant); `pattern`, `patternProperties` and `format`, since the validator
// would search with an engine that knows no limit (a response could hold it for
// ever or exhaust the stack); a reference to itself alone. None: it may be
// compiled, which follows the references. Keywords that draft 7 does not know
// are left alone, as it says.
std::optional<SchemaFault> FindSchemaFault(const nlohmann::json& schema);

}  // namespace operant::reward

#endif  // OPERANT_REWARD_SCHEMA_KEYWORDS_H_
