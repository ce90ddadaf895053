#include "common/base/config_document.h"

#include <exception>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "yaml-cpp/eventhandler.h"

namespace operant::internal {
namespace {

// Remembers where the latest document started; ignores what is in it.
class DocumentStart : public YAML::EventHandler {
 public:
  const YAML::Mark& mark() const { return mark_; }

  void OnDocumentStart(const YAML::Mark& mark) override { mark_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark mark_;
};

// Whether anything follows the first document, and where. YAML::LoadAll cannot
// tell: before a token that starts no document (the comma of ",a") the parser
// yields an empty document without moving on, so LoadAll gathers those until
// memory runs out. Two steps suffice here.
bool HasSecondDocument(const std::string& text, YAML::Mark& mark) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart start;
  if (!parser.HandleNextDocument(start)) return false;
  if (!parser.HandleNextDocument(start)) return false;
  mark = start.mark();
  return true;
}

}  // namespace

ConfigDocument ParseConfigDocument(const std::string& text) {
  ConfigDocument document;
  try {
    if (HasSecondDocument(text, document.mark)) {
      document.fault =
          "expected one YAML document; remove or quote what starts here";
    } else {
      document.root = YAML::Load(text);
    }
  } catch (const YAML::Exception& e) {
    document.mark = e.mark;
    document.fault = absl::StrCat("cannot parse YAML: ", e.msg,
                                  "; quote a text that holds any of : # [ ] "
                                  "{ } & * ! | > % @");
  } catch (const std::exception& e) {
    document.fault = absl::StrCat("cannot parse YAML: ", e.what());
  }
  return document;
}

}  // namespace operant::internal
