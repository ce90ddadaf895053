// Changes one value of a JSON text and leaves every other byte as it is.
#ifndef OPERANT_COMMON_NN_JSON_EDIT_H_
#define OPERANT_COMMON_NN_JSON_EDIT_H_

#include <string>
#include <string_view>

namespace operant {

// Replaces the value of `key` in the outermost object of `json` by the JSON
// text `value`. `json` must be a valid JSON object; it comes back unchanged if
// it has no such key. Keys written with escapes are not matched.
std::string ReplaceTopLevelValue(std::string_view json, std::string_view key,
                                 std::string_view value);

}  // namespace operant

#endif  // OPERANT_COMMON_NN_JSON_EDIT_H_
