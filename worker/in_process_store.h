// worker/in_process_store.h - the parameter store of one process: its own tables, no copies of
// dense ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/table.h"
#include "worker/parameter_store.h"

namespace dime::worker {

class InProcessStore final : public ParameterStore {
 public:
  static absl::StatusOr<std::unique_ptr<InProcessStore>> Create(
      const std::vector<ops::TableSpec>& specs, std::uint64_t seed);

  absl::StatusOr<ops::Rows> Exchange(const Push* push, const ops::Lookups* next) override;

  // For snapshots, in the order of the specs.
  [[nodiscard]] std::vector<const ps::Table*> tables() const;
  [[nodiscard]] std::vector<ps::Table*> mutable_tables();

 private:
  void Apply(const Push& push);
  std::span<const float> Pull(std::size_t t, const ops::TableLookup& lookup);

  std::vector<std::unique_ptr<ps::Table>> tables_;
  std::vector<std::vector<float>> gathered_;  // By table: rows that do not lie together there.
};

}  // namespace dime::worker
