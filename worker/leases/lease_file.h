// worker/leases/lease_file.h - which batches are done, beside a checkpoint that was taken
// while some were leased: the page dime/leases of a job directory.
//
// A line for each of the last checkpoints that needs one:
//   model.ckpt-STEP: FIRST-END FIRST-END ... +COUNT
// COUNT more batches that were under way may be in it, too. A checkpoint without a line has all
// batches below its step, and no others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/leases/lease_book.h"

namespace dime::worker {

inline constexpr char kLeasesPage[] = "dime/leases";

struct DoneBatches {
  std::vector<BatchRange> ranges;
  std::int64_t num_perhaps = 0;  // Of those that come next.
};

// What checkpoint `step` has. kDataLoss when the page is none, or not as it was
// written.
absl::StatusOr<DoneBatches> ReadDoneBatches(storage::FileSystem& fs, const std::string& job_dir,
                                            std::int64_t step);
// To be written before the checkpoint is: it is better to know too much than too little. Lines of
// later steps, which were of a run that is over, go.
absl::Status WriteDoneBatches(storage::FileSystem& fs, const std::string& job_dir,
                              std::int64_t step, const DoneBatches& done);

}  // namespace dime::worker
