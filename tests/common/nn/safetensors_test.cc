#include "common/nn/safetensors.h"

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/file_io.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant {
namespace {

using testing::HasSubstr;

std::string TempPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "/safetensors_test_", getpid(), "_",
                      name);
}

// The bytes of a file with this header text and `data_bytes` zeros.
std::string FileBytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + std::string(data_bytes, '\0');
}

absl::Status ParseStatus(const std::string& header, uint64_t data_bytes) {
  return ParseSafetensorsHeader(header, data_bytes, "f.safetensors").status();
}

constexpr char kGood[] =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]},)"
    R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )";

TEST(SafetensorsHeaderTest, ReadsTensorsInOrderOfTheirOffsets) {
  const auto header = ParseSafetensorsHeader(kGood, 10, "f");
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[0].bytes, 8u);
  EXPECT_EQ(header->tensors[1].type, WeightType::kBf16);
  EXPECT_TRUE(header->tensors[1].shape.empty());
  EXPECT_EQ(header->metadata.at("format"), "pt");
}

TEST(SafetensorsHeaderTest, AllowsTensorsWithoutElements) {
  EXPECT_TRUE(
      ParseStatus(R"({"e":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},)"
                  R"("a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})",
                  2)
          .ok());
  EXPECT_TRUE(ParseStatus("{}", 0).ok());
}

// One tensor "t" with these three raw JSON values, in a file of 8 data bytes.
std::string One(const std::string& dtype, const std::string& shape,
                const std::string& offsets) {
  return absl::StrCat(R"({"t":{"dtype":)", dtype, R"(,"shape":)", shape,
                      R"(,"data_offsets":)", offsets, "}}");
}

struct BadHeader {
  const char* what;
  std::string header;
  const char* message;  // part of the error
};

std::vector<BadHeader> BadHeaders() {
  const std::string f32 = R"("F32")";
  std::string many = "{";
  for (size_t i = 0; i <= kMaxSafetensorsTensors; ++i) {
    absl::StrAppend(&many, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
  }
  many += "}";
  return {
      {"empty", "", "'{'"},
      {"not JSON", "{nonsense", "JSON"},
      {"a list", "[]", "'{'"},
      {"leading space", " {}", "'{'"},
      {"two values", "{}{}", "JSON"},
      {"trailing NUL", std::string("{}\0", 3), "JSON"},
      {"invalid UTF-8", "{\"\xff\":1}", "JSON"},
      {"deep", std::string(100000, '{'), "JSON"},
      {"deep lists", "{\"a\":" + std::string(100000, '['), "list"},
      {"duplicate tensor",
       R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "twice"},
      {"duplicate metadata", R"({"__metadata__":{},"__metadata__":{}})",
       "duplicate"},
      {"duplicate metadata key", R"({"__metadata__":{"a":"1","a":"2"}})",
       "duplicate"},
      {"metadata number", R"({"__metadata__":{"a":1}})", "number"},
      {"metadata object", R"({"__metadata__":{"a":{}}})", "object"},
      {"duplicate field",
       R"({"t":{"dtype":"F32","dtype":"F32","shape":[2],)"
       R"("data_offsets":[0,8]}})",
       "duplicate"},
      {"unknown field",
       R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})",
       "unknown"},
      {"missing field", R"({"t":{"dtype":"F32","shape":[2]}})", "expected"},
      {"tensor not object", R"({"t":5})", "number"},
      {"empty name", R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
       "empty name"},
      {"long name", "{\"" + std::string(kMaxSafetensorsName + 1, 'x') + "\":1}",
       "name"},
      {"unknown dtype", One(R"("F64")", "[1]", "[0,8]"), "F32, F16 or BF16"},
      {"dtype number", One("4", "[2]", "[0,8]"), "number"},
      {"negative size", One(f32, "[-2]", "[0,8]"), "non-negative"},
      {"minus zero", One(f32, "[-0]", "[0,0]"), "non-negative"},
      {"fraction", One(f32, "[2.0]", "[0,8]"), "plain integer"},
      {"exponent", One(f32, "[2e0]", "[0,8]"), "plain integer"},
      {"leading zero", One(f32, "[02]", "[0,8]"), "JSON"},
      {"text size", One(f32, R"(["2"])", "[0,8]"), "text"},
      {"null size", One(f32, "[null]", "[0,8]"), "null"},
      {"nested shape", One(f32, "[[2]]", "[0,8]"), "list"},
      {"over 64 bits", One(f32, "[99999999999999999999]", "[0,8]"),
       "plain integer"},
      {"over 63 bits", One(f32, "[9223372036854775808]", "[0,8]"), "2^63"},
      {"rank", One(f32, "[1,1,1,1,1,1,1,1,2]", "[0,8]"), "rank"},
      {"product overflows",
       One(f32, "[4294967296,4294967296,4294967296]", "[0,8]"), "overflow"},
      {"one offset", One(f32, "[2]", "[8]"), "two data_offsets"},
      {"three offsets", One(f32, "[2]", "[0,8,8]"), "two offsets"},
      {"backwards", One(f32, "[2]", "[8,0]"), "backwards"},
      {"shape and span differ", One(f32, "[1]", "[0,8]"), "span"},
      {"past the end", One(f32, "[4]", "[0,16]"), "cover"},
      {"trailing bytes", One(f32, "[1]", "[0,4]"), "cover"},
      {"hole", One(f32, "[1]", "[4,8]"), "hole"},
      {"overlap",
       R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("u":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "overlap"},
      {"too many tensors", many, "more than"},
  };
}

