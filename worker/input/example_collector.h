// worker/input/example_collector.h - where the examples of a data set's files come together, and
// what is said of the bad records among them.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/batch.h"
#include "models/record_encoder.h"
#include "runtime/base/status.h"
#include "worker/input/dataset.h"
#include "worker/input/record_parser.h"

namespace dime::worker {

class ExampleCollector {
 public:
  // Both outlive this object.
  ExampleCollector(const models::RecordEncoder& encoder, const DatasetOptions& options);

  // Takes the memory for so many more examples at once.
  void Reserve(std::int64_t num_examples);

  // Adds what was parsed. `describe` makes a bad record's message, with the place where it is.
  // kOutOfRange for more bad records than are tolerated.
  absl::Status Add(const ParsedText& parsed,
                   const std::function<std::string(const BadRecord&)>& describe);

  // kCancelled when the reading of `path` is to end.
  [[nodiscard]] absl::Status CheckStop(const std::string& path) const;

  // All that was added.
  [[nodiscard]] Dataset Take();

 private:
  const DatasetOptions& options_;
  Dataset dataset_;
};

}  // namespace dime::worker
