// cli/commands/commands.h - every command of `dime`, and the form they all have.
//
// A command gets the words that follow its name, answers --help (cli/arguments.h does both), prints
// results on stdout and all else on stderr, and returns the program's exit code (cli/exit_codes.h).
// A new one is a Run function here, its own .cc beside this file, and a line in commands.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace dime::cli {

using Words = std::span<const std::string>;

int RunDataCensus(Words args);
int RunDataSynthetic(Words args);
int RunDoctor(Words args);
int RunHelp(Words args);
int RunLocalPredict(Words args);
int RunLocalTrain(Words args);
int RunModelsDescribe(Words args);
int RunModelsInfer(Words args);
int RunModelsList(Words args);
int RunModelsSchema(Words args);
int RunReplica(Words args);
int RunTiersDescribe(Words args);
int RunTiersList(Words args);

struct Command {
  std::string_view name;     // The words that call it: "local train".
  std::string_view summary;  // One line.
  int (*run)(Words args);    // Null when it is not built yet.
};

[[nodiscard]] std::span<const Command> Commands();

// Runs the command that `words` (the program's arguments) name, or prints help. `ml-engine` and
// `ai-platform` in front are passed over, so that `alias gcloud=dime` works.
int RunDime(Words words);

}  // namespace dime::cli
