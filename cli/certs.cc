#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/verbs.h"
#include "common/base/certificate.h"
#include "common/base/certificate_authority.h"
#include "common/base/file_io.h"
#include "common/base/identity.h"
#include "common/base/status_macros.h"
#include "common/base/token_file.h"

namespace operant::cli {
namespace {

constexpr const char* kFooter =
    "\nA small certificate authority: enough for development, and for a\n"
    "cluster without one of its own. docs/howto/tls.md says which file goes\n"
    "where. Keep ca.key off the machines that run the processes.\n"
    "\nExamples:\n"
    "  operant certs create certs --run math      a CA, and a leaf per role\n"
    "  operant certs issue certs rollout --run math --name host2\n"
    "  operant certs show certs/learner.pem\n"
    "  operant certs token certs/token            the run's second factor\n"
    "  operant train -c run.yaml run.name=math security.certs=certs\n";

constexpr const char* kRoles[] = {"learner", "rollout", "reward", "operator"};
constexpr char kCaCertificate[] = "ca.crt";
constexpr char kCaKey[] = "ca.key";
constexpr int kCaDays = 3650;
// Clocks of two machines differ.
constexpr absl::Duration kBackdate = absl::Minutes(5);

struct Flags {
  std::string folder;
  std::string role;
  std::string run = "run";
  std::string name = "1";
  std::string domain = "operant";
  int days = 90;
  bool shared = false;
  std::vector<std::string> files;
};

Validity ValidFor(int days) {
  const absl::Time now = absl::Now();
  return {.from = now - kBackdate, .to = now + absl::Hours(24) * days};
}

absl::StatusOr<Identity> IdentityFor(const Flags& flags,
                                     const std::string& role) {
  const Identity wanted{.trust_domain = flags.domain,
                        .run = flags.shared ? "" : flags.run,
                        .role = ParseRole(role),
                        .name = flags.name};
  return ParseIdentity(wanted.ToUri());  // refuses unsafe parts
}

// A leaf with the usages of its role: reward servers call nobody, operators
// serve nobody.
absl::Status WriteLeaf(const Flags& flags, const std::string& role,
                       const KeyedCertificate& authority) {
  ASSIGN_OR_RETURN(const Identity identity, IdentityFor(flags, role));
  ASSIGN_OR_RETURN(
      const KeyedCertificate leaf,
      IssueLeaf(authority, {.names = {absl::StrCat("URI:", identity.ToUri())},
                            .validity = ValidFor(flags.days),
                            .as_server = identity.role != v1::ROLE_OPERATOR,
                            .as_client = identity.role != v1::ROLE_REWARD}));
  const std::string path = JoinPath(flags.folder, role + ".pem");
  // One file, replaced at once: no reader sees a key beside another's
  // certificate.
  RETURN_IF_ERROR(WriteFileAtomically(path, leaf.key + leaf.certificate));
  std::printf("%s  %s\n", path.c_str(), identity.ToUri().c_str());
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> Create(const Flags& flags) {
  umask(S_IRWXG | S_IRWXO);
  const std::string certificate = JoinPath(flags.folder, kCaCertificate);
  if (FileExists(certificate)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "a CA is there: file=", certificate,
        ", expected a new folder; operant certs issue adds to this one"));
  }
  RETURN_IF_ERROR(MakeDirectories(flags.folder));
  ASSIGN_OR_RETURN(const KeyedCertificate authority,
                   CreateAuthority(absl::StrCat("Operant CA of ", flags.domain),
                                   ValidFor(kCaDays)));
  for (const char* role : kRoles) {
    RETURN_IF_ERROR(WriteLeaf(flags, role, authority));
  }
  RETURN_IF_ERROR(
      WriteFileAtomically(JoinPath(flags.folder, kCaKey), authority.key));
  RETURN_IF_ERROR(WriteFileAtomically(certificate, authority.certificate));
  std::printf("%s  the CA that all of them trust\n", certificate.c_str());
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Issue(const Flags& flags) {
  umask(S_IRWXG | S_IRWXO);
  KeyedCertificate authority;
  ASSIGN_OR_RETURN(authority.certificate,
                   ReadFile(JoinPath(flags.folder, kCaCertificate)));
  ASSIGN_OR_RETURN(authority.key, ReadFile(JoinPath(flags.folder, kCaKey)));
  RETURN_IF_ERROR(WriteLeaf(flags, flags.role, authority));
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Show(const Flags& flags) {
  for (const std::string& file : flags.files) {
    ASSIGN_OR_RETURN(const std::string pem, ReadFile(file));
    ASSIGN_OR_RETURN(const CertificateInfo leaf, ReadCertificate(pem));
    std::printf(
        "%s\n  identity  %s\n  issuer    %s\n  valid     %s to %s\n",
        file.c_str(),
        leaf.uris.empty() ? "none" : absl::StrJoin(leaf.uris, ", ").c_str(),
        leaf.issuer.c_str(), absl::FormatTime(leaf.not_before).c_str(),
        absl::FormatTime(leaf.not_after).c_str());
  }
  return ExitCode::kDone;
}

absl::StatusOr<ExitCode> Token(const Flags& flags) {
  umask(S_IRWXG | S_IRWXO);
  const std::string& path = flags.files[0];
  if (FileExists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "a token is there: file=", path,
        ", expected a new file; add a line to rotate (docs/howto/tls.md)"));
  }
  RETURN_IF_ERROR(WriteFileAtomically(path, RandomToken() + "\n"));
  std::printf("%s\n", path.c_str());
  return ExitCode::kDone;
}

void AddIdentityFlags(CLI::App& verb, Flags& flags) {
  verb.add_option("folder", flags.folder, "The CA's folder")->required();
  verb.add_option("--run", flags.run, "The run (run.name)")
      ->capture_default_str();
  verb.add_option("--name", flags.name, "Name within the role")
      ->capture_default_str();
  verb.add_option("--domain", flags.domain,
                  "Trust domain (security.trust_domain)")
      ->capture_default_str();
  verb.add_option("--days", flags.days, "How long a leaf is valid")
      ->check(CLI::Range(1, 825))
      ->capture_default_str();
}

}  // namespace

void AddCertsVerb(CLI::App& app, Action& action) {
  CLI::App* verb =
      app.add_subcommand("certs", "Make the certificates and tokens of a run");
  verb->require_subcommand(1);
  verb->footer(kFooter);
  auto flags = std::make_shared<Flags>();
  const auto add = [&](const char* name, const char* help, auto perform) {
    CLI::App* sub = verb->add_subcommand(name, help);
    sub->callback([flags, &action, perform] {
      action = [flags, perform] { return perform(*flags); };
    });
    return sub;
  };
  AddIdentityFlags(*add("create", "Make a CA and one leaf per role", Create),
                   *flags);
  CLI::App* issue = add("issue", "Issue, or renew, the leaf of a role", Issue);
  issue->footer("\nOne role's file, FOLDER/ROLE.pem, is replaced at once.");
  AddIdentityFlags(*issue, *flags);
  issue->add_option("role", flags->role, "learner, rollout, reward, operator")
      ->check(CLI::IsMember({"learner", "rollout", "reward", "operator"}))
      ->required();
  issue->add_flag("--shared", flags->shared,
                  "A reward server that serves the runs of all");
  add("show", "Say what certificates say", Show)
      ->add_option("files", flags->files, "PEM files")
      ->required();
  add("token", "Write a new random token", Token)
      ->add_option("file", flags->files, "The file to write")
      ->required()
      ->expected(1);
}

}  // namespace operant::cli
