#include "ps/row_access.h"

namespace dime::ps {

LocalRows::LocalRows(std::span<Table* const> tables) : tables_(tables.begin(), tables.end()) {
  for (const Table* const table : tables_) specs_.push_back(table->spec());
}

absl::Status LocalRows::ReadRows(std::size_t table, int part, std::int64_t first,
                                 std::int64_t count, std::span<float> out) {
  tables_[table]->CopyOut(part, first, count, out.data());
  return absl::OkStatus();
}

absl::Status LocalRows::WriteRows(std::size_t table, int part, std::int64_t first,
                                  std::int64_t count, std::span<const float> in) {
  tables_[table]->CopyIn(part, first, count, in.data());
  return absl::OkStatus();
}

}  // namespace dime::ps
