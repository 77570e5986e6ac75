// worker/input/batch_schedule.h - which records make up which batch: a function of (seed, epoch,
// index) alone.
//
// Epochs follow each other without a gap, so a batch may hold the end of one and the start of the
// next; only the last batch of a run with a number of epochs is shorter. Any batch can be asked for
// at any time: resuming needs no state.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace dime::worker {

enum class Order { kShuffled, kAsRead };

class BatchSchedule {
 public:
  // `num_epochs` 0: without end.
  BatchSchedule(std::int64_t num_records, std::int64_t batch_size, std::int64_t num_epochs,
                std::uint64_t seed, Order order);

  // How many batches there are; no value when there is no end.
  [[nodiscard]] std::optional<std::int64_t> num_batches() const;

  // The records of batch `index` (>= 0); empty past the end. Cheapest when asked in ascending
  // order.
  void RecordsOf(std::int64_t index, std::vector<std::int64_t>* records);

 private:
  void EnterEpoch(std::int64_t epoch);

  std::int64_t num_records_;
  std::int64_t batch_size_;
  std::int64_t num_epochs_;
  std::uint64_t seed_;
  Order order_;
  std::int64_t epoch_ = -1;  // The epoch whose order stands in permutation_.
  std::vector<std::int32_t> permutation_;
};

}  // namespace dime::worker
