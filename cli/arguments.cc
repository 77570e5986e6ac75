#include "cli/arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <vector>

#include "cli/exit_codes.h"
#include "runtime/base/suggest.h"

namespace dime::cli {
namespace {

constexpr std::size_t kHelpColumns = 80;
constexpr std::size_t kHelpIndent = 29;  // Where the text about an option starts.

bool IsPositional(const CLI::Option* option) { return option->get_positional(); }
bool TakesValue(const CLI::Option* option) { return option->get_items_expected_max() > 0; }
bool TakesMany(const CLI::Option* option) { return option->get_items_expected_max() > 1; }

// "--train-steps" for people, whichever of its names an option was called by.
std::string DisplayName(const CLI::Option* option) {
  if (IsPositional(option)) return option->get_name(/*positional=*/true);
  return "--" + option->get_lnames().front();
}

// "--train-steps N", "NAME".
std::string NameAndValue(const CLI::Option* option) {
  if (IsPositional(option) || !TakesValue(option)) return DisplayName(option);
  return fmt::format("{} {}", DisplayName(option), option->get_type_name());
}

bool LooksLikeNegativeNumber(std::string_view word) {
  return word.size() > 1 && word[0] == '-' &&
         word.find_first_not_of("0123456789.", 1) == word.npos &&
         word.find_first_of("0123456789") != word.npos;
}

class ArgumentReader {
 public:
  ArgumentReader(std::span<const std::string> words, CLI::App& app) : words_(words), app_(app) {}

  absl::StatusOr<Parsed> Read();

 private:
  // Options that are called `name`, or whose names start with it when none is called so.
  [[nodiscard]] std::vector<CLI::Option*> Matches(std::string_view name) const;
  [[nodiscard]] absl::StatusOr<CLI::Option*> Find(const std::string& name) const;
  [[nodiscard]] bool IsValue(std::string_view word) const;
  absl::Status ReadOption(CLI::Option* option, std::optional<std::string> value);
  absl::Status BindPositionals();
  absl::Status CheckRequired() const;
  static absl::Status Set(CLI::Option* option, const std::vector<std::string>& values);

