#include <torch/torch.h>

#include <algorithm>

#include "common/nn/training_kernels.h"
#include "common/nn/training_ops.h"

namespace operant {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Size of a tile of logits: within a core's cache, or enough to fill a GPU.
constexpr int64_t kCpuTileBytes = int64_t{1} << 20;
constexpr int64_t kGpuTileBytes = int64_t{1} << 28;
// Rows of a tile that one thread takes at a time.
constexpr int64_t kGrainRows = 16;

int64_t TileRows(const at::Tensor& weight) {
  const int64_t bytes = weight.is_cpu() ? kCpuTileBytes : kGpuTileBytes;
  const int64_t row_bytes =
      weight.size(0) * static_cast<int64_t>(sizeof(float));
  return std::max<int64_t>(kGrainRows, bytes / row_bytes);
}

// The results of all rows; narrowed to a tile's rows by Tile().
struct RowResults {
  at::Tensor logprob;     // [N]
  at::Tensor entropy;     // [N]
  at::Tensor normaliser;  // [N]

  RowResults Tile(int64_t begin, int64_t rows) const {
    return {logprob.narrow(0, begin, rows), entropy.narrow(0, begin, rows),
            normaliser.narrow(0, begin, rows)};
  }
};

void ForwardTileFused(const at::Tensor& logits, const at::Tensor& targets,
                      double temperature, const RowResults& out) {
  const LogSoftmaxForward args = {
      .logits = logits.data_ptr<float>(),
      .targets = targets.data_ptr<int64_t>(),
      .logprob = out.logprob.data_ptr<float>(),
      .entropy = out.entropy.data_ptr<float>(),
      .normaliser = out.normaliser.data_ptr<float>(),
      .width = logits.size(1),
      .inverse_temperature = static_cast<float>(1 / temperature)};
  at::parallel_for(
      0, logits.size(0), kGrainRows, [&](int64_t begin, int64_t end) {
        ChooseTrainingKernels().log_softmax_forward(args, begin, end);
      });
}

void ForwardTilePlain(const at::Tensor& logits, const at::Tensor& targets,
                      double temperature, const RowResults& out) {
  const at::Tensor z = logits / temperature;
  const at::Tensor normaliser = z.logsumexp(1);
  const at::Tensor log_p = z - normaliser.unsqueeze(1);
  out.normaliser.copy_(normaliser);
  out.logprob.copy_(log_p.gather(1, targets.unsqueeze(1)).squeeze(1));
  out.entropy.copy_(-(log_p.exp() * log_p).sum(1));
}

// Gradients that reach a tile's rows; dentropy undefined if it has none.
struct RowGradients {
  at::Tensor dlogprob;
  at::Tensor dentropy;

