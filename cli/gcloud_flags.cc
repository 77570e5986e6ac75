#include "cli/gcloud_flags.h"

#include <CLI/CLI.hpp>

#include "cli/arguments.h"

namespace dime::cli {

void DeclareGcloudFlags(CLI::App& app, GcloudFlags* flags) {
  app.add_option("--verbosity", flags->verbosity,
                 "Log from this severity on: debug, info, warning, error, critical or none [info]")
      ->transform(OneOf({"debug", "info", "warning", "error", "critical", "none"}))
      ->type_name("LEVEL")
      ->group("Options that gcloud has");
  app.add_option("--project", flags->project)->type_name("ID")->group(kIgnoredGroup);
  app.add_flag("-q,--quiet", flags->quiet)->group(kIgnoredGroup);
  app.add_flag("--user-output-enabled", flags->user_output_enabled)->group(kIgnoredGroup);
  app.add_flag("--no-user-output-enabled", flags->no_user_output_enabled)->group(kIgnoredGroup);
}

base::Severity SeverityOfVerbosity(const std::string& verbosity) {
  if (verbosity == "DEBUG" || verbosity == "debug") return base::Severity::kDebug;
  if (verbosity == "INFO" || verbosity == "info") return base::Severity::kInfo;
  if (verbosity == "WARN" || verbosity == "warning") return base::Severity::kWarning;
  return base::Severity::kError;
}

std::vector<std::string> GivenIgnoredOptions(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* const option : app.get_options(nullptr)) {
    if (option->get_group() != kIgnoredGroup || option->count() == 0) continue;
    names.push_back("--" + option->get_lnames().front());
  }
  return names;
}

void NoteIgnoredOptions(const std::vector<std::string>& options) {
  if (options.empty()) return;
  base::Log(base::Severity::kInfo, "without effect here: {}", fmt::join(options, ", "));
}

}  // namespace dime::cli