TEST(SafetensorsHeaderTest, RefusesEveryMalformedHeaderAndSaysWhy) {
  for (const BadHeader& bad : BadHeaders()) {
    const absl::Status status = ParseStatus(bad.header, 8);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << bad.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.message))
        << bad.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr("f.safetensors"));
  }
}

TEST(SafetensorsHeaderTest, NamesTheTensorAndTheField) {
  const absl::Status status = ParseStatus(One(R"("F32")", "[-2]", "[0,8]"), 8);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tensor=t field=shape"));
}

TEST(SafetensorsReaderTest, RefusesAFileWithABadLengthWithoutAllocating) {
  const std::string path = TempPath("length");
  uint64_t length = ~uint64_t{0};
  std::string bytes(sizeof(length), '\0');
  for (const uint64_t claim :
       {~uint64_t{0}, uint64_t{1} << 40, uint64_t{3}, uint64_t{100'000'001}}) {
    std::memcpy(bytes.data(), &claim, sizeof(claim));
    ASSERT_TRUE(WriteFileAtomically(path, bytes + "{}").ok());
    EXPECT_EQ(SafetensorsReader::Open(path).status().code(),
              absl::StatusCode::kDataLoss)
        << claim;
  }
  ASSERT_TRUE(WriteFileAtomically(path, "short").ok());
  EXPECT_EQ(SafetensorsReader::Open(path).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SafetensorsReaderTest, RefusesWhatIsNoRegularFile) {
  EXPECT_EQ(SafetensorsReader::Open(testing::TempDir()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SafetensorsReader::Open(TempPath("absent")).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(SafetensorsReaderTest, AFileCutAfterOpeningIsDataLoss) {
  const std::string path = TempPath("cut");
  ASSERT_TRUE(WriteFileAtomically(path, FileBytes(kGood, 10)).ok());
  const auto reader = SafetensorsReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_EQ(truncate(path.c_str(), 40), 0);
  std::vector<std::byte> out(8);
  EXPECT_EQ((*reader)->Read((*reader)->tensors()[0], out).code(),
            absl::StatusCode::kDataLoss);
}

std::vector<WeightTensor> TwoTensors() {
  WeightTensor a;
  a.name = "a";
  a.shape = {2, 2};
  WeightTensor b;
  b.name = "b \"quoted\" \xc3\xa9";
  b.type = WeightType::kF16;
  b.shape = {3};
  return {a, b};
}

TEST(SafetensorsWriterTest, WritesWhatTheReaderReads) {
  const std::string path = TempPath("round_trip");
  auto writer = SafetensorsWriter::Create(path, TwoTensors(), {{"steps", "7"}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  std::vector<std::byte> data(16 + 6);
  for (size_t i = 0; i < data.size(); ++i) data[i] = std::byte(i);
  const std::span<const std::byte> bytes(data);
  ASSERT_TRUE((*writer)->Append(bytes.first(5)).ok());
  EXPECT_FALSE(FileExists(path)) << "not before Commit";
  ASSERT_TRUE((*writer)->Append(bytes.subspan(5)).ok());
  ASSERT_TRUE((*writer)->Commit().ok());

  const auto reader = SafetensorsReader::Open(path);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ((*reader)->metadata().at("format"), "pt");
  EXPECT_EQ((*reader)->metadata().at("steps"), "7");
  const WeightTensor& b = (*reader)->tensors()[1];
  EXPECT_EQ(b.name, TwoTensors()[1].name);
  std::vector<std::byte> out(6);
  ASSERT_TRUE((*reader)->Read(b, out).ok());
  EXPECT_EQ(out, std::vector<std::byte>(data.begin() + 16, data.end()));
}

TEST(SafetensorsWriterTest, LeavesNothingBehindWhenNotCommitted) {
  const std::string path = TempPath("abandoned");
  {
    auto writer = SafetensorsWriter::Create(path, TwoTensors());
    ASSERT_TRUE(writer.ok());
    EXPECT_EQ((*writer)->Commit().code(), absl::StatusCode::kInternal)
        << "bytes are missing";
  }
  EXPECT_FALSE(FileExists(path));
  const auto names = ListDirectory(testing::TempDir());
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    EXPECT_EQ(name.find("abandoned"), std::string::npos) << name;
  }
}

// xorshift64*: the same mutations on every run and machine.
class Mutations {
 public:
  uint64_t Next(uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545F4914F6CDD1DULL >> 16) % bound;
  }

  // Flips, inserts, removes or repeats a few bytes.
  std::string Mutate(std::string text) {
    static constexpr char kTokens[] = "{}[]\",:0123456789-.eE \\\x00\xff\x7f";
    for (uint64_t edits = 1 + Next(4); edits > 0 && !text.empty(); --edits) {
      const size_t at = Next(text.size());
      const char token = kTokens[Next(sizeof(kTokens) - 1)];
      switch (Next(5)) {
        case 0:
          text[at] = token;
          break;
        case 1:
          text.insert(at, 1, token);
          break;
        case 2:
          text.erase(at, 1 + Next(8));
          break;
        case 3:
          text.insert(at, text.substr(Next(text.size()), 1 + Next(40)));
          break;
        default:
          text[at] = static_cast<char>(text[at] ^ (1 << Next(8)));
      }
    }
    return text;
  }

 private:
  uint64_t state_ = 20000;
};

TEST(SafetensorsFuzzTest, MutatedHeadersNeverCrashAndNeverReachOutside) {
  Mutations mutations;
  int accepted = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string header = mutations.Mutate(kGood);
    const auto parsed = ParseSafetensorsHeader(header, 10, "f");
    if (!parsed.ok()) {
      ASSERT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
      continue;
    }
    ++accepted;
    uint64_t next = 0;
    for (const WeightTensor& tensor : parsed->tensors) {
      ASSERT_EQ(tensor.offset, next) << header;
      next += tensor.bytes;
    }
    ASSERT_EQ(next, 10u) << header;
  }
  EXPECT_GT(accepted, 100) << "mutations of names and spaces stay valid";
}

TEST(SafetensorsFuzzTest, MutatedFilesNeverCrash) {
  const std::string path = TempPath("fuzz");
  Mutations mutations;
  for (int i = 0; i < 2000; ++i) {
    ASSERT_TRUE(
        WriteFileAtomically(path, mutations.Mutate(FileBytes(kGood, 10))).ok());
    const auto reader = SafetensorsReader::Open(path);
    if (reader.ok()) continue;
    ASSERT_EQ(reader.status().code(), absl::StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace operant
