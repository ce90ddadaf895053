#include "common/base/method_roles.h"

#include <algorithm>

namespace operant {
namespace {

constexpr MethodRoles kMethodRoles[] = {
#include "operant/method_roles.inc"
};

}  // namespace

std::span<const MethodRoles> AllMethodRoles() { return kMethodRoles; }

bool MayCall(v1::Role role, std::string_view path) {
  const auto found =
      std::ranges::lower_bound(kMethodRoles, path, {}, &MethodRoles::path);
  return found != std::end(kMethodRoles) && found->path == path &&
         found->Allows(role);
}

}  // namespace operant
