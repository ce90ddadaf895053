#include "common/base/metrics_text.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace operant {
namespace {

// A cursor over one line.
class Line {
 public:
  explicit Line(std::string_view text) : text_(text) {}

  bool Skip(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void SkipSpaces() {
    while (Skip(' ') || Skip('\t')) {
    }
  }
  std::string Word() {
    const size_t start = at_;
    while (at_ < text_.size() && (absl::ascii_isalnum(text_[at_]) ||
                                  text_[at_] == '_' || text_[at_] == ':'))
      ++at_;
    return std::string(text_.substr(start, at_ - start));
  }
  // After the opening quote; false if there is no closing one.
  bool Quoted(std::string& value) {
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') return ++at_, true;
      if (c == '\\' && at_ + 1 < text_.size()) {
        c = text_[++at_];
        if (c == 'n') c = '\n';
      }
      value += c;
    }
    return false;
  }
  std::string_view rest() const { return text_.substr(at_); }

 private:
  const std::string_view text_;
  size_t at_ = 0;
};

bool ReadLabels(Line& line, MetricLabels& labels) {
  if (!line.Skip('{')) return true;
  while (!line.Skip('}')) {
    const std::string name = line.Word();
    std::string value;
    if (name.empty() || !line.Skip('=') || !line.Skip('"') ||
        !line.Quoted(value))
      return false;
    labels[name] = std::move(value);
    line.Skip(',');
  }
  return true;
}

bool ReadSample(std::string_view text, MetricSample& sample) {
  Line line(text);
  sample.name = line.Word();
  if (sample.name.empty() || !ReadLabels(line, sample.labels)) return false;
  line.SkipSpaces();
  const std::string value(line.rest().substr(0, line.rest().find(' ')));
  return absl::SimpleAtod(value, &sample.value);
}

bool Includes(const MetricLabels& all, const MetricLabels& wanted) {
  for (const auto& [name, value] : wanted) {
    const auto found = all.find(name);
    if (found == all.end() || found->second != value) return false;
  }
  return true;
}

}  // namespace

MetricsPage MetricsPage::Parse(std::string_view text) {
  MetricsPage page;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    MetricSample sample;
    if (ReadSample(text.substr(0, end), sample))
      page.samples_.push_back(std::move(sample));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return page;
}

std::optional<double> MetricsPage::Find(const std::string& name,
                                        const MetricLabels& labels) const {
  for (const MetricSample& sample : samples_) {
    if (sample.name == name && Includes(sample.labels, labels))
      return sample.value;
  }
  return std::nullopt;
}

double MetricsPage::Sum(const std::string& name,
                        const MetricLabels& labels) const {
  double sum = 0;
  for (const MetricSample& sample : samples_) {
    if (sample.name == name && Includes(sample.labels, labels))
      sum += sample.value;
  }
  return sum;
}

}  // namespace operant
