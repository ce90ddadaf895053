#include "common/base/identity.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/file_io.h"

namespace operant {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxUriBytes = 2048;  // of the SPIFFE standard
constexpr std::string_view kRolePrefix = "ROLE_";

absl::Status NotAnIdentity(std::string_view uri) {
  return absl::InvalidArgumentError(absl::StrCat(
      "not an identity: uri=",
      absl::CHexEscape({uri.data(), std::min<size_t>(uri.size(), 128)}),
      ", expected spiffe://TRUST_DOMAIN/RUN/ROLE/NAME, or "
      "spiffe://TRUST_DOMAIN/reward/NAME; issue one with operant certs"));
}

// The parts of `uri` behind its scheme; empty if one is not a safe name.
std::vector<std::string> PartsOf(std::string_view uri) {
  if (!uri.starts_with(kScheme) || uri.size() > kMaxUriBytes) return {};
  uri.remove_prefix(kScheme.size());
  std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(uri.data(), uri.size()), '/');
  const bool safe = std::all_of(parts.begin(), parts.end(),
                                [](const auto& p) { return IsSafeName(p); });
  return safe ? std::move(parts) : std::vector<std::string>{};
}

}  // namespace

std::string Identity::ToUri() const {
  return absl::StrCat("spiffe://", trust_domain, "/", run,
                      run.empty() ? "" : "/", RoleName(role), "/", name);
}

absl::StatusOr<Identity> ParseIdentity(std::string_view uri) {
  std::vector<std::string> parts = PartsOf(uri);
  if (parts.size() == 3) parts.insert(parts.begin() + 1, "");
  if (parts.size() != 4) return NotAnIdentity(uri);
  Identity identity{.trust_domain = parts[0],
                    .run = parts[1],
                    .role = ParseRole(parts[2]),
                    .name = parts[3]};
  const bool shared = identity.run.empty();
  if (identity.role == v1::ROLE_UNSPECIFIED ||
      (shared && identity.role != v1::ROLE_REWARD)) {
    return NotAnIdentity(uri);
  }
  return identity;
}

std::string RoleName(v1::Role role) {
  const std::string name = v1::Role_Name(role);
  if (name.empty()) return "unspecified";
  return absl::AsciiStrToLower(name.substr(kRolePrefix.size()));
}

v1::Role ParseRole(std::string_view name) {
  for (int i = 0; i < v1::Role_descriptor()->value_count(); ++i) {
    const auto role =
        static_cast<v1::Role>(v1::Role_descriptor()->value(i)->number());
    if (RoleName(role) == name && role != v1::ROLE_UNSPECIFIED) return role;
  }
  return v1::ROLE_UNSPECIFIED;
}

}  // namespace operant
