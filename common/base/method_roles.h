// Which roles may call a method: the option `callers` of each method in
// proto/operant/v1, as a table made by the build.
#ifndef OPERANT_COMMON_BASE_METHOD_ROLES_H_
#define OPERANT_COMMON_BASE_METHOD_ROLES_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "operant/v1/access.pb.h"

namespace operant {

struct MethodRoles {
  std::string_view path;  // "/operant.v1.RolloutService/Drain"
  uint32_t roles;         // bit r: role r may call it

  bool Allows(v1::Role role) const { return (roles >> role) & 1; }
};

// Every method that anybody may call, sorted by path.
std::span<const MethodRoles> AllMethodRoles();

// False for a method that is not in the table.
bool MayCall(v1::Role role, std::string_view path);

}  // namespace operant

#endif  // OPERANT_COMMON_BASE_METHOD_ROLES_H_
