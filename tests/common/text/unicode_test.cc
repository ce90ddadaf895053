#include "common/text/unicode.h"

#include <gtest/gtest.h>

#include <string>

#include "common/text/byte_alphabet.h"
#include "common/text/tokenizer.h"

namespace operant {
namespace {

TEST(UnicodeTest, DecodesTheFirstAndLastScalarOfEachLength) {
  for (const int32_t scalar : {0x00, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000,
                               0xffff, 0x10000, 0x10ffff}) {
    std::string text;
    AppendUtf8(scalar, &text);
    EXPECT_EQ(DecodeScalar(text, 0).value, scalar);
    EXPECT_EQ(DecodeScalar(text, 0).length, text.size());
  }
}

TEST(UnicodeTest, RefusesOverlongFormsSurrogatesAndWhatIsBeyondTheEnd) {
  for (const char* text : {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                           "\xf4\x90\x80\x80", "\xf8\x88", "\x80", "\xc3"}) {
    EXPECT_EQ(DecodeScalar(text, 0).value, kInvalidScalar) << text;
    EXPECT_FALSE(IsValidUtf8(text));
  }
}

// Expected: Python's bytes.decode("utf-8", errors="replace").
TEST(UnicodeTest, ReplacesEachMaximalInvalidPartOnce) {
  bool lossy = false;
  EXPECT_EQ(ToValidUtf8("a\xe2\x82z", &lossy), "a\ufffdz");
  EXPECT_TRUE(lossy);
  EXPECT_EQ(ToValidUtf8("\xf0\x9f\x92"), "\ufffd");
  EXPECT_EQ(ToValidUtf8("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(ToValidUtf8("\xc0\xaf\xff"), "\ufffd\ufffd\ufffd");
  EXPECT_EQ(ToValidUtf8("\u00e9\U0001f469", &lossy), "\u00e9\U0001f469");
  EXPECT_FALSE(lossy);
}

TEST(UnicodeTest, ClassesFollowUnicode16) {
  EXPECT_EQ(ClassOf('q'), CharClass::kLetter);
  EXPECT_EQ(ClassOf(0x4e00), CharClass::kLetter);
  EXPECT_EQ(ClassOf(0x10d4a), CharClass::kLetter);  // Garay, Unicode 16
  EXPECT_EQ(ClassOf(0x00b2), CharClass::kNumber);   // superscript two
  EXPECT_EQ(ClassOf(0x1ccf0), CharClass::kNumber);  // outlined digit
  EXPECT_EQ(ClassOf(0x0085), CharClass::kSpace);
  EXPECT_EQ(ClassOf(0x3000), CharClass::kSpace);
  EXPECT_EQ(ClassOf(0x200b), CharClass::kOther);  // zero width space
  EXPECT_EQ(ClassOf(0x0301), CharClass::kOther);  // a combining mark
  EXPECT_EQ(ClassOf(kInvalidScalar), CharClass::kOther);
}

TEST(UnicodeTest, ARunEndsAtAnotherClassOrTheLimit) {
  EXPECT_EQ(EndOfRun("12345a", 0, CharClass::kNumber), 5);
  EXPECT_EQ(EndOfRun("12345a", 0, CharClass::kNumber, 3), 3);
  EXPECT_EQ(EndOfRun("a1", 0, CharClass::kNumber), 0);
}

TEST(ByteAlphabetTest, IsABijection) {
  std::string bytes;
  for (int b = 0; b < 256; ++b) bytes.push_back(static_cast<char>(b));
  EXPECT_EQ(AlphabetToBytes(BytesToAlphabet(bytes)), bytes);
  EXPECT_EQ(BytesToAlphabet(" a\n"), "\u0120a\u010a");
  EXPECT_EQ(AlphabetToBytes("a b"), std::nullopt);
  EXPECT_EQ(AlphabetToBytes("\u4e00"), std::nullopt);
}

}  // namespace
}  // namespace operant