  const std::span<const std::string> words_;
  CLI::App& app_;
  std::size_t next_ = 0;
  std::vector<std::string> positionals_;
};

std::vector<CLI::Option*> ArgumentReader::Matches(std::string_view name) const {
  std::vector<CLI::Option*> matches;
  for (CLI::Option* const option : app_.get_options(nullptr)) {
    bool starts = false;
    for (const std::string& long_name : option->get_lnames()) {
      const std::string full_name = "--" + long_name;
      if (full_name == name) return {option};
      starts = starts || (name.starts_with("--") && full_name.starts_with(name));
    }
    for (const std::string& letter : option->get_snames()) {
      if ("-" + letter == name) return {option};
    }
    if (starts) matches.push_back(option);
  }
  return matches;
}

absl::StatusOr<CLI::Option*> ArgumentReader::Find(const std::string& name) const {
  const std::vector<CLI::Option*> matches = Matches(name);
  if (matches.size() == 1) return matches.front();
  std::vector<std::string> names;
  for (const CLI::Option* const option : matches.empty() ? app_.get_options(nullptr) : matches) {
    if (!IsPositional(option)) names.push_back(DisplayName(option));
  }
  if (matches.empty()) {
    return base::InvalidArgument("unknown option '{}'{}", name, base::DidYouMean(name, names));
  }
  return base::InvalidArgument("'{}' could be any of {}", name, fmt::join(names, ", "));
}

bool ArgumentReader::IsValue(std::string_view word) const {
  if (!word.starts_with('-') || word == "-" || LooksLikeNegativeNumber(word)) return true;
  return word.find(' ') != word.npos && Matches(word.substr(0, word.find('='))).empty();
}

absl::Status ArgumentReader::Set(CLI::Option* option, const std::vector<std::string>& values) {
  option->clear();
  option->allow_extra_args(false);  // Else CLI11 takes "[ab].csv" for a list.
  for (const std::string& value : values) option->add_result(value);
  try {
    option->run_callback();
  } catch (const CLI::ParseError& error) {
    return base::InvalidArgument("{}", error.what());
  }
  return absl::OkStatus();
}

absl::Status ArgumentReader::ReadOption(CLI::Option* option, std::optional<std::string> value) {
  if (!TakesValue(option)) {
    if (value.has_value()) {
      return base::InvalidArgument("{} takes no value, but '{}' was given", DisplayName(option),
                                   *value);
    }
    return Set(option, {"true"});
  }
  if (value.has_value()) return Set(option, {*value});
  std::vector<std::string> values;
  while (next_ < words_.size() && IsValue(words_[next_]) && (values.empty() || TakesMany(option))) {
    values.push_back(words_[next_++]);
  }
  if (values.empty()) return base::InvalidArgument("{} needs a value", DisplayName(option));
  return Set(option, values);
}

absl::Status ArgumentReader::BindPositionals() {
  std::size_t next = 0;
  for (CLI::Option* const option : app_.get_options(IsPositional)) {
    const std::size_t left = positionals_.size() - next;
    const std::size_t count = TakesMany(option) ? left : std::min<std::size_t>(left, 1);
    if (count == 0) break;
    const auto first = positionals_.begin() + static_cast<std::ptrdiff_t>(next);
    DIME_RETURN_IF_ERROR(Set(option, {first, first + static_cast<std::ptrdiff_t>(count)}));
    next += count;
  }
  if (next == positionals_.size()) return absl::OkStatus();
  return base::InvalidArgument("unexpected word '{}'", positionals_[next]);
}

absl::Status ArgumentReader::CheckRequired() const {
  for (const CLI::Option* const option : app_.get_options(nullptr)) {
    if (!option->get_required() || option->count() > 0) continue;
    return base::InvalidArgument("{} is required", NameAndValue(option));
  }
  return absl::OkStatus();
}

absl::StatusOr<Parsed> ArgumentReader::Read() {
  while (next_ < words_.size()) {
    const std::string& word = words_[next_++];
    if (word == "--") {
      positionals_.insert(positionals_.end(), words_.begin() + static_cast<std::ptrdiff_t>(next_),
                          words_.end());
      break;
    }
    if (IsValue(word)) {
      positionals_.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    DIME_ASSIGN_OR_RETURN(CLI::Option* const option, Find(word.substr(0, equals)));
    if (option == app_.get_help_ptr()) return Parsed::kHelpWanted;
    DIME_RETURN_IF_ERROR(ReadOption(
        option, equals == word.npos ? std::nullopt : std::optional(word.substr(equals + 1))));
  }
  DIME_RETURN_IF_ERROR(BindPositionals());
  DIME_RETURN_IF_ERROR(CheckRequired());
  return Parsed::kOptions;
}

// `text` in lines of at most kHelpColumns, all but the first indented.
std::string Wrap(std::string_view text, std::size_t indent) {
  std::string lines;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (column > indent && column + 1 + word.size() > kHelpColumns) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
  }
  return lines;
}

std::string FormatOption(const CLI::Option* option) {
  std::string head = "  ";
  for (const std::string& letter : option->get_snames()) head += "-" + letter + ", ";
  head += NameAndValue(option);
  if (TakesMany(option)) head += " ...";
  if (option->get_description().empty()) return head + "\n";
  const std::size_t gap =
      head.size() + 2 <= kHelpIndent ? kHelpIndent - head.size() : std::string::npos;
  head += gap == std::string::npos ? "\n" + std::string(kHelpIndent, ' ') : std::string(gap, ' ');
  return head + Wrap(option->get_description(), kHelpIndent) + "\n";
}

std::string FormatUsage(const CLI::App& app) {
  std::string usage = "Usage: " + app.get_name();
  for (const CLI::Option* const option : app.get_options(IsPositional)) {
    const std::string name = DisplayName(option);
    usage += option->get_required() ? fmt::format(" {}", name) : fmt::format(" [{}]", name);
  }
  for (const CLI::Option* const option : app.get_options(nullptr)) {
    if (!option->get_required() || IsPositional(option)) continue;
    usage += " " + NameAndValue(option);
  }
  return usage + " [OPTIONS]\n";
}

}  // namespace

absl::StatusOr<Parsed> ParseArguments(std::span<const std::string> words, CLI::App& app) {
  return ArgumentReader(words, app).Read();
}

std::optional<int> ParseOrExit(std::span<const std::string> words, CLI::App& app) {
  const absl::StatusOr<Parsed> parsed = ParseArguments(words, app);
  if (!parsed.ok()) return ReportUsageError(app.get_name(), base::MessageOf(parsed.status()));
  if (*parsed == Parsed::kOptions) return std::nullopt;
  fmt::print("{}", FormatHelp(app));
  return kExitOk;
}

std::string FormatHelp(const CLI::App& app) {
  std::string page = Wrap(app.get_description(), 0) + "\n\n" + FormatUsage(app);
  page += FormatOptions(app);
  if (!app.get_footer().empty()) page += "\n" + app.get_footer() + "\n";
  return page;
}

std::string FormatOptions(const CLI::App& app) {
  std::string page;
  for (const std::string& group : app.get_groups()) {
    if (group.empty()) continue;  // Hidden.
    const std::vector<const CLI::Option*> options =
        app.get_options([&](const CLI::Option* option) { return option->get_group() == group; });
    if (options.empty()) continue;
    page += "\n" + group + ":\n";
    for (const CLI::Option* const option : options) page += FormatOption(option);
  }
  return page;
}

// fmt::print() would throw where stderr cannot be written, and the exit code be another one.
int ReportError(std::string_view command, const absl::Status& status) {
  std::fputs(fmt::format("{}: {}\n", command, base::MessageOf(status)).c_str(), stderr);
  return ExitCodeOf(status);
}

int ReportUsageError(std::string_view command, std::string_view message) {
  std::fputs(fmt::format("{}: {}\nSee `{} --help`.\n", command, message, command).c_str(), stderr);
  return kExitUsage;
}

CLI::Validator WholeNumber(std::int64_t least, std::int64_t most) {
  const auto check = [least, most](std::string& text) -> std::string {
    std::int64_t value = 0;
    const char* const first = text.data() + (text.starts_with('+') ? 1 : 0);
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(first, last, value);
    const bool is_number = end == last && error == std::errc();
    if (!is_number || value < least || value > most) {
      return fmt::format("'{}' is no whole number from {} to {}", text, least, most);
    }
    text = std::to_string(value);
    return "";
  };
  return CLI::Validator(check, "");
}

CLI::Validator Number(double more_than, double most) {
  const auto check = [more_than, most](std::string& text) -> std::string {
    double value = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value);
    const bool is_number = end == last && error == std::errc() && std::isfinite(value);
    if (is_number && value > more_than && value <= most) return "";
    return fmt::format("'{}' is no number above {} and up to {}", text, more_than, most);
  };
  return CLI::Validator(check, "");
}

CLI::Validator MemorySize(std::uint64_t least) {
  const auto check = [least](std::string& text) -> std::string {
    constexpr std::pair<std::string_view, int> kUnits[] = {
        {"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    constexpr std::uint64_t kMost = std::uint64_t{1} << 53;
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    for (const auto& [unit, shift] : kUnits) {
      if (error != std::errc() || std::string_view(end, last) != unit) continue;
      if (number > kMost >> shift || number << shift < least) break;
      text = std::to_string(number << shift);
      return "";
    }
    return fmt::format("'{}' is no size such as 512MiB or 2GiB, from {} KiB up", text, least >> 10);
  };
  return CLI::Validator(check, "");
}

CLI::Validator OneOf(std::initializer_list<std::string> choices) {
  const auto check = [choices = std::vector<std::string>(choices)](const std::string& text) {
    if (std::ranges::find(choices, text) != choices.end()) return std::string();
    return fmt::format("'{}' is none of {}{}", text, fmt::join(choices, ", "),
                       base::DidYouMean(text, choices));
  };
  return CLI::Validator(check, "");
}

}  // namespace dime::cli
