// worker/collective/ordered_sum.h - what the micro-batches of all replicas sum up to, in the order
// of the micro-batches.
//
// Floating-point sums depend on their order, so that a plain all-reduce gives other bytes with
// another number of replicas. Here each rank owns a slice of the values: it gets everybody's
// micro-batches of that slice, sums them in the order of the micro-batches, as ps::Shards does, and
// gives the sums to all. The bytes that are sent are those of a ring all-reduce, 2 (n - 1) / n of
// the values for each of n ranks with one micro-batch each; parameter servers take 2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/base/status.h"
#include "worker/collective/collective.h"

namespace dime::worker {

class OrderedSum {
 public:
  // `collective` outlives this object. Micro-batch m is that of rank m % size. `average`: the sums
  // are divided by the number of micro-batches.
  OrderedSum(Collective& collective, std::int64_t num_values, int micro_batches, bool average);

  // The values of this rank's next micro-batch, in one or several parts.
  void Add(std::span<const std::span<const float>> parts);
  // Whether all of this rank's are added.
  [[nodiscard]] bool is_complete() const { return num_added_ == CountOf(collective_.rank()); }

  // The sums of all ranks, the same bytes on each. All call it, when theirs is complete. Valid
  // until the next call.
  absl::StatusOr<std::span<const float>> Finish();

 private:
  [[nodiscard]] int CountOf(int rank) const;  // Micro-batches.
  // A rank's slice are the values [Begin(rank), Begin(rank + 1)).
  [[nodiscard]] std::size_t Begin(int rank) const;
  [[nodiscard]] std::size_t Width(int rank) const { return Begin(rank + 1) - Begin(rank); }

  absl::Status ReduceScatter();
  void SumOwnSlice();
  absl::Status AllGather();

  Collective& collective_;
  const std::size_t num_values_;
  const int micro_batches_;
  const bool average_;

  int num_added_ = 0;
  std::vector<float> added_;     // By rank whose slice it is, then by own micro-batch.
  std::vector<float> received_;  // Of the own slice, by rank whose micro-batches they are.
  std::vector<float> sums_;
  std::vector<const float*> sources_;  // By micro-batch: its values of the own slice.
  std::vector<std::span<const float>> outgoing_;
  std::vector<std::span<float>> incoming_;
};

}  // namespace dime::worker
