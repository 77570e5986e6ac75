// worker/collective/collective.h - how the training replicas of a job hand numbers to each other
// without a server between them.
//
// Fillings: replicas that are threads of one process (in_process.h), processes over dime's own
// connections (socket_collective.h) or MPI (mpi_collective.h). What is done with it stands in
// ordered_sum.h. Threads: one at a time per object. Every wait has a deadline.
#pragma once

#include <span>
#include <string>

#include "runtime/base/status.h"

namespace dime::worker {

class Collective {
 public:
  virtual ~Collective() = default;

  // Which of the replicas this one is, from 0, the master, and how many there are.
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;

  // Sends outgoing[r] to rank r and fills incoming[r] with what that sends here, for each other
  // rank; what stands at the own rank is left alone. All ranks call it, in the same order, and both
  // ends know how much there is; nothing at all is not sent. kDeadlineExceeded or kUnavailable
  // names a rank that does not come; after an error no further call succeeds.
  virtual absl::Status Exchange(std::span<const std::span<const float>> outgoing,
                                std::span<const std::span<float>> incoming) = 0;

  // All ranks have what they need and end.
  virtual absl::Status Finish() { return absl::OkStatus(); }
};

// "worker-1 (rank 2)".
[[nodiscard]] std::string RankName(int rank);

// Rank 0's values become those of all ranks.
absl::Status Broadcast(Collective& collective, std::span<float> values);

}  // namespace dime::worker
