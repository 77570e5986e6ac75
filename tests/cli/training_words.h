// tests/cli/training_words.h - the command that trains a small census model.
#pragma once

#include <string>
#include <vector>

namespace dime::cli {

// `command` with a job directory and its `own` flags; after the "--" a model of few weights, the
// file of records, and the flags of the `trainer`.
inline std::vector<std::string> TrainingWords(
    const std::string& job_dir, const std::vector<std::string>& own, const std::string& rows,
    const std::vector<std::string>& trainer,
    const std::vector<std::string>& command = {"local", "train"}) {
  std::vector<std::string> words = command;
  words.insert(words.end(), {"--job-dir", job_dir});
  words.insert(words.end(), own.begin(), own.end());
  words.insert(words.end(),
               {"--", "--train-files", rows, "--embedding-size=2", "--first-layer-size=8"});
  words.insert(words.end(), trainer.begin(), trainer.end());
  return words;
}

}  // namespace dime::cli
