#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands/commands.h"
#include "cli/data/synthetic/write_rows.h"
#include "cli/exit_codes.h"
#include "cli/interruption.h"
#include "cli/terminal/progress_text.h"
#include "cli/terminal/table.h"
#include "cli/terminal/ticker.h"

namespace dime::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Files = std::vector<std::unique_ptr<storage::AtomicFile>>;

constexpr char kDataSynthetic[] = "dime data synthetic";
constexpr char kStdout[] = "-";
constexpr std::int64_t kMaxRows = 1'000'000'000'000;
constexpr std::int64_t kMaxShards = 500;  // Each is an open file.

struct SyntheticFlags {
  std::string spec;
  std::string output;
  std::int64_t num_rows = 0;
  std::string record_format;
  std::int64_t num_shards = 1;
  std::int64_t seed = 1;
  std::int64_t num_threads = 0;
  std::string format = "text";
};

void DeclareSyntheticFlags(CLI::App& app, SyntheticFlags* flags) {
  app.add_option("--spec", flags->spec,
                 "What to make up: census or clicks, with settings after it: clicks,zipf=1.2")
      ->required()
      ->type_name("SPEC");
  app.add_option("--rows", flags->num_rows, "How many rows")
      ->required()
      ->transform(WholeNumber(1, kMaxRows))
      ->type_name("N");
  app.add_option("--output", flags->output,
                 "The file that gets them, replaced if it is there; compressed if its name ends in "
                 ".gz; - is stdout")
      ->required()
      ->type_name("FILE");
  app.add_option("--record-format", flags->record_format,
                 "csv, or tfrecord: tf.Examples [tfrecord if the name says so, else csv]")
      ->transform(OneOf({"csv", "tfrecord"}))
      ->type_name("FORMAT");
  app.add_option("--shards", flags->num_shards,
                 "Files to divide the rows among: rows-00000-of-00004.csv for rows.csv [1]")
      ->transform(WholeNumber(1, kMaxShards))
      ->type_name("K");
  app.add_option("--seed", flags->seed,
                 "Other seeds give other rows, whose labels follow the same truth [1]")
      ->transform(WholeNumber(0, std::numeric_limits<std::int64_t>::max()))
      ->type_name("N");
  app.add_option("--threads", flags->num_threads,
                 "Threads to use; the rows are the same with any number [one a processor]")
      ->transform(WholeNumber(1, 4096))
      ->type_name("N");
  app.add_option("--format", flags->format,
                 "Results on stdout as text, or as one JSON object [text]")
      ->transform(OneOf({"text", "json"}))
      ->type_name("FORMAT");
}

// Standard output as a file. What cannot be written is thrown, as fmt::print() does: main() knows
// that a reader who has seen enough is no failure.
class StdoutFile : public storage::AtomicFile {
 public:
  absl::Status Append(std::string_view data) override {
    if (std::fwrite(data.data(), 1, data.size(), stdout) == data.size()) return absl::OkStatus();
    throw std::system_error(errno, std::generic_category(), "write the rows to stdout");
  }
  absl::Status Commit() override { return Append(""); }
};

// What a file's name ends in, "" or from the first dot of its last two: ".csv.gz".
std::string_view Extension(std::string_view path) {
  constexpr std::string_view kGzip = ".gz";
  const std::string_view name = storage::BaseName(path);
  const std::size_t end = name.ends_with(kGzip) ? name.size() - kGzip.size() : name.size();
  const std::size_t dot = name.substr(0, end).rfind('.');
  return name.substr(dot == name.npos || dot == 0 ? end : dot);
}

std::vector<std::string> OutputPaths(const SyntheticFlags& flags) {
  if (flags.num_shards == 1) return {flags.output};
  const std::string_view extension = Extension(flags.output);
  const std::string_view stem =
      std::string_view(flags.output).substr(0, flags.output.size() - extension.size());
  std::vector<std::string> paths;
  for (std::int64_t shard = 0; shard < flags.num_shards; ++shard) {
    paths.push_back(fmt::format("{}-{:05}-of-{:05}{}", stem, shard, flags.num_shards, extension));
  }
  return paths;
}

