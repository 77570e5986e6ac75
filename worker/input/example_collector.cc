#include "worker/input/example_collector.h"

#include <limits>
#include <utility>

namespace dime::worker {
namespace {

constexpr std::int64_t kMaxExamples = std::numeric_limits<std::int32_t>::max();

}  // namespace

ExampleCollector::ExampleCollector(const models::RecordEncoder& encoder,
                                   const DatasetOptions& options)
    : options_(options) {
  dataset_.examples = encoder.NewBatch();
}

void ExampleCollector::Reserve(std::int64_t num_examples) {
  models::ReserveExamples(dataset_.examples.num_examples + num_examples, &dataset_.examples);
}

absl::Status ExampleCollector::Add(const ParsedText& parsed,
                                   const std::function<std::string(const BadRecord&)>& describe) {
  if (dataset_.examples.num_examples + parsed.examples.num_examples > kMaxExamples) {
    return base::OutOfRange("more than {} records are too many for one process", kMaxExamples);
  }
  if (parsed.examples.num_examples > 0) {
    models::AppendExamples(parsed.examples, &dataset_.examples);
  }
  for (const BadRecord& bad : parsed.bad_records) {
    if (dataset_.bad_record_messages.size() >= kMaxBadRecordMessages) break;
    dataset_.bad_record_messages.push_back(describe(bad));
  }
  dataset_.num_bad_records += parsed.num_bad_records;
  if (dataset_.num_bad_records <= options_.max_bad_records) return absl::OkStatus();
  return base::OutOfRange(
      "{} bad record{} so far, {} tolerated (--max-bad-records=N tolerates N); the first: {}",
      dataset_.num_bad_records, dataset_.num_bad_records == 1 ? "" : "s", options_.max_bad_records,
      dataset_.bad_record_messages.front());
}

absl::Status ExampleCollector::CheckStop(const std::string& path) const {
  if (!options_.stop.stop_requested()) return absl::OkStatus();
  return base::Cancelled("stopped while reading '{}'", path);
}

Dataset ExampleCollector::Take() { return std::move(dataset_); }

}  // namespace dime::worker
