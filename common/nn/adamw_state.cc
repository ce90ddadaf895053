// AdamW's state as a file: "first.<name>" and "second.<name>" per parameter,
// the step count in the metadata.
#include <torch/torch.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/nn/adamw.h"
#include "common/nn/safetensors.h"

namespace operant {
namespace {

constexpr char kStepsKey[] = "optimizer_steps";

// Both moments of a parameter of `sizes`.
WeightTensor MomentTensor(const char* moment, const std::string& name,
                          at::IntArrayRef sizes) {
  WeightTensor tensor;
  tensor.name = absl::StrCat(moment, ".", name);
  tensor.type = WeightType::kF32;
  tensor.shape = sizes.vec();
  return tensor;
}

std::span<std::byte> BytesOf(const at::Tensor& flat, const FlatRange& range) {
  return std::as_writable_bytes(
      std::span(flat.data_ptr<float>() + range.begin, range.size()));
}

absl::Status Mismatch(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("optimizer state does not fit: file=", path, ", ", what,
                   "; resume with the model and configuration it was saved "
                   "with"));
}

}  // namespace

AdamWMoments AdamW::Moments() const {
  if (share_.ranks == 1) return {first_, second_, steps_};
  AdamWMoments whole = {at::zeros_like(parameters_),
                        at::zeros_like(parameters_), steps_};
  for (const Piece& piece : pieces_) {
    const auto copy = [&](const at::Tensor& share, const at::Tensor& flat) {
      flat.narrow(0, piece.range.begin, piece.range.size())
          .copy_(share.narrow(0, piece.state_begin, piece.range.size()));
    };
    copy(first_, whole.first);
    copy(second_, whole.second);
  }
  return whole;
}

void AdamW::SetMoments(const AdamWMoments& moments) {
  for (const Piece& piece : pieces_) {
    const auto copy = [&](const at::Tensor& flat, const at::Tensor& share) {
      share.narrow(0, piece.state_begin, piece.range.size())
          .copy_(flat.narrow(0, piece.range.begin, piece.range.size()));
    };
    copy(moments.first, first_);
    copy(moments.second, second_);
  }
  steps_ = moments.steps;
}

absl::Status AdamW::Write(const std::string& path,
                          const AdamWMoments& moments) const {
  std::vector<WeightTensor> tensors;
  for (const char* moment : {"first", "second"}) {
    for (const Entry& entry : entries_) {
      tensors.push_back(
          MomentTensor(moment, entry.name, entry.parameter.sizes()));
    }
  }
  ASSIGN_OR_RETURN(
      auto writer,
      SafetensorsWriter::Create(path, tensors,
                                {{kStepsKey, absl::StrCat(moments.steps)}}));
  for (const at::Tensor& moment : {moments.first, moments.second}) {
    const at::Tensor host = moment.cpu();
    for (const Entry& entry : entries_)
      RETURN_IF_ERROR(writer->Append(BytesOf(host, entry.range)));
  }
  return writer->Commit();
}

absl::StatusOr<AdamWMoments> AdamW::Read(const std::string& path) const {
  ASSIGN_OR_RETURN(const auto reader, SafetensorsReader::Open(path));
  AdamWMoments moments;
  const auto steps = reader->metadata().find(kStepsKey);
  if (steps == reader->metadata().end() ||
      !absl::SimpleAtoi(steps->second, &moments.steps) || moments.steps < 0) {
    return Mismatch(path, absl::StrCat("no ", kStepsKey));
  }
  if (reader->tensors().size() != 2 * entries_.size()) {
    return Mismatch(
        path, absl::StrCat(reader->tensors().size(), " tensors, expected ",
                           2 * entries_.size()));
  }
  // The writer's order: all first moments, then all second ones.
  auto stored = reader->tensors().begin();
  for (at::Tensor* moment : {&moments.first, &moments.second}) {
    const at::Tensor host = at::zeros({parameters_.numel()}, at::kFloat);
    for (const Entry& entry : entries_) {
      const WeightTensor expected =
          MomentTensor(moment == &moments.first ? "first" : "second",
                       entry.name, entry.parameter.sizes());
      if (stored->name != expected.name || stored->shape != expected.shape ||
          stored->type != expected.type) {
        return Mismatch(
            path, absl::StrCat("tensor=", stored->name, ", expected ",
                               expected.name, " in fp32 of the model's shape"));
      }
      RETURN_IF_ERROR(reader->Read(*stored, BytesOf(host, entry.range)));
      ++stored;
    }
    *moment = host.to(parameters_.device());
  }
  return moments;
}

absl::Status AdamW::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const AdamWMoments moments, Read(path));
  SetMoments(moments);
  return absl::OkStatus();
}

}  // namespace operant