absl::Status CheckSyntheticFlags(const SyntheticFlags& flags) {
  if (flags.output == kStdout && flags.num_shards > 1) {
    return base::InvalidArgument("--shards: stdout is one file; give --output a file's name");
  }
  if (flags.output == kStdout && flags.format == "json") {
    return base::InvalidArgument(
        "--format: with --output - the rows are on stdout, and what is said about them on stderr, "
        "as text");
  }
  if (flags.num_rows < flags.num_shards) {
    return base::InvalidArgument("--shards: {} rows are too few for {} files", flags.num_rows,
                                 flags.num_shards);
  }
  return absl::OkStatus();
}

// Renaming the finished file would replace a device, and fail on a directory.
absl::Status CheckReplaceable(const std::string& path) {
  std::error_code error;
  const std::filesystem::file_status there = std::filesystem::status(path, error);
  if (!std::filesystem::exists(there) || std::filesystem::is_regular_file(there)) {
    return absl::OkStatus();
  }
  return base::InvalidArgument(
      "write '{}': it is there, and is no regular file; `--output -` "
      "writes to stdout",
      path);
}

absl::StatusOr<Files> OpenFiles(const SyntheticFlags& flags) {
  Files files;
  if (flags.output == kStdout) {
    files.push_back(std::make_unique<StdoutFile>());
    return files;
  }
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const fs, storage::FileSystemFor(flags.output));
  for (const std::string& path : OutputPaths(flags)) {
    DIME_RETURN_IF_ERROR(CheckReplaceable(path));
    DIME_ASSIGN_OR_RETURN(files.emplace_back(), fs->CreateAtomically(path));
  }
  return files;
}

