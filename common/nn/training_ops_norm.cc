#include <torch/torch.h>

#include "common/nn/training_kernels.h"
#include "common/nn/training_ops.h"

namespace operant {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// Rows of one task of a parallel loop: enough work to be worth a thread, and a
// fixed number, so that sums over rows do not depend on the thread count.
constexpr int64_t kTaskRows = 256;

bool HasFusedLoop(const at::Tensor& x) {
  return x.is_cpu() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// data pointer, or null for an undefined tensor.
const float* DataOrNull(const at::Tensor& x) {
  return x.defined() ? x.data_ptr<float>() : nullptr;
}

template <typename Body>
void ForTasks(int64_t rows, const Body& body) {
  const int64_t tasks = (rows + kTaskRows - 1) / kTaskRows;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      body(task, task * kTaskRows, std::min(rows, (task + 1) * kTaskRows));
    }
  });
}

struct NormResult {
  at::Tensor y;      // [N, D]
  at::Tensor sum;    // [N, D] x, or x + delta
  at::Tensor scale;  // [N]
};

// `delta` may be undefined.
NormResult NormForward(const at::Tensor& x, const at::Tensor& delta,
                       const at::Tensor& weight, double epsilon) {
  NormResult out = {at::empty_like(x), delta.defined() ? at::empty_like(x) : x,
                    at::empty({x.size(0)}, x.options())};
  const RmsNormForward args = {.x = x.data_ptr<float>(),
                               .delta = DataOrNull(delta),
                               .sum = out.sum.data_ptr<float>(),
                               .weight = weight.data_ptr<float>(),
                               .y = out.y.data_ptr<float>(),
                               .scale = out.scale.data_ptr<float>(),
                               .width = x.size(1),
                               .epsilon = static_cast<float>(epsilon)};
  ForTasks(x.size(0), [&](int64_t, int64_t begin, int64_t end) {
    ChooseTrainingKernels().rms_norm_forward(args, begin, end);
  });
  return out;
}

struct NormGradients {
  at::Tensor dx;       // [N, D], of x and of delta alike
  at::Tensor dweight;  // [D]
};

// `saved` is {sum, weight, scale}; `dsum` may be undefined.
NormGradients NormBackward(const variable_list& saved, const at::Tensor& dy,
                           const at::Tensor& dsum) {
  const at::Tensor& sum = saved[0];
  const at::Tensor dx = at::empty_like(sum);
  const int64_t tasks = (sum.size(0) + kTaskRows - 1) / kTaskRows;
  const at::Tensor dweight = at::zeros({tasks, sum.size(1)}, sum.options());
  const RmsNormBackward args = {.sum = sum.data_ptr<float>(),
                                .weight = saved[1].data_ptr<float>(),
                                .scale = saved[2].data_ptr<float>(),
                                .dy = dy.data_ptr<float>(),
                                .dsum = DataOrNull(dsum),
                                .dx = dx.data_ptr<float>(),
                                .dweight = nullptr,
                                .width = sum.size(1)};
  ForTasks(sum.size(0), [&](int64_t task, int64_t begin, int64_t end) {
    RmsNormBackward mine = args;
    mine.dweight = dweight.data_ptr<float>() + task * args.width;
    ChooseTrainingKernels().rms_norm_backward(mine, begin, end);
  });
  return {dx, dweight.sum(0)};
}

class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& x,
                          const Variable& weight, double epsilon) {
    const NormResult out =
        NormForward(x.contiguous(), at::Tensor(), weight, epsilon);
    context->save_for_backward({out.sum, weight, out.scale});
    return out.y;
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const NormGradients out =
        NormBackward(context->get_saved_variables(), gradients[0].contiguous(),
                     at::Tensor());
    return {out.dx, out.dweight, Variable()};
  }
};

// {x + delta, norm of it}.
class AddRmsNormFunction
    : public torch::autograd::Function<AddRmsNormFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Variable& x,
                               const Variable& delta, const Variable& weight,
                               double epsilon) {
    const NormResult out =
        NormForward(x.contiguous(), delta.contiguous(), weight, epsilon);
    context->set_materialize_grads(false);
    context->save_for_backward({out.sum, weight, out.scale});
    return {out.sum, out.y};
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const at::Tensor& dsum = gradients[0];
    const at::Tensor& dy = gradients[1];
    if (!dy.defined()) return {dsum, dsum, Variable(), Variable()};
    const NormGradients out =
        NormBackward(context->get_saved_variables(), dy.contiguous(),
                     dsum.defined() ? dsum.contiguous() : dsum);
    return {out.dx, out.dx, out.dweight, Variable()};
  }
};

class SwiGluFunction : public torch::autograd::Function<SwiGluFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& gate_up) {
    const at::Tensor kept = gate_up.contiguous();
    const at::Tensor input = kept.to(at::kFloat);
    const int64_t width = input.size(1) / 2;
    const at::Tensor y = at::empty({input.size(0), width}, input.options());
    const SwiGluRows args = {.gate_up = input.data_ptr<float>(),
                             .y = y.data_ptr<float>(),
                             .width = width};
    ForTasks(input.size(0), [&](int64_t, int64_t begin, int64_t end) {
      ChooseTrainingKernels().swiglu_forward(args, begin, end);
    });
    context->save_for_backward({kept});
    return y.to(kept.scalar_type());
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const at::Tensor kept = context->get_saved_variables()[0];
    const at::Tensor input = kept.to(at::kFloat);
    const at::Tensor dy = gradients[0].to(at::kFloat).contiguous();
    const at::Tensor dinput = at::empty_like(input);
    const SwiGluRows args = {.gate_up = input.data_ptr<float>(),
                             .dy = dy.data_ptr<float>(),
                             .dgate_up = dinput.data_ptr<float>(),
                             .width = input.size(1) / 2};
    ForTasks(input.size(0), [&](int64_t, int64_t begin, int64_t end) {
      ChooseTrainingKernels().swiglu_backward(args, begin, end);
    });
    return {dinput.to(kept.scalar_type())};
  }
};

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight,
                   double epsilon) {
  if (!HasFusedLoop(x)) return plain::RmsNorm(x, weight, epsilon);
  return RmsNormFunction::apply(x, weight, epsilon);
}

std::pair<at::Tensor, at::Tensor> AddRmsNorm(const at::Tensor& x,
                                             const at::Tensor& delta,
                                             const at::Tensor& weight,
                                             double epsilon) {
  if (!HasFusedLoop(x)) {
    const at::Tensor sum = x + delta;
    return {sum, plain::RmsNorm(sum, weight, epsilon)};
  }
  const variable_list out =
      AddRmsNormFunction::apply(x, delta, weight, epsilon);
  return {out[0], out[1]};
}

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  if (!HasFusedLoop(gate_up)) return plain::SwiGlu(gate_up);
  return SwiGluFunction::apply(gate_up);
}

}  // namespace operant
