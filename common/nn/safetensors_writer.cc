#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/failpoint.h"
#include "common/base/file_io.h"
#include "common/base/file_recorder.h"
#include "common/base/status_macros.h"
#include "common/nn/safetensors.h"
#include "nlohmann/json.hpp"

namespace operant {
namespace {

constexpr size_t kHeaderAlignment = 8;

const char* DtypeName(WeightType type) {
  switch (type) {
    case WeightType::kF32:
      return "F32";
    case WeightType::kBf16:
      return "BF16";
    case WeightType::kF16:
      return "F16";
  }
  return "";
}

uint64_t BytesOf(const WeightTensor& tensor) {
  uint64_t bytes = SizeOf(tensor.type);
  for (const int64_t size : tensor.shape) bytes *= size;
  return bytes;
}

// The JSON header, padded with spaces so that the data part is aligned.
std::string HeaderJson(const std::vector<WeightTensor>& tensors,
                       const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json json;
  json["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const WeightTensor& tensor : tensors) {
    const uint64_t end = offset + BytesOf(tensor);
    json[tensor.name] = {{"dtype", DtypeName(tensor.type)},
                         {"shape", tensor.shape},
                         {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json.dump();
  text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment *
                  kHeaderAlignment,
              ' ');
  return text;
}

std::string TemporaryPath(const std::string& path) {
  return absl::StrCat(path, ".tmp.", getpid());
}

}  // namespace

absl::StatusOr<std::unique_ptr<SafetensorsWriter>> SafetensorsWriter::Create(
    const std::string& path, const std::vector<WeightTensor>& tensors,
    SafetensorsMetadata metadata) {
  const std::string temporary = TemporaryPath(path);
  const int fd =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "cannot create", temporary);
  std::unique_ptr<SafetensorsWriter> writer(new SafetensorsWriter(path, fd));
  if (FileRecorder::Current() != nullptr)
    writer->sha256_ = std::make_unique<Sha256Stream>();
  metadata["format"] = "pt";
  const std::string json = HeaderJson(tensors, metadata);
  const uint64_t header_bytes = json.size();
  RETURN_IF_ERROR(writer->WriteAll(std::as_bytes(std::span(&header_bytes, 1))));
  RETURN_IF_ERROR(writer->WriteAll(std::as_bytes(std::span(json))));
  for (const WeightTensor& tensor : tensors) {
    writer->expected_bytes_ += BytesOf(tensor);
  }
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (fd_ >= 0) close(fd_);
  if (!committed_) unlink(TemporaryPath(path_).c_str());
}

absl::Status SafetensorsWriter::WriteAll(std::span<const std::byte> bytes) {
  if (sha256_ != nullptr) sha256_->Update(bytes.data(), bytes.size());
  written_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t put = write(fd_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      return ErrnoStatus(errno, "cannot write", TemporaryPath(path_));
    }
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  RETURN_IF_ERROR(WriteAll(bytes));
  appended_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Commit() {
  if (appended_bytes_ != expected_bytes_) {
    return absl::InternalError(
        absl::StrCat("cannot finish ", path_, ": ", appended_bytes_,
                     " bytes of tensors written, expected ", expected_bytes_));
  }
  const std::string temporary = TemporaryPath(path_);
  RETURN_IF_ERROR(Failpoint("tensors.fsync"));
  if (fsync(fd_) != 0) return ErrnoStatus(errno, "cannot fsync", temporary);
  if (close(std::exchange(fd_, -1)) != 0) {
    return ErrnoStatus(errno, "cannot close", temporary);
  }
  RETURN_IF_ERROR(Failpoint("tensors.rename"));
  if (rename(temporary.c_str(), path_.c_str()) != 0) {
    return ErrnoStatus(errno, "cannot rename", temporary);
  }
  committed_ = true;
  FileRecorder* const recorder = FileRecorder::Current();
  if (sha256_ != nullptr && recorder != nullptr) {
    recorder->Record(path_,
                     {.sha256 = sha256_->Finish(), .bytes = written_bytes_});
  }
  const std::string folder =
      std::filesystem::path(path_).parent_path().string();
  return FsyncDirectory(folder.empty() ? "." : folder);
}

}  // namespace operant
