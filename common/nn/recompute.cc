#include "common/nn/recompute.h"

#include <torch/torch.h>

#include <utility>

namespace operant {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// The segment as autograd's context can hold it.
struct HeldSegment : torch::CustomClassHolder {
  explicit HeldSegment(Segment held) : segment(std::move(held)) {}
  const Segment segment;
};
using HeldSegmentPtr = c10::intrusive_ptr<HeldSegment>;

// Leaves of a graph of their own, in the same memory: what is differentiated
// again does not reach the tensors' own gradients and hooks.
variable_list LeavesOf(const variable_list& tensors) {
  variable_list leaves;
  for (const at::Tensor& tensor : tensors) {
    leaves.push_back(tensor.detach().set_requires_grad(tensor.requires_grad()));
  }
  return leaves;
}

// Of `out` by those leaves that want one; the others' stay undefined.
variable_list Gradients(const at::Tensor& out, const variable_list& leaves,
                        const at::Tensor& dout) {
  variable_list wanted;
  for (const at::Tensor& leaf : leaves) {
    if (leaf.requires_grad()) wanted.push_back(leaf);
  }
  const variable_list found = torch::autograd::grad({out}, wanted, {dout});
  variable_list gradients;
  auto next = found.begin();
  for (const at::Tensor& leaf : leaves) {
    gradients.push_back(leaf.requires_grad() ? *next++ : at::Tensor());
  }
  return gradients;
}

class RecomputedFunction
    : public torch::autograd::Function<RecomputedFunction> {
 public:
  static Variable forward(AutogradContext* context, const HeldSegmentPtr& held,
                          const Variable& x, const at::TensorList& parameters) {
    variable_list saved = {x};
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(saved));
    context->saved_data["segment"] = at::IValue::make_capsule(held);
    return held->segment(x, parameters.vec());
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const auto holder = context->saved_data["segment"].toCapsule();
    const auto& segment = static_cast<const HeldSegment&>(*holder).segment;
    const variable_list leaves = LeavesOf(context->get_saved_variables());
    const at::AutoGradMode with_gradient(true);
    const at::Tensor out =
        segment(leaves[0], {leaves.begin() + 1, leaves.end()});
    variable_list by_argument = Gradients(out, leaves, gradients[0]);
    by_argument.insert(by_argument.begin(), Variable());  // the segment
    return by_argument;
  }
};

}  // namespace

at::Tensor Recomputed(Segment segment, const at::Tensor& x,
                      const std::vector<at::Tensor>& parameters) {
  if (!at::GradMode::is_enabled()) return segment(x, parameters);
  // By this very type, each tensor in it counts as an argument of its own.
  const at::TensorList list(parameters);
  return RecomputedFunction::apply(
      c10::make_intrusive<HeldSegment>(std::move(segment)), x, list);
}

}  // namespace operant
