#include "common/nn/adamw.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/nn/training_kernels.h"

namespace operant {
namespace {

// Elements of one task of the update.
constexpr int64_t kTaskElements = 1 << 16;
// Of a block, 4 MiB: small enough that the first is on its way early in a
// backward pass, large enough that an exchange's fixed costs are nothing.
constexpr int64_t kBlockElements = 1 << 20;

int64_t RoundUp(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

bool IsMatrix(const at::Tensor& parameter) { return parameter.dim() >= 2; }

}  // namespace

// What one step multiplies by, the same for every segment.
struct AdamW::StepFactors {
  double learning_rate_scale = 1;
  double gradient_scale = 1;
  double first_correction = 1;   // 1 - beta1^t
  double second_correction = 1;  // 1 - beta2^t
};

AdamW::AdamW(std::vector<ParameterGroup> groups, const AdamWOptions& options,
             const AdamWShare& share)
    : options_(options), share_(share) {
  Flatten(groups);
  TakeShare();
}

// Within a group, matrices come first: two segments a group, however many
// parameters.
void AdamW::Flatten(const std::vector<ParameterGroup>& groups) {
  const at::NoGradGuard no_grad;
  int64_t total = 0;
  at::TensorOptions tensor_options;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, parameter] : group.parameters) {
      TORCH_CHECK(parameter.is_leaf() && parameter.requires_grad() &&
                      parameter.scalar_type() == at::kFloat,
                  "AdamW: ", name, " is not a trainable fp32 leaf");
      total += parameter.numel();
      tensor_options = parameter.options();
    }
  }
  TORCH_CHECK(total > 0, "AdamW: no parameters");
  CutBlocks(total);
  parameters_ =
      at::zeros({blocks_.back().end}, tensor_options.requires_grad(false));
  gradients_ = at::zeros_like(parameters_);
  int64_t next = 0;
  int64_t first = 0;  // the group's first parameter, of all
  for (const ParameterGroup& group : groups) {
    const auto count = static_cast<int64_t>(group.parameters.size());
    for (const bool matrices : {true, false}) {
      Segment segment = {{next, next},
                         group.learning_rate,
                         matrices ? options_.weight_decay : 0};
      for (int64_t i = 0; i < count; ++i) {
        if (IsMatrix(group.parameters[i].second) != matrices) continue;
        Adopt(group.parameters[i], next, first + i);
        next += group.parameters[i].second.numel();
      }
      segment.range.end = next;
      if (segment.range.size() > 0) segments_.push_back(segment);
    }
    first += count;
  }
}

void AdamW::Adopt(const std::pair<std::string, at::Tensor>& named,
                  int64_t begin, int64_t order) {
  at::Tensor parameter = named.second;
  const auto view = [&](const at::Tensor& flat) {
    return flat.narrow(0, begin, parameter.numel()).view(parameter.sizes());
  };
  view(parameters_).copy_(parameter);
  parameter.set_data(view(parameters_));
  parameter.mutable_grad() = view(gradients_);
  entries_.push_back(
      {named.first, parameter, {begin, begin + parameter.numel()}, order});
}

void AdamW::CutBlocks(int64_t elements) {
  const int64_t whole = RoundUp(kBlockElements, share_.ranks);
  const int64_t end = RoundUp(elements, share_.ranks);
  for (int64_t begin = 0; begin < end; begin += whole)
    blocks_.push_back({begin, std::min(begin + whole, end)});
}

FlatRange AdamW::ShareOf(const FlatRange& block) const {
  const int64_t part = block.size() / share_.ranks;
  return {block.begin + share_.rank * part,
          block.begin + (share_.rank + 1) * part};
}

