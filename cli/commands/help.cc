#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/exit_codes.h"
#include "cli/trainer_flags.h"
#include "ops/dense.h"
#include "runtime/base/suggest.h"

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
      "-h, --help", "Print this page", "--version", "Print the version, and how it was built");
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

int PrintTrainerFlags() {
  fmt::print(
      "The flags of the census sample's trainer.task: what stands after the `--` of\n"
      "`dime local train`.\n{}",
      FormatTrainerFlags());
  return kExitOk;
}

struct Topic {
  std::string_view name;
  int (*print)();
};
constexpr Topic kTopics[] = {
    {"exit-codes", PrintExitCodes}, {"trainer.task", PrintTrainerFlags}, {"version", PrintVersion}};

// Words that are no topic: a command's help, if there is one that begins with the first.
int PrintCommandHelp(std::vector<std::string> words) {
  std::vector<std::string> known = {"ml-engine", "ai-platform"};
  for (const Command& command : Commands()) {
    known.emplace_back(command.name.substr(0, command.name.find(' ')));
  }
  if (std::ranges::find(known, words[0]) == known.end()) {
    for (const Topic& topic : kTopics) known.emplace_back(topic.name);
    return ReportUsageError("dime help", fmt::format("no topic or command '{}'{}", words[0],
                                                     base::DidYouMean(words[0], known)));
  }
  words.emplace_back("--help");
  return RunDime(words);
}

}  // namespace

int RunHelp(Words args) {
  std::vector<std::string> words;
  CLI::App app("Explains dime: its commands, and what the topics below say.", "dime help");
  app.add_option("TOPIC", words, "exit-codes, trainer.task, version, or a command")
      ->group("Topics");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (words.empty()) return PrintOverview();
  for (const Topic& topic : kTopics) {
    if (words[0] == topic.name) return topic.print();
  }
  return PrintCommandHelp(std::move(words));
}

}  // namespace dime::cli
