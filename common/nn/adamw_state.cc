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

std::span<std::byte> BytesOf(const at::Tensor& flat, int64_t begin,
                             int64_t elements) {
  return std::as_writable_bytes(
      std::span(flat.data_ptr<float>() + begin, elements));
}

absl::Status Mismatch(const std::string& path, const std::string& what) {
  return absl::DataLossError(
      absl::StrCat("optimizer state does not fit: file=", path, ", ", what,
                   "; resume with the model and configuration it was saved "
                   "with"));
}

}  // namespace

absl::Status AdamW::Save(const std::string& path) const {
  std::vector<WeightTensor> tensors;
  for (const char* moment : {"first", "second"}) {
    for (const Entry& entry : entries_) {
      tensors.push_back(
          MomentTensor(moment, entry.name, entry.parameter.sizes()));
    }
  }
  ASSIGN_OR_RETURN(auto writer,
                   SafetensorsWriter::Create(
                       path, tensors, {{kStepsKey, absl::StrCat(steps_)}}));
  for (const at::Tensor& moment : {first_, second_}) {
    const at::Tensor host = moment.cpu();
    for (const Entry& entry : entries_) {
      RETURN_IF_ERROR(
          writer->Append(BytesOf(host, entry.begin, entry.parameter.numel())));
    }
  }
  return writer->Commit();
}

absl::Status AdamW::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const auto reader, SafetensorsReader::Open(path));
  const auto steps = reader->metadata().find(kStepsKey);
  int64_t step_count = 0;
  if (steps == reader->metadata().end() ||
      !absl::SimpleAtoi(steps->second, &step_count) || step_count < 0) {
    return Mismatch(path, absl::StrCat("no ", kStepsKey));
  }
  if (reader->tensors().size() != 2 * entries_.size()) {
    return Mismatch(
        path, absl::StrCat(reader->tensors().size(), " tensors, expected ",
                           2 * entries_.size()));
  }
  // The writer's order: all first moments, then all second ones.
  auto stored = reader->tensors().begin();
  const at::Tensor loaded[] = {at::zeros({first_.numel()}, at::kFloat),
                               at::zeros({second_.numel()}, at::kFloat)};
  for (const int which : {0, 1}) {
    for (const Entry& entry : entries_) {
      const WeightTensor expected = MomentTensor(
          which == 0 ? "first" : "second", entry.name, entry.parameter.sizes());
      if (stored->name != expected.name || stored->shape != expected.shape ||
          stored->type != expected.type) {
        return Mismatch(
            path, absl::StrCat("tensor=", stored->name, ", expected ",
                               expected.name, " in fp32 of the model's shape"));
      }
      RETURN_IF_ERROR(reader->Read(*stored, BytesOf(loaded[which], entry.begin,
                                                    entry.parameter.numel())));
      ++stored;
    }
  }
  first_.copy_(loaded[0]);
  second_.copy_(loaded[1]);
  steps_ = step_count;
  return absl::OkStatus();
}

}  // namespace operant
