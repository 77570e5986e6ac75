// worker/in_process_store.h - the parameter store of one process: all rows, no copies of dense
// ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/table.h"
#include "ps/checkpointer.h"
#include "ps/row_access.h"
#include "ps/shards.h"
#include "ps/table.h"
#include "worker/parameter_store.h"

namespace dime::worker {

class InProcessStore final : public ParameterStore {
 public:
  // With several micro-batches a step is the update that their pushes make together.
  static absl::StatusOr<std::unique_ptr<InProcessStore>> Create(
      const std::vector<ops::TableSpec>& specs, std::uint64_t seed,
      const ps::ConsistencyOptions& options = {});

  absl::StatusOr<ops::Rows> Exchange(const Push* push, const Pull& pull) override;
  [[nodiscard]] std::int64_t version() const override { return shards_->version(); }
  [[nodiscard]] ps::RowAccess& rows() override { return *rows_; }

  [[nodiscard]] ps::Checkpointer& checkpointer() { return *checkpointer_; }
  void set_version(std::int64_t version) { shards_->set_version(version); }

  // In the order of the specs.
  [[nodiscard]] std::vector<const ps::Table*> tables() const;
  [[nodiscard]] std::vector<ps::Table*> mutable_tables();

 private:
  absl::Status Apply(const Push& push);
  std::span<const float> Values(std::size_t t, const ops::TableLookup& lookup);

  std::unique_ptr<ps::Shards> shards_;
  std::unique_ptr<ps::LocalRows> rows_;
  std::unique_ptr<ps::LocalCheckpointer> checkpointer_;
  std::vector<ps::TableGradients> gradients_;
  std::vector<std::vector<float>> gathered_;  // By table: rows that do not lie together there.
};

}  // namespace dime::worker