// The only process has every segment in one piece.
void AdamW::TakeShare() {
  int64_t state = 0;
  std::vector<FlatRange> shares = {{0, parameters_.numel()}};
  if (share_.ranks > 1) {
    shares.clear();
    for (const FlatRange& block : blocks_) shares.push_back(ShareOf(block));
  }
  for (const FlatRange& share : shares) {
    for (const Segment& segment : segments_) {
      const FlatRange both = {std::max(share.begin, segment.range.begin),
                              std::min(share.end, segment.range.end)};
      if (both.size() <= 0) continue;
      pieces_.push_back({both, state + both.begin - share.begin, &segment});
    }
    state += share.size();
  }
  first_ = at::zeros({state}, parameters_.options());
  second_ = at::zeros_like(first_);
}

void AdamW::ZeroGradients() {
  const at::NoGradGuard no_grad;
  gradients_.zero_();
}

double AdamW::SquaredGradientNorm() const {
  const at::NoGradGuard no_grad;
  at::Tensor sum = at::zeros({}, gradients_.options().dtype(at::kDouble));
  for (const Piece& piece : pieces_) {
    const at::Tensor mine =
        gradients_.narrow(0, piece.range.begin, piece.range.size());
    // A part at a time: LibTorch makes a copy in double of what it sums.
    for (const at::Tensor& part : mine.split(kBlockElements)) {
      sum += at::linalg_vector_norm(part, 2, std::nullopt, false, at::kDouble)
                 .square();
    }
  }
  return sum.item<double>();
}

int64_t AdamW::state_bytes() const {
  return static_cast<int64_t>(first_.nbytes() + second_.nbytes());
}

AdamWStep AdamW::Step(double learning_rate_scale,
                      double squared_gradient_norm) {
  const at::NoGradGuard no_grad;
  AdamWStep result;
  result.gradient_norm = std::sqrt(squared_gradient_norm);
  result.applied = std::isfinite(result.gradient_norm);
  if (result.applied) {
    ++steps_;
    result.clipped = options_.max_gradient_norm > 0 &&
                     result.gradient_norm > options_.max_gradient_norm;
    const auto t = static_cast<double>(steps_);
    const StepFactors factors = {
        learning_rate_scale,
        result.clipped ? options_.max_gradient_norm / result.gradient_norm : 1,
        1 - std::pow(options_.beta1, t), 1 - std::pow(options_.beta2, t)};
    for (const Piece& piece : pieces_) UpdatePiece(piece, factors);
  }
  ZeroGradients();
  return result;
}

void AdamW::UpdatePiece(const Piece& piece, const StepFactors& factors) {
  const double learning_rate =
      piece.segment->learning_rate * factors.learning_rate_scale;
  const double keep = 1 - learning_rate * piece.segment->weight_decay;
  const double step_size = learning_rate / factors.first_correction;
  const auto [begin, size] = std::pair(piece.range.begin, piece.range.size());
  at::Tensor parameter = parameters_.narrow(0, begin, size);
  at::Tensor first = first_.narrow(0, piece.state_begin, size);
  at::Tensor second = second_.narrow(0, piece.state_begin, size);
  if (!parameters_.is_cpu()) {
    const at::Tensor gradient =
        gradients_.narrow(0, begin, size) * factors.gradient_scale;
    first.mul_(options_.beta1).add_(gradient, 1 - options_.beta1);
    second.mul_(options_.beta2)
        .addcmul_(gradient, gradient, 1 - options_.beta2);
    const at::Tensor root =
        (second / factors.second_correction).sqrt_().add_(options_.epsilon);
    parameter.mul_(keep).addcdiv_(first, root, -step_size);
    return;
  }
  const AdamWUpdate update = {
      .parameter = parameter.data_ptr<float>(),
      .gradient = gradients_.data_ptr<float>() + begin,
      .first = first.data_ptr<float>(),
      .second = second.data_ptr<float>(),
      .gradient_scale = static_cast<float>(factors.gradient_scale),
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .step_size = static_cast<float>(step_size),
      .second_scale = static_cast<float>(1 / factors.second_correction),
      .epsilon = static_cast<float>(options_.epsilon),
      .keep = static_cast<float>(keep)};
  at::parallel_for(0, size, kTaskElements, [&](int64_t from, int64_t to) {
    ChooseTrainingKernels().adamw(update, from, to);
  });
}

}  // namespace operant
