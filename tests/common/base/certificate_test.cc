#include "common/base/certificate.h"

#include <string>
#include <vector>

#include "common/base/identity.h"
#include "common/base/token_file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/certificate_folder.h"

namespace operant {
namespace {

using ::testing::HasSubstr;
using testing_support::CertificateFolder;
using testing_support::LeafOf;
using testing_support::ValidNow;

constexpr char kLearner[] = "URI:spiffe://operant/r1/learner/a";

TEST(IdentityTest, ReadsWhatItWrites) {
  for (const char* uri : {"spiffe://operant/r1/learner/a",
                          "spiffe://d.example/r-1/rollout/host_2",
                          "spiffe://operant/reward/shared"}) {
    const auto identity = ParseIdentity(uri);
    ASSERT_TRUE(identity.ok()) << identity.status();
    EXPECT_EQ(identity->ToUri(), uri);
  }
  EXPECT_EQ(ParseIdentity("spiffe://operant/reward/shared")->run, "");
}

TEST(IdentityTest, AnythingElseIsInvalidArgument) {
  const std::string long_part(200, 'a');
  for (const std::string& uri : std::vector<std::string>{
           "", "spiffe://", "https://operant/r1/learner/a",
           "spiffe://operant/r1/learner", "spiffe://operant/learner/a",
           "spiffe://operant//reward/a", "spiffe://operant/r1/king/a",
           "spiffe://operant/r1/unspecified/a", "spiffe://operant/r1/LEARNER/a",
           "spiffe://operant/r1/learner/a/b", "spiffe://operant/r1/learner/..",
           "spiffe://operant/r1/learner/a b", "spiffe:///r1/learner/a",
           "spiffe://operant/r1/learner/" + long_part}) {
    EXPECT_EQ(ParseIdentity(uri).status().code(),
              absl::StatusCode::kInvalidArgument)
        << uri;
  }
}

class TlsFilesTest : public testing::Test {
 protected:
  void Install(const LeafRequest& request) {
    const KeyedCertificate leaf = folder_.Issue(request);
    folder_.Write("leaf.crt", leaf.certificate);
    folder_.Write("leaf.key", leaf.key);
  }
  absl::Status Check(absl::Time now = absl::Now()) const {
    return CheckTlsFiles(files_, now).status();
  }

  CertificateFolder folder_;
  TlsFiles files_{.certificate = folder_.File("leaf.crt"),
                  .key = folder_.File("leaf.key"),
                  .ca = folder_.File("ca.crt")};
};

TEST_F(TlsFilesTest, AGoodLeafPasses) {
  Install(LeafOf({kLearner, "DNS:host"}));
  const auto leaf = CheckTlsFiles(files_, absl::Now());
  ASSERT_TRUE(leaf.ok()) << leaf.status();
  EXPECT_EQ(IdentityOf(*leaf)->ToUri(), "spiffe://operant/r1/learner/a");
}

TEST_F(TlsFilesTest, KeyAndCertificateMayBeOneFile) {
  folder_.Add("learner", "r1/learner/a");
  files_.certificate = files_.key = folder_.File("learner.pem");
  EXPECT_EQ(Check(), absl::OkStatus());
}

TEST_F(TlsFilesTest, DatesAreChecked) {
  Install(LeafOf({kLearner}));
  const absl::Status expired = Check(absl::Now() + absl::Hours(48));
  EXPECT_EQ(expired.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(expired.message()), HasSubstr("expired"));
  const absl::Status early = Check(absl::Now() - absl::Hours(48));
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(early.message()), HasSubstr("not yet valid"));
}

TEST_F(TlsFilesTest, AKeyReadableByOthersIsPermissionDenied) {
  Install(LeafOf({kLearner}));
  folder_.Write("leaf.key", "", 0644);
  EXPECT_EQ(Check().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(Check().message()), HasSubstr("chmod 0600"));
}

TEST_F(TlsFilesTest, AnotherKeyOrAnotherCaIsRefused) {
  Install(LeafOf({kLearner}));
  folder_.Write("leaf.key", folder_.Issue(LeafOf({kLearner})).key);
  EXPECT_EQ(Check().code(), absl::StatusCode::kInvalidArgument);
  Install(LeafOf({kLearner}));
  folder_.Write("ca.crt", CreateAuthority("other", ValidNow())->certificate);
  EXPECT_EQ(Check().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(TlsFilesTest, ALeafNeedsExactlyOneUri) {
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{"DNS:host"},
        {kLearner, "URI:spiffe://operant/r1/rollout/b"},
        {"DNS:spiffe://operant/r1/learner/a"}}) {
    Install(LeafOf(names));
    EXPECT_EQ(Check().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST_F(TlsFilesTest, WhatIsNoPemIsInvalidArgument) {
  Install(LeafOf({kLearner}));
  folder_.Write("leaf.key", "no key");
  EXPECT_EQ(Check().code(), absl::StatusCode::kInvalidArgument);
  folder_.Write("leaf.crt", "no certificate");
  EXPECT_EQ(Check().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TlsFilesTest, AMissingFileIsNotFound) {
  EXPECT_EQ(Check().code(), absl::StatusCode::kNotFound);
}

TEST(AuthorityTest, ALeafCannotIssue) {
  const CertificateFolder folder;
  const KeyedCertificate leaf = folder.Issue(LeafOf({kLearner}));
  EXPECT_EQ(IssueLeaf(leaf, LeafOf({kLearner})).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TokenFileTest, EveryLineIsAcceptedAndTheFirstIsSent) {
  const CertificateFolder folder;
  const std::string old_token = RandomToken(), new_token = RandomToken();
  folder.Write("token", "# rotating\n" + old_token + "\n" + new_token + "\n");
  auto tokens = *TokenFile::Open(folder.File("token"), absl::Seconds(10));
  const absl::Time start = absl::Now();
  EXPECT_EQ(tokens->Current(start), old_token);
  EXPECT_TRUE(tokens->Accepts(new_token, start));
  EXPECT_FALSE(tokens->Accepts("", start));
  EXPECT_FALSE(tokens->Accepts(RandomToken(), start));
  folder.Write("token", new_token);
  EXPECT_TRUE(tokens->Accepts(old_token, start)) << "not looked at yet";
  EXPECT_FALSE(tokens->Accepts(old_token, start + absl::Seconds(11)));
  EXPECT_EQ(tokens->Current(start + absl::Seconds(11)), new_token);
  folder.Write("token", "short");
  EXPECT_TRUE(tokens->Accepts(new_token, start + absl::Seconds(30)))
      << "an unusable file changes nothing";
}

TEST(TokenFileTest, UnusableFilesAreRefused) {
  const CertificateFolder folder;
  const auto open = [&] {
    return TokenFile::Open(folder.File("token"), absl::Seconds(1))
        .status()
        .code();
  };
  EXPECT_EQ(open(), absl::StatusCode::kNotFound);
  folder.Write("token", RandomToken(), 0644);
  EXPECT_EQ(open(), absl::StatusCode::kPermissionDenied);
  for (const char* text : {"", "# none\n", "short", "with a space inside it"}) {
    folder.Write("token", text);
    EXPECT_EQ(open(), absl::StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace operant
