// tests/support/process.h - runs the program DIME_PROGRAM, as its users do.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"

namespace dime::testing {

inline std::string ReadText(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

struct Ended {
  int exit_code = -1;  // 128 + signal when one killed it.
  std::string out;
  std::string err;
};

struct ProcessOptions {
  std::string program = DIME_PROGRAM;         // Is looked for in PATH if it is a name alone.
  std::vector<std::string> environment = {};  // "NAME=value", before what is inherited.
  std::string name = {};                      // Of the files with its output; one at a time has it.
};

// A running program, its output in files.
class Process {
 public:
  Process(const TempDir& dir, std::vector<std::string> arguments, ProcessOptions options = {})
      : out_(dir.File(options.name + "stdout")), err_(dir.File(options.name + "stderr")) {
    arguments.insert(arguments.begin(), options.program);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::vector<char*> environment;
    for (std::string& entry : options.environment) environment.push_back(entry.data());
    for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
    environment.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    constexpr int kCreate = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out_.c_str(), kCreate, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_.c_str(), kCreate, 0600);
    EXPECT_EQ(posix_spawnp(&process_, options.program.c_str(), &actions, nullptr, argv.data(),
                           environment.data()),
              0);
    posix_spawn_file_actions_destroy(&actions);
  }
  Process(Process&& other) noexcept
      : out_(other.out_), err_(other.err_), process_(std::exchange(other.process_, -1)) {}
  Process& operator=(Process&&) = delete;
  ~Process() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }

  void Signal(int signal) const { kill(process_, signal); }
  [[nodiscard]] bool HasEnded() const {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT);
    return info.si_pid == process_;
  }

  // What it has said so far.
  [[nodiscard]] std::string Err() const { return ReadText(err_); }

  Ended Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    process_ = -1;
    const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return {exit_code, ReadText(out_), ReadText(err_)};
  }

 private:
  const std::string out_;
  const std::string err_;
  pid_t process_ = -1;
};

// The program with a shell's redirections after its words.
inline int ExitCodeInShell(const std::vector<std::string>& arguments,
                           const std::string& redirections) {
  std::string command = fmt::format("'{}'", DIME_PROGRAM);
  for (const std::string& argument : arguments) command += fmt::format(" '{}'", argument);
  const int status = std::system((command + " " + redirections).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace dime::testing
