// The detector on real definitions: what it calls haywire there is its own
// mistake.
#include <cstdio>
#include <map>
#include <string>

#include "common/base/file_io.h"
#include "common/text/wordnet.h"
#include "gtest/gtest.h"
#include "reward/wellformed.h"

namespace operant::reward {
namespace {

// The demo's promise: at most 0.5 % of real held-out definitions.
constexpr double kMaxFalsePositives = 0.005;

TEST(DetectorCorpusTest, CallsAtMostOneInTwoHundredRealDefinitionsHaywire) {
  if (!FileExists(std::string(kWordnetFolder) + "/data.noun")) {
    GTEST_SKIP() << "NOT CHECKED: no WordNet in " << kWordnetFolder
                 << "; install Debian's wordnet-base";
  }
  WordnetDemoOptions options;
  options.max_heldout_rows = 1'000'000;  // all of them
  const auto demo = BuildWordnetDemo(kWordnetFolder, options);
  ASSERT_TRUE(demo.ok()) << demo.status();
  const Lexicon lexicon(demo->lexicon);
  std::map<std::string, int> reasons;
  int haywire = 0;
  for (const WordnetDemo::Row& row : demo->heldout) {
    const Diagnosis diagnosis =
        Diagnose(row.response, v1::FINISH_REASON_STOP, lexicon);
    if (!diagnosis.haywire()) continue;
    ++haywire;
    ++reasons[diagnosis.loop ? "loop" : std::string(diagnosis.garbage_reason)];
  }
  std::printf("false positives: %d of %zu held-out definitions\n", haywire,
              demo->heldout.size());
  for (const auto& [reason, count] : reasons) {
    std::printf("  %s: %d\n", reason.c_str(), count);
  }
  ASSERT_GE(demo->heldout.size(), 1000);
  EXPECT_LE(haywire, kMaxFalsePositives * demo->heldout.size());
}

}  // namespace
}  // namespace operant::reward