WriteRowsOptions MakeOptions(const SyntheticFlags& flags) {
  const std::string_view extension = Extension(flags.output);
  const bool named_tfrecord = extension.starts_with(".tfrecord");  // Also .tfrecords.
  WriteRowsOptions options;
  options.num_rows = flags.num_rows;
  options.seed = static_cast<std::uint64_t>(flags.seed);
  options.gzip = extension.ends_with(".gz");
  options.num_threads = static_cast<int>(flags.num_threads);
  if (flags.record_format == "tfrecord" || (flags.record_format.empty() && named_tfrecord)) {
    options.format = RecordFormat::kTfRecord;
  }
  return options;
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

absl::StatusOr<WriteRowsResult> WriteFiles(const SyntheticFlags& flags, const SyntheticRows& rows,
                                           std::stop_token stop) {
  DIME_ASSIGN_OR_RETURN(const Files files, OpenFiles(flags));
  WriteRowsOptions options = MakeOptions(flags);
  options.stop = std::move(stop);
  Ticker ticker;
  const Clock::time_point start = Clock::now();
  options.on_progress = [&](std::int64_t num_done) {
    const auto done = static_cast<double>(num_done);
    const auto all = static_cast<double>(options.num_rows);
    const double seconds = SecondsSince(start);
    ticker.Show(fmt::format("{} rows of {} ({:.0f}%), {} rows/s, {} left", num_done,
                            options.num_rows, 100 * done / all, FormatRate(done / seconds),
                            FormatDuration(seconds * (all - done) / done)));
  };
  DIME_ASSIGN_OR_RETURN(const WriteRowsResult result, WriteRows(rows, options, files));
  for (const auto& file : files) DIME_RETURN_IF_ERROR(file->Commit());
  return result;
}

std::string FormatText(const SyntheticFlags& flags, const WriteRowsResult& result, double seconds) {
  const auto bytes = static_cast<double>(result.num_bytes);
  const double positives =
      static_cast<double>(result.num_positives) / static_cast<double>(flags.num_rows);
  const std::vector<std::string> paths = OutputPaths(flags);
  const std::string last = paths.size() > 1 ? " ... " + paths.back() : "";
  return FormatTable({
      {"rows", std::to_string(flags.num_rows)},
      {"bytes", std::to_string(result.num_bytes)},
      {"speed", fmt::format("{:.0f} MB/s; {:.2f} s in all", bytes / 1e6 / seconds, seconds)},
      {"positives", fmt::format("{:.2f} %", 100 * positives)},
      {"planted auc", fmt::format("{:.4f}; the truth's own, which no model can surpass but by luck",
                                  result.planted_auc)},
      {"output", flags.output == kStdout ? "stdout" : paths.front() + last},
  });
}

std::string FormatJson(const SyntheticFlags& flags, const WriteRowsResult& result, double seconds) {
  const nlohmann::ordered_json object = {
      {"spec", flags.spec},
      {"seed", flags.seed},
      {"rows", flags.num_rows},
      {"bytes", result.num_bytes},
      {"seconds", seconds},
      {"megabytes_per_second", static_cast<double>(result.num_bytes) / 1e6 / seconds},
      {"positives",
       static_cast<double>(result.num_positives) / static_cast<double>(flags.num_rows)},
      {"planted_auc", result.planted_auc},
      {"files", OutputPaths(flags)},
  };
  // Paths need not be UTF-8.
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void PrintResult(const SyntheticFlags& flags, const WriteRowsResult& result, double seconds) {
  if (flags.format == "json") {
    fmt::print("{}", FormatJson(flags, result, seconds));
  } else if (flags.output == kStdout) {
    std::fputs(FormatText(flags, result, seconds).c_str(), stderr);
  } else {
    fmt::print("{}", FormatText(flags, result, seconds));
  }
}

}  // namespace

int RunDataSynthetic(Words args) {
  SyntheticFlags flags;
  CLI::App app(
      "Makes up rows like those of the census sample or like Criteo's click logs, as many as you "
      "want. Their labels are drawn from a logistic truth of known AUC, the best that a model can "
      "reach. The same spec, rows and seed give the same bytes on every machine.",
      kDataSynthetic);
  DeclareSyntheticFlags(app, &flags);
  app.footer(
      "Specs:\n"
      "  census   15 columns as in adult.data.csv, for --model census.\n"
      "           positives=S  share of >50K [0.2408]\n"
      "  clicks   Criteo's form: label, 13 counts, 26 categories, tab-separated, for\n"
      "           --model clicks.\n"
      "           positives=S  share of clicks [0.256]\n"
      "           zipf=E       exponent of Zipf's law for the categories' ids [1.1]\n\n"
      "Example:\n"
      "  dime data synthetic --spec clicks --rows 1000000 --output train.tsv\n"
      "  dime data synthetic --spec clicks --rows 100000 --seed 2 --output test.tsv");
  if (const std::optional<int> exit_code = ParseOrExit(args, app)) return *exit_code;
  if (const absl::Status fits = CheckSyntheticFlags(flags); !fits.ok()) {
    return ReportUsageError(kDataSynthetic, base::MessageOf(fits));
  }
  const Clock::time_point start = Clock::now();
  const auto rows = MakeSyntheticRows(flags.spec);
  if (!rows.ok()) {
    return ReportUsageError(kDataSynthetic,
                            fmt::format("--spec: {}", base::MessageOf(rows.status())));
  }
  Interruption interruption("stopping");
  const auto result = WriteFiles(flags, **rows, interruption.token());
  if (result.ok()) {
    PrintResult(flags, *result, SecondsSince(start));
    return kExitOk;
  }
  ReportError(kDataSynthetic, result.status());
  return absl::IsCancelled(result.status()) ? interruption.exit_code()
                                            : ExitCodeOfWrite(result.status());
}

}  // namespace dime::cli
