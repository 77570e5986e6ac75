// worker/parameter_store.h - where a training step gets its rows from and sends its gradients to.
//
// One call a step. Fillings: tables in this process (worker/in_process_store.h); parameter servers;
// all-reduce. Threads: one at a time.
#pragma once

#include <cstdint>

#include "ops/table.h"
#include "runtime/base/status.h"

namespace dime::worker {

struct Push {
  std::int64_t step = 0;                  // How many steps the store holds with it.
  const ops::Lookups* lookups = nullptr;  // Which rows the gradients are for.
  const ops::Gradients* gradients = nullptr;
};

class ParameterStore {
 public:
  virtual ~ParameterStore() = default;

  // Applies `push` (may be null: nothing to push), then returns the rows that `next` asks for (may
  // be null: none). The rows stay valid until the next call.
  virtual absl::StatusOr<ops::Rows> Exchange(const Push* push, const ops::Lookups* next) = 0;
};

}  // namespace dime::worker
