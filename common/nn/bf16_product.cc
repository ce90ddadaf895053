#include "common/nn/bf16_product.h"

#include <torch/torch.h>

#include <utility>

namespace operant {
namespace internal {
namespace {

bool ProcessorMultipliesBf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace

Bf16Kernels ChooseBf16Kernels(const at::Tensor& operand) {
  static const bool is_native_here = ProcessorMultipliesBf16();
  return operand.is_cuda() || is_native_here ? Bf16Kernels::kNative
                                             : Bf16Kernels::kWidened;
}

at::Tensor Bf16Product(const at::Tensor& a, const at::Tensor& b,
                       at::ScalarType result, Bf16Kernels kernels) {
  if (kernels == Bf16Kernels::kWidened) {
    return at::mm(a.to(at::kFloat), b.to(at::kFloat)).to(result);
  }
  if (a.is_cuda() && result == at::kFloat) return at::mm(a, b, at::kFloat);
  return at::mm(a, b).to(result);
}

}  // namespace internal

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

at::Tensor Product(const at::Tensor& a, const at::Tensor& b,
                   at::ScalarType result) {
  return internal::Bf16Product(a, b, result, internal::ChooseBf16Kernels(a));
}

// Matrices of fp32 rows as one of bf16 rows.
at::Tensor JoinedInBf16(at::TensorList weights) {
  int64_t rows = 0;
  for (const at::Tensor& weight : weights) rows += weight.size(0);
  at::Tensor joined = at::empty({rows, weights.front().size(1)},
                                weights.front().options().dtype(at::kBFloat16));
  int64_t begin = 0;
  for (const at::Tensor& weight : weights) {
    joined.narrow(0, begin, weight.size(0)).copy_(weight);
    begin += weight.size(0);
  }
  return joined;
}

// `gradient` cut into the rows of each weight.
void AppendParts(const at::Tensor& gradient, at::TensorList weights,
                 variable_list& parts) {
  int64_t begin = 0;
  for (const at::Tensor& weight : weights) {
    parts.push_back(gradient.narrow(0, begin, weight.size(0)));
    begin += weight.size(0);
  }
}

class Bf16LinearFunction
    : public torch::autograd::Function<Bf16LinearFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x,
                          const at::TensorList& weights,
                          const at::TensorList& biases) {
    const at::Tensor operand = x.to(at::kBFloat16);
    const at::Tensor weight = JoinedInBf16(weights);
    variable_list saved = {operand};
    saved.insert(saved.end(), weights.begin(), weights.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["biased"] = !biases.empty();
    context->saved_data["x_is_bf16"] = x.scalar_type() == at::kBFloat16;
    if (biases.empty()) return Product(operand, weight.t(), at::kBFloat16);
    const at::Tensor bias = at::cat(biases);
    return (Product(operand, weight.t(), at::kFloat) + bias).to(at::kBFloat16);
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const auto weights = at::TensorList(saved).slice(1);
    const at::Tensor dy = gradients[0].to(at::kBFloat16);
    const auto dx_type =
        context->saved_data["x_is_bf16"].toBool() ? at::kBFloat16 : at::kFloat;
    variable_list by_argument = {Product(dy, JoinedInBf16(weights), dx_type)};
    AppendParts(Product(dy.t(), x, at::kFloat), weights, by_argument);
    if (context->saved_data["biased"].toBool()) {
      AppendParts(dy.sum(0, /*keepdim=*/false, at::kFloat), weights,
                  by_argument);
    }
    return by_argument;
  }
};

class RoundFunction : public torch::autograd::Function<RoundFunction> {
 public:
  static Variable forward(AutogradContext*, const Variable& x) {
    return x.to(at::kBFloat16).to(at::kFloat);
  }
  static variable_list backward(AutogradContext*,
                                const variable_list& gradients) {
    return gradients;
  }
};

}  // namespace

at::Tensor Bf16Linear(const at::Tensor& x,
                      const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& biases) {
  TORCH_CHECK(biases.empty() || biases.size() == weights.size(),
              "some layers have a bias and some have none");
  // By this very type, each tensor in them counts as an argument of its own.
  const at::TensorList weight_list(weights);
  const at::TensorList bias_list(biases);
  return Bf16LinearFunction::apply(x, weight_list, bias_list);
}

at::Tensor RoundedToBf16(const at::Tensor& x) {
  return RoundFunction::apply(x);
}

}  // namespace operant
