// cli/arguments.h - reads a command's words the way Python's argparse and gcloud do.
//
// A command declares its options on a CLI::App; what CLI11 takes differently is done here: an
// unambiguous beginning of an option's name is enough, the last occurrence of an option counts, an
// option never takes another option's name for its value, and a mistyped name is answered with the
// nearest one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace dime::cli {

enum class Parsed { kOptions, kHelpWanted };

// Sets the variables that `app`'s options are bound to. kInvalidArgument says what is wrong with
// which word; the variables are then partly set.
absl::StatusOr<Parsed> ParseArguments(std::span<const std::string> words, CLI::App& app);

// For a whole command: parses, and prints help (on stdout) or what is wrong (on stderr). Returns
// the exit code when the command ends here.
std::optional<int> ParseOrExit(std::span<const std::string> words, CLI::App& app);

// The help page, in the form that all commands share.
[[nodiscard]] std::string FormatHelp(const CLI::App& app);
// The groups of options alone, for a page that has two halves.
[[nodiscard]] std::string FormatOptions(const CLI::App& app);

// Says `status` on stderr as `command`'s error and returns its exit code; a wrong command line is
// ReportUsageError's.
int ReportError(std::string_view command, const absl::Status& status);
int ReportUsageError(std::string_view command, std::string_view message);

// For Option::transform(): checks a value and says what it must be.
CLI::Validator WholeNumber(std::int64_t least, std::int64_t most);
CLI::Validator Number(double more_than, double most);
// "64KiB", "512MiB", "2GiB", or bytes: made into bytes.
CLI::Validator MemorySize(std::uint64_t least);
CLI::Validator OneOf(std::initializer_list<std::string> choices);

}  // namespace dime::cli
