// cli/gcloud_flags.h - the flags that gcloud takes with each of its commands, for the scripts that
// have them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/log.h"

namespace CLI {
class App;
}  // namespace CLI

namespace dime::cli {

// The group of options that are accepted and do nothing.
inline constexpr char kIgnoredGroup[] = "Options that gcloud has, without effect here";

struct GcloudFlags {
  std::optional<std::string> verbosity;  // One of gcloud's levels, which are in lower case.

  // Without effect.
  std::optional<std::string> project;
  bool quiet = false;
  bool user_output_enabled = false;
  bool no_user_output_enabled = false;
};

void DeclareGcloudFlags(CLI::App& app, GcloudFlags* flags);

// The severity that --verbosity asks for, gcloud's or the sample's.
[[nodiscard]] base::Severity SeverityOfVerbosity(const std::string& verbosity);

// The options of kIgnoredGroup that were given.
[[nodiscard]] std::vector<std::string> GivenIgnoredOptions(const CLI::App& app);
// Logs them; nothing where there are none.
void NoteIgnoredOptions(const std::vector<std::string>& options);

}  // namespace dime::cli
