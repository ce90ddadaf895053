#include "tests/common/nn/reference_decoder.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>

namespace operant {
namespace {

using Row = std::vector<double>;

class Reference {
 public:
  Reference(const ModelConfig& config, const WeightImage& weights)
      : c_(config), weights_(weights) {}

  ReferenceOutput Run(std::span<const int32_t> tokens) const {
    std::vector<Row> x;
    for (const int32_t token : tokens) x.push_back(Embedding(token));
    for (int64_t layer = 0; layer < c_.num_hidden_layers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      AddAttention(prefix, x);
      AddFeedForward(prefix, x);
    }
    ReferenceOutput out;
    const std::string head =
        c_.tie_word_embeddings ? "model.embed_tokens" : "lm_head";
    for (const Row& row : x) {
      out.hidden.push_back(RmsNorm("model.norm.weight", row));
      out.logits.push_back(Linear(head, out.hidden.back()));
    }
    return out;
  }

 private:
  Row Tensor(const std::string& name) const {
    const std::vector<float> floats = weights_.AsFloats(*weights_.Find(name));
    return Row(floats.begin(), floats.end());
  }

  Row Embedding(int32_t token) const {
    const Row table = Tensor("model.embed_tokens.weight");
    const auto begin = table.begin() + token * c_.hidden_size;
    return Row(begin, begin + c_.hidden_size);
  }

  Row Linear(const std::string& name, const Row& x) const {
    const Row w = Tensor(name + ".weight");
    Row y(w.size() / x.size());
    if (weights_.Find(name + ".bias") != nullptr) y = Tensor(name + ".bias");
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t k = 0; k < x.size(); ++k) y[i] += w[i * x.size() + k] * x[k];
    }
    return y;
  }

  Row RmsNorm(const std::string& name, const Row& x) const {
    double mean_square = 0;
    for (const double v : x)
      mean_square += v * v / static_cast<double>(x.size());
    Row y = Tensor(name);
    for (size_t i = 0; i < x.size(); ++i) {
      y[i] *= x[i] / std::sqrt(mean_square + c_.rms_norm_eps);
    }
    return y;
  }

  // Head `head` of `row`, rotated to `position`.
  Row RotatedHead(const Row& row, int64_t head, size_t position) const {
    Row x = Head(row, head);
    const size_t half = x.size() / 2;
    for (size_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(position) *
          std::pow(c_.rope_theta, -2.0 * static_cast<double>(i) /
                                      static_cast<double>(x.size()));
      const double a = x[i];
      const double b = x[i + half];
      x[i] = a * std::cos(angle) - b * std::sin(angle);
      x[i + half] = b * std::cos(angle) + a * std::sin(angle);
    }
    return x;
  }

  Row Head(const Row& row, int64_t head) const {
    const auto begin = row.begin() + head * c_.head_dim;
    return Row(begin, begin + c_.head_dim);
  }

  struct KeysValues {
    std::vector<Row> k;  // [T][K Dh], not rotated
    std::vector<Row> v;
  };

  Row AttendHead(const Row& q, int64_t head, size_t t,
                 const KeysValues& kv) const {
    const int64_t kv_head =
        head * c_.num_key_value_heads / c_.num_attention_heads;
    const Row query = RotatedHead(q, head, t);
    Row scores;
    for (size_t s = 0; s <= t; ++s) {
      const Row key = RotatedHead(kv.k[s], kv_head, s);
      double score = 0;
      for (size_t d = 0; d < key.size(); ++d) score += query[d] * key[d];
      scores.push_back(score / std::sqrt(static_cast<double>(c_.head_dim)));
    }
    const Row logp = LogSoftmax(scores, 1);
    Row out(query.size());
    for (size_t s = 0; s <= t; ++s) {
      const Row value = Head(kv.v[s], kv_head);
      for (size_t d = 0; d < out.size(); ++d) {
        out[d] += std::exp(logp[s]) * value[d];
      }
    }
    return out;
  }

  void AddAttention(const std::string& prefix, std::vector<Row>& x) const {
    const std::string attention = prefix + "self_attn.";
    KeysValues kv;
    for (size_t t = 0; t < x.size(); ++t) {
      const Row h = RmsNorm(prefix + "input_layernorm.weight", x[t]);
      const Row q = Linear(attention + "q_proj", h);
      kv.k.push_back(Linear(attention + "k_proj", h));
      kv.v.push_back(Linear(attention + "v_proj", h));
      Row heads;
      for (int64_t head = 0; head < c_.num_attention_heads; ++head) {
        const Row out = AttendHead(q, head, t, kv);
        heads.insert(heads.end(), out.begin(), out.end());
      }
      Add(Linear(attention + "o_proj", heads), x[t]);
    }
  }

  void AddFeedForward(const std::string& prefix, std::vector<Row>& x) const {
    const std::string mlp = prefix + "mlp.";
    for (Row& row : x) {
      const Row h = RmsNorm(prefix + "post_attention_layernorm.weight", row);
      Row gate = Linear(mlp + "gate_proj", h);
      const Row up = Linear(mlp + "up_proj", h);
      for (size_t i = 0; i < gate.size(); ++i) {
        gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      }
      Add(Linear(mlp + "down_proj", gate), row);
    }
  }

  static void Add(const Row& y, Row& x) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
  }

  const ModelConfig& c_;
  const WeightImage& weights_;
};

}  // namespace

ReferenceOutput ReferenceForward(const ModelConfig& config,
                                 const WeightImage& weights,
                                 std::span<const int32_t> tokens) {
  return Reference(config, weights).Run(tokens);
}

std::vector<double> LogSoftmax(std::span<const double> logits,
                               double temperature) {
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const double x : logits) sum += std::exp((x - max) / temperature);
  std::vector<double> out;
  for (const double x : logits) {
    out.push_back((x - max) / temperature - std::log(sum));
  }
  return out;
}

ModelConfig OddModel(const ModelShape& shape) {
  ModelConfig config;
  config.vocab_size = 61;
  config.hidden_size = 23;
  config.intermediate_size = 37;
  config.num_hidden_layers = 2;
  config.num_attention_heads = shape.heads;
  config.num_key_value_heads = shape.kv_heads;
  config.head_dim = shape.head_dim;
  config.max_position_embeddings = 400;
  config.attention_bias = shape.biases;
  config.attention_output_bias = shape.biases;
  config.mlp_bias = shape.biases;
  config.tie_word_embeddings = shape.tied;
  return config;
}

WeightImage RandomWeights(const ModelConfig& config, uint64_t seed) {
  WeightImage image = WeightImage::ForModel(config, WeightType::kF32);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (const WeightTensor& tensor : image.tensors()) {
    auto* out = reinterpret_cast<float*>(image.data(tensor));
    const bool norm = tensor.name.find("norm") != std::string::npos;
    for (uint64_t i = 0; i < tensor.bytes / sizeof(float); ++i) {
      out[i] = norm ? 1 + 0.1f * normal(random) : 0.3f * normal(random);
    }
  }
  return image;
}

std::vector<int32_t> RandomTokens(const ModelConfig& config, int count,
                                  uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(
        random() % static_cast<uint64_t>(config.vocab_size)));
  }
  return tokens;
}

}  // namespace operant
