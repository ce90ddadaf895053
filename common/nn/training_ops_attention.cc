#include <torch/torch.h>

#include "common/nn/training_kernels.h"
#include "common/nn/training_ops.h"

namespace operant {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// The fused loop keeps a head's [L, L] probabilities in scratch: beyond this
// length they leave the cache and LibTorch's tiled attention is faster.
constexpr int64_t kLongestFused = 512;

// Calls body(begin row, end row, scratch) for each sequence.
template <typename Body>
void ForSequences(const PackedSequences& sequences, int64_t scratch_floats,
                  const Body& body) {
  at::parallel_for(0, sequences.count(), 1, [&](int64_t first, int64_t last) {
    const at::Tensor scratch = at::empty({scratch_floats}, at::kFloat);
    for (int64_t b = first; b < last; ++b) {
      body(sequences.begin[b], sequences.begin[b + 1],
           scratch.data_ptr<float>());
    }
  });
}

// Everything but out, dout and dqkv.
AttentionRows ArgumentsOf(const at::Tensor& qkv, const at::Tensor& cos,
                          const at::Tensor& sin, const HeadShape& shape) {
  return {.qkv = qkv.data_ptr<float>(),
          .cos = cos.data_ptr<float>(),
          .sin = sin.data_ptr<float>(),
          .heads = shape.heads,
          .kv_heads = shape.kv_heads,
          .head_dim = shape.head_dim};
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static Variable forward(AutogradContext* context, const Variable& qkv,
                          const RotaryTable& rotary,
                          const PackedSequences& sequences,
                          const HeadShape& shape) {
    const at::Tensor kept = qkv.contiguous();
    const at::Tensor input = kept.to(at::kFloat);
    const at::Tensor out = at::empty(
        {input.size(0), shape.heads * shape.head_dim}, input.options());
    AttentionRows args = ArgumentsOf(input, rotary.cos, rotary.sin, shape);
    args.out = out.data_ptr<float>();
    const TrainingKernels& kernels = ChooseTrainingKernels();
    ForSequences(sequences, kernels.attention_scratch(args, sequences.longest),
                 [&](int64_t begin, int64_t end, float* scratch) {
                   kernels.attention_forward(args, begin, end, scratch);
                 });
    context->save_for_backward({kept, rotary.cos, rotary.sin});
    context->saved_data["begin"] = sequences.begin;
    context->saved_data["longest"] = sequences.longest;
    context->saved_data["shape"] =
        std::vector<int64_t>{shape.heads, shape.kv_heads, shape.head_dim};
    return out.to(kept.scalar_type());
  }

  static variable_list backward(AutogradContext* context,
                                const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const auto sizes = context->saved_data["shape"].toIntVector();
    const HeadShape shape = {sizes[0], sizes[1], sizes[2]};
    const PackedSequences sequences = {
        context->saved_data["begin"].toIntVector(),
        context->saved_data["longest"].toInt()};
    const at::Tensor input = saved[0].to(at::kFloat);
    const at::Tensor dout = gradients[0].to(at::kFloat).contiguous();
    const at::Tensor dqkv = at::empty_like(input);
    AttentionRows args = ArgumentsOf(input, saved[1], saved[2], shape);
    args.dout = dout.data_ptr<float>();
    args.dqkv = dqkv.data_ptr<float>();
    const TrainingKernels& kernels = ChooseTrainingKernels();
    ForSequences(sequences, kernels.attention_scratch(args, sequences.longest),
                 [&](int64_t begin, int64_t end, float* scratch) {
                   kernels.attention_backward(args, begin, end, scratch);
                 });
    return {dqkv.to(saved[0].scalar_type()), Variable(), Variable(),
            Variable()};
  }
};

}  // namespace

at::Tensor PackedAttention(const at::Tensor& qkv, const RotaryTable& rotary,
                           const PackedSequences& sequences,
                           const HeadShape& shape) {
  TORCH_CHECK(qkv.size(0) == sequences.rows() &&
                  sequences.longest <= rotary.cos.size(0),
              "attention: rows or positions do not fit the sequences");
  const bool fused = qkv.is_cpu() && (qkv.scalar_type() == at::kFloat ||
                                      qkv.scalar_type() == at::kBFloat16);
  if (!fused) {
    return plain::PackedAttention(qkv, rotary, sequences, shape);
  }
  if (sequences.longest > kLongestFused) {
    return plain::PackedAttention(qkv.to(at::kFloat), rotary, sequences, shape)
        .to(qkv.scalar_type());
  }
  return AttentionFunction::apply(qkv, rotary, sequences, shape);
}

}  // namespace operant
