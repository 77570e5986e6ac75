#include "worker/parameter_store.h"

namespace dime::worker {
namespace {

absl::Status NotApart() { return base::Unimplemented("rows cannot be pulled ahead of their step"); }

}  // namespace

absl::Status ParameterStore::StartExchange(const Push* /*push*/, const Pull& /*pull*/) {
  return NotApart();
}
absl::StatusOr<ops::Rows> ParameterStore::FinishExchange() { return NotApart(); }

}  // namespace dime::worker
