#include "common/deploy/text_template.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/base/status_macros.h"

namespace operant::deploy {
namespace {

using nlohmann::json;

// A partial that includes itself would never end.
constexpr int kMaxDepth = 8;

bool IsHarmless(char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("_./:@%=+,-").find(c) != absl::string_view::npos;
}

std::string Repeat(int spaces) { return std::string(spaces, ' '); }

std::string ShellQuoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

// systemd.exec(5): C-style quotes, with % and $ doubled.
std::string SystemdQuoted(const std::string& text) {
  return absl::StrCat(
      "\"",
      absl::StrReplaceAll(
          text, {{"\\", "\\\\"}, {"\"", "\\\""}, {"%", "%%"}, {"$", "$$"}}),
      "\"");
}

// One template and where it has been read to.
class Renderer {
 public:
  Renderer(const TemplateSource& source, std::string name, int depth)
      : source_(source), name_(std::move(name)), depth_(depth) {}

  absl::StatusOr<std::string> Render(std::vector<const json*> scopes) {
    if (depth_ > kMaxDepth) return Fault("templates that include each other");
    ASSIGN_OR_RETURN(text_, source_(name_));
    std::string out;
    RETURN_IF_ERROR(Section("", scopes, &out));
    return out;
  }

 private:
  absl::Status Fault(std::string_view what) const {
    const auto line = std::count(text_.begin(), text_.begin() + tag_, '\n') + 1;
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":", line, ": ", std::string(what)));
  }

  // Renders up to the end of `section` ("" is the whole template); with
  // `out` null only finds that end.
  absl::Status Section(const std::string& section,
                       const std::vector<const json*>& scopes,
                       std::string* out) {
    while (true) {
      const size_t open = text_.find("{{", at_);
      tag_ = std::min(open, text_.size());
      if (out) out->append(text_, at_, tag_ - at_);
      if (open == std::string::npos) {
        at_ = text_.size();
        return section.empty()
                   ? absl::OkStatus()
                   : Fault(absl::StrCat("{{#", section, "}} is not closed"));
      }
      const size_t close = text_.find("}}", open);
      if (close == std::string::npos) return Fault("{{ without }}");
      const std::string tag = text_.substr(open + 2, close - open - 2);
      at_ = close + 2;
      if (absl::StartsWith(tag, "/")) {
        EatLine(out);
        if (tag.substr(1) == section) return absl::OkStatus();
        return Fault(absl::StrCat("{{", tag, "}} closes nothing"));
      }
      RETURN_IF_ERROR(Tag(tag, scopes, out));
    }
  }

  absl::Status Tag(const std::string& tag,
                   const std::vector<const json*>& scopes, std::string* out) {
    if (tag.empty()) return Fault("{{}} names nothing");
    const std::string rest = tag.substr(1);
    if (tag[0] == '#') return Repeated(rest, scopes, out);
    if (tag[0] == '^') return Inverted(rest, scopes, out);
    if (out == nullptr) return absl::OkStatus();
    if (tag[0] == '>') return Partial(rest, scopes, out);
    return Value(tag, scopes, out);
  }

  // If the tag stands alone on its line, that line leaves nothing behind.
  void EatLine(std::string* out) {
    const size_t begin = text_.rfind('\n', tag_) + 1;  // npos + 1 is 0
    size_t end = at_;
    while (end < text_.size() && text_[end] == ' ') ++end;
    const bool alone =
        absl::StripAsciiWhitespace(text_.substr(begin, tag_ - begin)).empty() &&
        end < text_.size() && text_[end] == '\n';
    if (!alone) return;
    at_ = end + 1;
    if (out) out->erase(out->size() - (tag_ - begin));
  }

  absl::StatusOr<const json*> Find(const std::string& name,
                                   const std::vector<const json*>& scopes) {
    if (name == ".") return scopes.back();
    for (auto scope = scopes.rbegin(); scope != scopes.rend(); ++scope) {
      if (!(*scope)->is_object()) continue;
      const auto found = (*scope)->find(name);
      if (found != (*scope)->end()) return &*found;
    }
    return Fault(absl::StrCat("nothing is called ", name));
  }

