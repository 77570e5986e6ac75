// worker/failed_saves.h - what a job makes of checkpoints that cannot be written.
//
// Work that is done is worth more than the disk that it did not fit on: the next checkpoint may
// succeed, and each that does not is told loudly. After some in a row the job ends, so that it is
// not all lost with the next fault.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/status.h"

namespace dime::worker {

class FailedSaves {
 public:
  // 0: no number of them ends the job.
  explicit FailedSaves(std::int64_t most_in_a_row) : most_(most_in_a_row) {}

  void NoteSuccess() { num_in_a_row_ = 0; }

  // How a checkpoint on the way after `step` went; `newest` is the last one there is. OK: training
  // goes on. An error ends it: there were too many, or `saved` is kFailedPrecondition, weights that
  // are no finite numbers, which are another matter.
  absl::Status Bear(const absl::Status& saved, std::int64_t step, const std::string& newest);

 private:
  const std::int64_t most_;
  std::int64_t num_in_a_row_ = 0;
};

// The error that ends a job when a save has to succeed and does not: the first and the last one.
// Says where a job goes on. kResourceExhausted where it was storage and no peer.
[[nodiscard]] absl::Status FatalSave(const absl::Status& saved, std::int64_t step,
                                     const std::string& newest);

}  // namespace dime::worker
