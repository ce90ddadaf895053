#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/verbs.h"
#include "common/base/file_io.h"
#include "common/base/shutdown.h"
#include "common/base/status_macros.h"
#include "common/run/console_table.h"
#include "common/run/scrape_targets.h"
#include "common/run/top_view.h"
#include "httplib.h"

namespace operant::cli {
namespace {

constexpr int kTimeoutSeconds = 2;
constexpr int kDefaultColumns = 120;
constexpr const char* kHomeAndClear = "\033[H\033[J";

constexpr const char* kFooter =
    "\nWHERE is a run directory of this machine, or the HTTP address of a\n"
    "learner anywhere: it names the workers that registered with it.\n"
    "\nExamples:\n"
    "  operant top runs/demo\n"
    "  operant top 10.0.0.7:9464\n"
    "  operant top runs/demo --once | tee status.txt\n";

struct Flags {
  std::string where;
  double interval_seconds = 1;
  bool once = false;
};

// The body, or why there is none.
absl::StatusOr<std::string> Fetch(const std::string& address,
                                  const char* path) {
  httplib::Client client("http://" + address);
  client.set_connection_timeout(kTimeoutSeconds);
  client.set_read_timeout(kTimeoutSeconds);
  const auto response = client.Get(path);
  if (!response) return absl::UnavailableError("no answer");
  if (response->status != 200)
    return absl::UnavailableError(absl::StrCat("status ", response->status));
  return response->body;
}

absl::StatusOr<std::vector<ScrapeTarget>> TargetsOf(const std::string& where) {
  const std::string file = JoinPath(where, "targets.json");
  if (FileExists(file)) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    return ParseScrapeTargets(text);
  }
  const absl::StatusOr<std::string> listed = Fetch(where, "/sd");
  if (!listed.ok()) {
    return absl::NotFoundError(absl::StrCat(
        "cannot find the run: ", where, ": ", listed.status().message(),
        ", expected a run directory with a targets.json, or the HTTP address "
        "of a learner"));
  }
  ASSIGN_OR_RETURN(std::vector<ScrapeTarget> targets,
                   ParseScrapeTargets(*listed));
  targets.insert(targets.begin(), {where, "learner", "learner"});
  return targets;
}

std::vector<ProcessPage> Scrape(const std::vector<ScrapeTarget>& targets) {
  std::vector<ProcessPage> pages;
  for (const ScrapeTarget& target : targets) {
    const absl::StatusOr<std::string> text = Fetch(target.address, "/metrics");
    ProcessPage page{.target = target, .page = {}, .error = ""};
    if (text.ok()) {
      page.page = MetricsPage::Parse(*text);
    } else {
      page.error = std::string(text.status().message());
    }
    pages.push_back(std::move(page));
  }
  return pages;
}

int Columns() {
  winsize size;
  const bool known =
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kDefaultColumns;
}

absl::StatusOr<ExitCode> Top(const Flags& flags) {
  InstallShutdownHandlers();
  const bool live = !flags.once && isatty(STDOUT_FILENO) == 1;
  TopView view(WantsColour(stdout));
  do {
    ASSIGN_OR_RETURN(const auto targets, TargetsOf(flags.where));
    const std::string screen =
        view.Render(Scrape(targets), absl::Now(), Columns());
    std::fputs(live ? kHomeAndClear : "", stdout);
    std::printf("operant top  %s\n%s", flags.where.c_str(), screen.c_str());
    std::fflush(stdout);
  } while (!flags.once &&
           SleepUnlessShutdown(absl::Seconds(flags.interval_seconds)));
  return ExitCode::kDone;
}

}  // namespace

void AddTopVerb(CLI::App& app, Action& action) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("top", "Watch a run in the terminal, live");
  verb->add_option("where", flags->where, "Run directory or learner")
      ->type_name("DIR|HOST:PORT")
      ->required();
  verb->add_option("--interval", flags->interval_seconds, "Between two looks")
      ->check(CLI::Range(0.2, 3600.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  verb->add_flag("--once", flags->once, "Print one look and end");
  verb->footer(kFooter);
  verb->callback(
      [flags, &action] { action = [flags] { return Top(*flags); }; });
}

}  // namespace operant::cli
