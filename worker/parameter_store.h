// worker/parameter_store.h - where a training step gets its rows from and sends its gradients to.
//
// One call a batch. Fillings: tables in this process (worker/in_process_store.h); parameter servers
// (worker/server_store.h); dense tables in each replica (worker/all_reduce_store.h). Threads: one
// at a time.
#pragma once

#include <cstdint>

#include "ops/table.h"
#include "ps/row_access.h"
#include "runtime/base/status.h"
#include "worker/report/replica_meter.h"

namespace dime::worker {

// The gradients of one batch.
struct Push {
  std::int64_t step = 0;                  // Of which step they are, from 1.
  int micro_batch = 0;                    // Of which of its batches.
  const ops::Lookups* lookups = nullptr;  // Which rows they are for.
  const ops::Gradients* gradients = nullptr;
  int pulls_ago = 0;  // How many pulls were started after that of these rows: 0 or 1.
};

// The rows for one batch.
struct Pull {
  const ops::Lookups* lookups = nullptr;  // Null: none.
  // For which step of training, from 1: the rows hold all the steps before it, where steps are
  // taken in common. 0: for another use, as they are.
  std::int64_t step = 0;
};

class ParameterStore {
 public:
  virtual ~ParameterStore() = default;

  // Applies `push` (may be null: nothing to push), then returns the rows that `pull` asks for. The
  // rows stay valid until the next call.
  virtual absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) = 0;

  // The same in two calls, between which the caller may compute with the rows of the call before:
  // they stay valid until the start after this one. The gradients are read during the first call.
  // kUnimplemented where rows are not copied.
  virtual absl::Status StartExchange(const Push* push, const Pull& pull);
  virtual absl::StatusOr<ops::Rows> FinishExchange();

  // How many updates the rows had in the last answer.
  [[nodiscard]] virtual std::int64_t version() const = 0;

  // All rows, for checkpoints and exports.
  [[nodiscard]] virtual ps::RowAccess& rows() = 0;

  // Of the training loop that uses this store; Exchange() tells pushing from pulling.
  [[nodiscard]] ReplicaMeter& meter() { return meter_; }

 private:
  ReplicaMeter meter_;
};

}  // namespace dime::worker
