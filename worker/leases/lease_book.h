// worker/leases/lease_book.h - which replica takes which batches, where replicas take steps
// of their own (async, bounded): the master's book.
//
// Batch N is a function of the seed and N, so a range of numbers is all that is leased. A lease is
// about a second of a replica's work, or a 64th of what is left where that is less, so that all end
// at about the same time. A batch is done when the push of its gradients is acknowledged. What a
// replica that is gone has not done goes to others.
//
// Threads: any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "runtime/base/status.h"

namespace dime::worker {

// Batches first, first + 1, ... below end.
struct BatchRange {
  std::int64_t first = 0;
  std::int64_t end = 0;

  [[nodiscard]] std::int64_t size() const { return end - first; }
  friend bool operator==(const BatchRange&, const BatchRange&) = default;
};
[[nodiscard]] std::int64_t SizeOf(const std::vector<BatchRange>& ranges);

// How often records were used, against how often they were to be. Each epoch's use of a record
// counts by itself: a record that is due in two epochs and was used in both is used once, twice.
struct RecordUses {
  std::int64_t due = 0;    // Of this run: all up to its end, or up to where it was stopped.
  std::int64_t never = 0;  // Of those.
  std::int64_t once = 0;
  // More than once, at most: what others have taken again after a replica was gone, or this run
  // after an earlier one was killed, as it is not known how much of it had been pushed.
  std::int64_t repeated = 0;
};

struct LeaseOptions {
  int num_replicas = 1;
  std::vector<BatchRange> done{};             // By earlier runs; ascending, with gaps between them.
  std::optional<std::int64_t> num_batches{};  // Of this run; none: without end.
  // How many of the first batches of this run an earlier one had pushed, perhaps, before it died.
  std::int64_t num_perhaps_pushed = 0;
  std::int64_t batch_size = 1;
  std::optional<std::int64_t> num_uses{};  // Records times epochs; none: without end.
};

class LeaseBook {
 public:
  explicit LeaseBook(LeaseOptions options);

  // The next batches of `replica`, which takes `batches_a_second` (0: not known yet). Nothing when
  // there are no more. Replicas take their leases in the order in which they got them.
  std::optional<BatchRange> Lease(int replica, double batches_a_second);

  // The first `count` batches of all that `replica` got are done. Nothing changes when fewer are
  // than were before; kInvalidArgument when it did not get so many.
  absl::Status Acknowledge(int replica, std::int64_t count);

  // `replica` is gone. What it comes back with counts from 0.
  void GiveBack(int replica);

  // From here on only what was given back is leased: when that is done, so are all batches up to
  // some number.
  void StopGranting();

  // Whether there is nothing to do but what is leased; whether that is done, too.
  [[nodiscard]] bool is_exhausted() const;
  [[nodiscard]] bool is_done() const;
  // Waits for something to be acknowledged or given back, until `deadline` at most.
  void AwaitNews(std::chrono::steady_clock::time_point deadline);

  // By this run and those before it; ascending, with gaps between them.
  [[nodiscard]] std::vector<BatchRange> Done() const;
  [[nodiscard]] std::int64_t num_leased() const;  // And not done.
  [[nodiscard]] RecordUses Uses() const;

 private:
  struct Replica {
    std::deque<BatchRange> leases;      // What is left of them.
    std::int64_t num_acknowledged = 0;  // Of all that it got.
  };

  [[nodiscard]] bool IsExhausted() const;  // All with mutex_ held.
  [[nodiscard]] std::int64_t RecordsIn(const BatchRange& range) const;
  BatchRange Take(std::int64_t size);
  void MarkDone(const BatchRange& range);

  const LeaseOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::vector<Replica> replicas_;
  std::vector<BatchRange> done_;
  std::vector<BatchRange> given_back_;  // Ascending.
  std::vector<BatchRange> repeated_;    // Perhaps.
  // What is granted next; skips over what earlier runs have done.
  std::int64_t next_ = 0;
  std::optional<std::int64_t> left_;  // To be granted; none: without end.
  std::int64_t num_due_ = 0;          // Records that were granted.
  std::int64_t num_done_ = 0;         // Records.
  std::int64_t num_perhaps_pushed_ = 0;
};

}  // namespace dime::worker
