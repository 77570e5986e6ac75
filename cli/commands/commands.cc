#include "cli/commands/commands.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/exit_codes.h"
#include "runtime/base/suggest.h"

namespace dime::cli {
namespace {

constexpr Command kCommands[] = {
    {"data census", "Fetch the data of the census sample", RunDataCensus},
    {"data synthetic", "Make up data of any size, with a known best AUC", RunDataSynthetic},
    {"doctor", "Say whether a job directory is sound, and where it resumes", RunDoctor},
    {"help", "Explain commands, exit-codes or trainer.task", RunHelp},
    {"local predict", "Score instances with an exported model", RunLocalPredict},
    {"local train", "Train a model in this process, on all cores", RunLocalTrain},
    {"models describe", "Print a model's description", RunModelsDescribe},
    {"models infer", "Write a first description of a model from data", RunModelsInfer},
    {"models list", "List the models that can be trained", RunModelsList},
    {"models schema", "Print the JSON Schema of model descriptions", RunModelsSchema},
    {"replica", "Run one process of a job, under mpirun or TF_CONFIG", RunReplica},
    {"tiers describe", "Show the machines and the price of a scale tier", RunTiersDescribe},
    {"tiers list", "List the scale tiers that a job can have", RunTiersList},
    {"jobs", "Submit, watch and cancel jobs on a cluster", nullptr},
    {"models create", "Register a model for serving", nullptr},
    {"models delete", "Delete a registered model", nullptr},
    {"operations", "Watch long-running operations", nullptr},
    {"predict", "Score instances with a served model", nullptr},
    {"storage", "Copy and list files in object storage", nullptr},
    {"versions", "Manage the versions of a registered model", nullptr},
};

// Whether `words` begin with the words of `name`.
bool BeginsWith(Words words, std::string_view name) {
  for (const std::string& word : words) {
    if (!name.starts_with(word)) return false;
    name.remove_prefix(word.size());
    if (name.empty()) return true;
    if (!name.starts_with(' ')) return false;
    name.remove_prefix(1);
  }
  return false;
}

std::size_t NumWords(std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count(name, ' ')) + 1;
}

bool IsGroup(std::string_view word) {
  return std::ranges::any_of(kCommands, [&](const Command& command) {
    return command.name.size() > word.size() && command.name.starts_with(word) &&
           command.name[word.size()] == ' ';
  });
}

bool AsksForHelp(const std::string& word) { return word == "--help" || word == "-h"; }

std::string FormatGroup(const std::string& group) {
  std::string page = fmt::format("Usage: dime {} COMMAND [OPTIONS]\n\n", group);
  for (const Command& command : kCommands) {
    if (!command.name.starts_with(group + " ") || command.run == nullptr) continue;
    page += fmt::format("  dime {:<18} {}\n", command.name, command.summary);
  }
  return page;
}

// "local train" for "train": the command that ends in the word, or "".
std::string_view CommandEndingIn(std::string_view word) {
  for (const Command& command : kCommands) {
    const std::size_t blank = command.name.rfind(' ');
    const bool has_more_words = blank != std::string_view::npos;
    if (has_more_words && command.name.substr(blank + 1) == word) return command.name;
  }
  return "";
}

// `words` name no command: says which one may have been meant.
int ReportUnknown(Words words) {
  if (!words[0].starts_with('-') && IsGroup(words[0]) && words.size() == 1) {
    std::fputs(FormatGroup(words[0]).c_str(), stderr);
    return kExitUsage;
  }
  if (const std::string_view longer = CommandEndingIn(words[0]); !longer.empty()) {
    return ReportUsageError("dime",
                            fmt::format("no command '{}'; did you mean '{}'?", words[0], longer));
  }
  std::vector<std::string> names = {"--help", "--version"};
  for (const Command& command : kCommands) names.emplace_back(command.name);
  std::string given = words[0];
  if (IsGroup(words[0])) {
    given += " " + words[1];
  } else {
    for (const Command& command : kCommands) {
      names.emplace_back(command.name.substr(0, command.name.find(' ')));
    }
  }
  return ReportUsageError("dime",
                          fmt::format("no command '{}'{}", given, base::DidYouMean(given, names)));
}

}  // namespace

std::span<const Command> Commands() { return kCommands; }

int RunDime(Words words) {
  if (!words.empty() && (words[0] == "ml-engine" || words[0] == "ai-platform")) {
    words = words.subspan(1);
  }
  if (words.empty() || AsksForHelp(words[0])) return RunHelp({});
  const std::vector<std::string> version = {"version"};
  if (words[0] == "--version" || words[0] == "version") return RunHelp(version);
  for (const Command& command : kCommands) {
    if (!BeginsWith(words, command.name)) continue;
    if (command.run != nullptr) return command.run(words.subspan(NumWords(command.name)));
    fmt::print(stderr,
               "dime {}: not built yet; today dime trains and predicts on this machine: see "
               "`dime local train --help`\n",
               command.name);
    return kExitUsage;
  }
  if (words.size() == 2 && IsGroup(words[0]) && AsksForHelp(words[1])) {
    fmt::print("{}", FormatGroup(words[0]));
    return kExitOk;
  }
  return ReportUnknown(words);
}

}  // namespace dime::cli