  static bool Shows(const json& value) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_string()) return !value.get_ref<const std::string&>().empty();
    if (value.is_null()) return false;
    return value.is_number() || !value.empty();
  }

  absl::Status Repeated(const std::string& name,
                        const std::vector<const json*>& scopes,
                        std::string* out) {
    EatLine(out);
    if (out == nullptr) return Section(name, scopes, nullptr);
    ASSIGN_OR_RETURN(const json* value, Find(name, scopes));
    if (!Shows(*value)) return Section(name, scopes, nullptr);
    const json once = json::array({*value});
    const size_t begin = at_;
    for (const json& element : value->is_array() ? *value : once) {
      at_ = begin;
      std::vector<const json*> inner = scopes;
      inner.push_back(&element);
      RETURN_IF_ERROR(Section(name, inner, out));
    }
    return absl::OkStatus();
  }

  absl::Status Inverted(const std::string& name,
                        const std::vector<const json*>& scopes,
                        std::string* out) {
    EatLine(out);
    if (out == nullptr) return Section(name, scopes, nullptr);
    ASSIGN_OR_RETURN(const json* value, Find(name, scopes));
    return Section(name, scopes, Shows(*value) ? nullptr : out);
  }

  absl::Status Partial(const std::string& name,
                       const std::vector<const json*>& scopes,
                       std::string* out) {
    const size_t begin = text_.rfind('\n', tag_) + 1;
    const std::string indent = text_.substr(begin, tag_ - begin);
    Renderer partial(source_, name, depth_ + 1);
    ASSIGN_OR_RETURN(std::string body, partial.Render(scopes));
    while (absl::EndsWith(body, "\n")) body.pop_back();
    absl::StrAppend(
        out, absl::StrReplaceAll(body, {{"\n", absl::StrCat("\n", indent)}}));
    return absl::OkStatus();
  }

  absl::Status Value(const std::string& tag,
                     const std::vector<const json*>& scopes, std::string* out) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(tag, absl::MaxSplits('|', 1));
    ASSIGN_OR_RETURN(const json* value, Find(parts.first, scopes));
    if (value->is_array() || value->is_object() || value->is_null()) {
      return Fault(absl::StrCat(parts.first, " is no text or number"));
    }
    const std::string text =
        value->is_string() ? value->get<std::string>() : value->dump();
    ASSIGN_OR_RETURN(const std::string shown, Filtered(text, parts));
    out->append(shown);
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Filtered(
      const std::string& text,
      const std::pair<std::string, std::string>& parts) const {
    const std::string& filter = parts.second;
    if (filter == "json") return json(text).dump();
    if (filter == "shell") return ShellQuoted(text);
    if (filter == "systemd") return SystemdQuoted(text);
    absl::string_view spaces = filter;
    int n = 0;
    if (absl::ConsumePrefix(&spaces, "indent ") && absl::SimpleAtoi(spaces, &n))
      return absl::StrReplaceAll(text, {{"\n", "\n" + Repeat(n)}});
    if (!filter.empty()) return Fault(absl::StrCat("no filter ", filter));
    if (std::all_of(text.begin(), text.end(), IsHarmless)) return text;
    return Fault(absl::StrCat(parts.first, "=", json(text).dump(),
                              " needs a filter here"));
  }

  const TemplateSource& source_;
  const std::string name_;
  const int depth_;
  std::string text_;
  size_t at_ = 0;   // read up to here
  size_t tag_ = 0;  // where the current tag begins
};

}  // namespace

absl::StatusOr<std::string> RenderTemplate(const TemplateSource& source,
                                           const std::string& name,
                                           const nlohmann::json& data) {
  return Renderer(source, name, 0).Render({&data});
}

}  // namespace operant::deploy
