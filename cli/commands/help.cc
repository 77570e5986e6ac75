#include <CLI/CLI.hpp>
#include <string>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "ops/dense.h"

namespace dime::cli {
namespace {

int PrintOverview() {
  fmt::print(
      "dime trains wide & deep models on machines of your own, with the commands, files and tiers "
      "of\nCloud ML Engine.\n\nUsage: dime COMMAND [OPTIONS]\n\nCommands:\n");
  for (const Command& command : Commands()) {
    if (command.run != nullptr) fmt::print("  {:<16} {}\n", command.name, command.summary);
  }
  fmt::print(
      "\nOptions:\n"
      "  {:<16} {}\n  {:<16} {}\n\n"
      "`dime COMMAND --help` explains a command. `dime ml-engine ...` and `dime ai-platform ...` "
      "are the\nsame, so that `alias gcloud=dime` works.\n\n"
      "To begin with:\n"
      "  dime data census --output data\n"
      "  dime local train --job-dir output/census_1 -- --train-files data/adult.data.csv \\\n"
      "      --eval-files data/adult.test.csv --train-steps 1000\n",
      "--help", "Print this page", "--version", "Print the version, and how it was built");
  return kExitOk;
}

int PrintExitCodes() {
  for (const ExitCodeMeaning& line : ExitCodeMeanings()) {
    fmt::print("{:>3}  {}\n", static_cast<int>(line.code), line.meaning);
  }
  return kExitOk;
}

int PrintVersion() {
  fmt::print("dime {} ({}, kernels {}, g++ {})\n", DIME_VERSION, DIME_BUILD_TYPE, ops::KernelName(),
             __VERSION__);
  return kExitOk;
}

}  // namespace

int RunHelp(Words args) {
  std::vector<std::string> topic;
  CLI::App app("Explains dime: its commands, or the topic `exit-codes`.", "dime help");
  app.add_option("TOPIC", topic, "exit-codes, version, or a command")->group("Topics");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (topic.empty()) return PrintOverview();
  if (topic[0] == "exit-codes") return PrintExitCodes();
  if (topic[0] == "version") return PrintVersion();
  topic.emplace_back("--help");
  return RunDime(topic);
}

}  // namespace dime::cli
