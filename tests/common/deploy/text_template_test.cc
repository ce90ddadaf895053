#include "common/deploy/text_template.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace operant::deploy {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

absl::StatusOr<std::string> Render(const std::string& text, const json& data) {
  const std::map<std::string, std::string> templates = {
      {"t", text},
      {"list", "a:\n  - {{x}}\n  - b\n"},
      {"itself", "{{>itself}}"}};
  return RenderTemplate(
      [&](const std::string& name) -> absl::StatusOr<std::string> {
        const auto found = templates.find(name);
        if (found == templates.end()) return absl::NotFoundError(name);
        return found->second;
      },
      "t", data);
}

TEST(TextTemplateTest, RendersValuesAndFilters) {
  const std::pair<const char*, const char*> table[] = {
      {"{{x}}", "a.b"},
      {"{{n}}", "3"},
      {"{{odd|json}}", R"("it's \"$5\" %i")"},
      {"{{odd|shell}}", R"('it'\''s "$5" %i')"},
      {"{{odd|systemd}}", R"("it's \"$$5\" %%i")"},
      {"  {{lines|indent 2}}", "  one\n  two"},
  };
  const json data = {
      {"x", "a.b"}, {"n", 3}, {"odd", "it's \"$5\" %i"}, {"lines", "one\ntwo"}};
  for (const auto& [text, expected] : table) {
    const auto shown = Render(text, data);
    ASSERT_TRUE(shown.ok()) << text << shown.status();
    EXPECT_EQ(*shown, expected);
  }
}

TEST(TextTemplateTest, SectionsRepeatShowOnceOrNotAtAll) {
  const json data = {{"list", {{{"x", "1"}}, {{"x", "2"}}}},
                     {"words", {"a", "b"}},
                     {"on", true},
                     {"off", false},
                     {"text", "t"},
                     {"none", ""},
                     {"null", nullptr},
                     {"y", "outer"}};
  const std::pair<const char*, const char*> table[] = {
      {"{{#list}}\n- {{x}} {{y}}\n{{/list}}\n", "- 1 outer\n- 2 outer\n"},
      {"{{#words}}{{.}} {{/words}}", "a b "},
      {"{{#on}}yes{{/on}}{{#off}}no {{unknown}}{{/off}}", "yes"},
      {"{{#text}}{{.}}{{/text}}{{#none}}x{{/none}}", "t"},
      {"{{^off}}a{{/off}}{{^on}}b{{/on}}{{^null}}c{{/null}}", "ac"},
      {"{{#off}}{{#on}}x{{/on}}{{/off}}end", "end"},
      {"  {{#on}}\nx\n  {{/on}}\ny\n", "x\ny\n"},
  };
  for (const auto& [text, expected] : table) {
    const auto shown = Render(text, data);
    ASSERT_TRUE(shown.ok()) << text << shown.status();
    EXPECT_EQ(*shown, expected) << text;
  }
}

TEST(TextTemplateTest, APartialIsIndentedLikeItsTag) {
  const auto shown = Render("p:\n  {{>list}}\nq: 1\n", {{"x", "1"}});
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(*shown, "p:\n  a:\n    - 1\n    - b\nq: 1\n");
}

TEST(TextTemplateTest, MistakesNameTemplateAndLine) {
  const std::pair<const char*, const char*> table[] = {
      {"a\n{{unknown}}", "t:2: nothing is called unknown"},
      {"{{#unknown}}{{/unknown}}", "nothing is called unknown"},
      {"{{bad}}", "needs a filter"},
      {"{{line}}", "needs a filter"},
      {"{{x|html}}", "no filter html"},
      {"{{list}}", "is no text"},
      {"{{#on}}", "is not closed"},
      {"{{/on}}", "closes nothing"},
      {"{{#on}}{{/off}}", "closes nothing"},
      {"{{x", "without }}"},
      {"{{}}", "names nothing"},
      {"{{>missing}}", "missing"},
      {"{{>itself}}", "include each other"},
  };
  const json data = {{"bad", "a: b"}, {"line", "a\nb"}, {"x", "1"},
                     {"on", true},    {"off", false},   {"list", {"1"}}};
  for (const auto& [text, expected] : table) {
    const auto shown = Render(text, data);
    ASSERT_FALSE(shown.ok()) << text << *shown;
    EXPECT_THAT(std::string(shown.status().message()), HasSubstr(expected))
        << text;
  }
}

}  // namespace
}  // namespace operant::deploy
