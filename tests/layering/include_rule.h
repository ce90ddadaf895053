// Who may include what (docs/architecture.md):
// proto <- common/base <- {common/text, common/reward_client, common/run}
// <- common/nn <- {rollout, reward, learner} <- cli <- tests, bench.
#ifndef OPERANT_TESTS_LAYERING_INCLUDE_RULE_H_
#define OPERANT_TESTS_LAYERING_INCLUDE_RULE_H_

#include <string>
#include <string_view>
#include <vector>

namespace operant {

// What the #include lines of `source` break, where `path` is its place below
// the repository's root: "path:line: reason". The rules: a folder includes
// itself and the layers below it; LibTorch is never included by common/base,
// common/text, common/reward_client and common/run; a header includes none of
// it but ATen/core/Tensor.h.
std::vector<std::string> IncludeFaults(const std::string& path,
                                       std::string_view source);

}  // namespace operant

#endif  // OPERANT_TESTS_LAYERING_INCLUDE_RULE_H_