  RowGradients Tile(int64_t begin, int64_t rows) const {
    return {
        dlogprob.narrow(0, begin, rows),
        dentropy.defined() ? dentropy.narrow(0, begin, rows) : at::Tensor()};
  }
};

// A tile's logits become the gradient of the loss by them.
void BackwardTileFused(at::Tensor& logits, const at::Tensor& targets,
                       double temperature, const RowResults& forward,
                       const RowGradients& gradients) {
  const LogSoftmaxBackward args = {
      .logits = logits.data_ptr<float>(),
      .targets = targets.data_ptr<int64_t>(),
      .normaliser = forward.normaliser.data_ptr<float>(),
      .entropy = forward.entropy.data_ptr<float>(),
      .dlogprob = gradients.dlogprob.data_ptr<float>(),
      .dentropy = gradients.dentropy.defined()
                      ? gradients.dentropy.data_ptr<float>()
                      : nullptr,
      .width = logits.size(1),
      .inverse_temperature = static_cast<float>(1 / temperature)};
  at::parallel_for(
      0, logits.size(0), kGrainRows, [&](int64_t begin, int64_t end) {
        ChooseTrainingKernels().log_softmax_backward(args, begin, end);
      });
}

void BackwardTilePlain(at::Tensor& logits, const at::Tensor& targets,
                       double temperature, const RowResults& forward,
                       const RowGradients& gradients) {
  const at::Tensor log_p =
      logits / temperature - forward.normaliser.unsqueeze(1);
  const at::Tensor dlogprob = (gradients.dlogprob / temperature).unsqueeze(1);
  at::Tensor weight = dlogprob;
  if (gradients.dentropy.defined()) {
    weight = weight + (gradients.dentropy / temperature).unsqueeze(1) *
                          (log_p + forward.entropy.unsqueeze(1));
  }
  logits = -log_p.exp() * weight;
  logits.scatter_add_(1, targets.unsqueeze(1), dlogprob);
}

// `logits` becomes hidden weight^T, in its old memory where that is enough.
void ComputeLogits(const at::Tensor& hidden, const at::Tensor& weight,
                   at::Tensor& logits) {
  logits.resize_({hidden.size(0), weight.size(0)});
  at::mm_out(logits, hidden, weight.t());
}

class LogProbsFunction : public torch::autograd::Function<LogProbsFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Variable& hidden,
                               const Variable& weight, const Variable& targets,
                               double temperature) {
    const int64_t rows = hidden.size(0);
    const RowResults out = {at::empty({rows}, hidden.options()),
                            at::empty({rows}, hidden.options()),
                            at::empty({rows}, hidden.options())};
    const int64_t tile = TileRows(weight);
    const auto tile_forward =
        hidden.is_cpu() ? ForwardTileFused : ForwardTilePlain;
    at::Tensor logits = at::empty({0}, hidden.options());
    for (int64_t begin = 0; begin < rows; begin += tile) {
      const int64_t count = std::min(tile, rows - begin);
      ComputeLogits(hidden.narrow(0, begin, count), weight, logits);
      tile_forward(logits, targets.narrow(0, begin, count), temperature,
                   out.Tile(begin, count));
    }
    context->save_for_backward(
        {hidden, weight, targets, out.normaliser, out.entropy});
    context->saved_data["temperature"] = temperature;
    context->set_materialize_grads(false);
    return {out.logprob, out.entropy};
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& hidden = saved[0];
    const at::Tensor& weight = saved[1];
    const double temperature = context->saved_data["temperature"].toDouble();
    const int64_t rows = hidden.size(0);
    const RowResults forward = {at::Tensor(), saved[4], saved[3]};
    const RowGradients row_gradients = {
        gradients[0].defined() ? gradients[0].contiguous()
                               : at::zeros({rows}, hidden.options()),
        gradients[1].defined() ? gradients[1].contiguous() : at::Tensor()};
    const at::Tensor dhidden = at::empty_like(hidden);
    at::Tensor dweight = at::zeros_like(weight);
    const int64_t tile = TileRows(weight);
    const auto tile_backward =
        hidden.is_cpu() ? BackwardTileFused : BackwardTilePlain;
    at::Tensor logits = at::empty({0}, hidden.options());
    for (int64_t begin = 0; begin < rows; begin += tile) {
      const int64_t count = std::min(tile, rows - begin);
      const at::Tensor part = hidden.narrow(0, begin, count);
      ComputeLogits(part, weight, logits);
      const RowResults here = {at::Tensor(),
                               forward.entropy.narrow(0, begin, count),
                               forward.normaliser.narrow(0, begin, count)};
      tile_backward(logits, saved[2].narrow(0, begin, count), temperature, here,
                    row_gradients.Tile(begin, count));
      at::Tensor dpart = dhidden.narrow(0, begin, count);
      at::mm_out(dpart, logits, weight);
      dweight.addmm_(logits.t(), part);
    }
    return {dhidden, dweight, Variable(), Variable()};
  }
};

}  // namespace

std::pair<at::Tensor, at::Tensor> TokenLogProbs(const at::Tensor& hidden,
                                                const at::Tensor& weight,
                                                const at::Tensor& targets,
                                                const TokenScoring& scoring) {
  TORCH_CHECK(
      hidden.scalar_type() == at::kFloat && weight.scalar_type() == at::kFloat,
      "log-probs are computed in fp32");
  TORCH_CHECK(scoring.temperature > 0, "temperature must be positive");
  const variable_list out = LogProbsFunction::apply(
      hidden.contiguous(), weight, targets.contiguous(), scoring.temperature);
  return {out[0], scoring.entropy_gradient ? out[1] : out[1].detach()};
}

}  // namespace operant
