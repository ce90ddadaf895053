// A small strict template language for deployment files. Nothing is guessed:
// an unknown name, a value that could break out of its place, an unclosed
// section are errors that name template and line.
//
//   {{name}}           the value, of harmless characters only ([\w./:@%=+,-])
//   {{name|json}}      quoted as JSON, which YAML reads as a string
//   {{name|shell}}     quoted for a POSIX shell
//   {{name|systemd}}   quoted for a unit's command line
//   {{name|indent N}}  lines of text, each after the first indented by N
//   {{#name}}..{{/name}}  for each element of a list; once if true, an object
//                      or text that is not empty
//   {{^name}}..{{/name}}  if the section above would show nothing
//   {{>name}}          another template, indented like this line
//
// `.` is the element itself. A name is looked for in the innermost section,
// then outwards. A line that holds only a section's tag leaves no line behind.
#ifndef OPERANT_COMMON_DEPLOY_TEXT_TEMPLATE_H_
#define OPERANT_COMMON_DEPLOY_TEXT_TEMPLATE_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace operant::deploy {

// The text of the template `name`, for {{>name}}. NotFound if there is none.
using TemplateSource =
    std::function<absl::StatusOr<std::string>(const std::string& name)>;

// Renders the template `name` of `source` with the fields of `data`.
// InvalidArgument: "NAME:LINE: what is wrong".
absl::StatusOr<std::string> RenderTemplate(const TemplateSource& source,
                                           const std::string& name,
                                           const nlohmann::json& data);

}  // namespace operant::deploy

#endif  // OPERANT_COMMON_DEPLOY_TEXT_TEMPLATE_H_
