#include "worker/input/batch_source.h"

#include <vector>

#include "runtime/base/random.h"
#include "worker/input/spilled_batches.h"

namespace dime::worker {
namespace {

class BatchesInMemory : public BatchSource {
 public:
  BatchesInMemory(const models::Batch& examples, const BatchOptions& options)
      : examples_(examples),
        options_(options),
        schedule_(examples.num_examples, options.batch_size, options.num_epochs, options.seed,
                  options.order) {}

  [[nodiscard]] std::optional<std::int64_t> num_batches() const override {
    return schedule_.num_batches();
  }

  absl::Status Gather(std::int64_t index, models::Batch* batch) override {
    schedule_.RecordsOf(index, &records_);
    models::GatherExamples(examples_, records_, batch);
    batch->random_key = RandomKeyOf(options_, index);
    return absl::OkStatus();
  }

 private:
  const models::Batch& examples_;
  const BatchOptions options_;
  BatchSchedule schedule_;
  std::vector<std::int64_t> records_;
};

}  // namespace

std::uint64_t RandomKeyOf(const BatchOptions& options, std::int64_t index) {
  return base::RandomStream(options.seed, "batch", static_cast<std::uint64_t>(index)).NextUint64();
}

std::unique_ptr<BatchSource> MakeBatchSource(const ExampleSet& examples,
                                             const BatchOptions& options) {
  if (const models::Batch* const memory = examples.in_memory()) {
    return std::make_unique<BatchesInMemory>(*memory, options);
  }
  return std::make_unique<SpilledBatches>(examples, options);
}

}  // namespace dime::worker
