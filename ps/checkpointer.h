// ps/checkpointer.h - checkpoints of all rows, wherever they are, while training goes on.
//
// A checkpoint is cut, which takes a moment, and then written, which takes long. One at a time.
// Threads: the one that trains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ps/part_save.h"
#include "ps/table.h"
#include "runtime/base/status.h"

namespace dime::ps {

class Checkpointer {
 public:
  virtual ~Checkpointer() = default;

  // Fills all rows from a bundle, and returns how many steps it holds. kDataLoss for damage: then
  // the rows hold anything.
  virtual absl::StatusOr<std::int64_t> Load(const std::string& prefix) = 0;

  // Freezes all rows as they are, each push in all of them or in none (but the last one of a
  // replica that was lost while it pushed, which some may have), and returns how many steps they
  // hold.
  virtual absl::StatusOr<std::int64_t> Cut() = 0;
  // Begins to write what was frozen, as a bundle. An error ends it, here and below. With
  // `base_step` it may hold, of unbounded tables, what has changed since the checkpoint of that
  // step, which lies beside it under a name of the same form (checkpoint_chain.h). Whoever cannot
  // tell what has changed since then writes all.
  absl::Status StartWriting(const std::string& prefix, std::optional<std::int64_t> base_step = {}) {
    return StartWritingFrom(base_step, prefix);
  }
  // Whether the bundle is whole and on disk. kFailedPrecondition when weights are no finite
  // numbers: then there is none.
  virtual absl::StatusOr<bool> IsWritten() = 0;
  // Neither cut nor writing is wanted any more.
  virtual void GiveUp() = 0;

  // Waits for it, for an hour at most; then kDeadlineExceeded names who has not written, and it is
  // given up.
  absl::Status AwaitWritten();

 private:
  virtual absl::Status StartWritingFrom(std::optional<std::int64_t> base_step,
                                        const std::string& prefix) = 0;
  // Whose part is not known to be written.
  [[nodiscard]] virtual std::string Awaited() const = 0;
};

// Of tables in this process, which hold all rows.
class LocalCheckpointer final : public Checkpointer {
 public:
  // The tables outlive this object. `version` says how many steps they hold, `set_version` is told.
  LocalCheckpointer(std::vector<Table*> tables, std::function<std::int64_t()> version,
                    std::function<void(std::int64_t)> set_version,
                    std::vector<UnboundedTable*> unbounded = {});

  absl::StatusOr<std::int64_t> Load(const std::string& prefix) override;
  absl::StatusOr<std::int64_t> Cut() override;
  absl::StatusOr<bool> IsWritten() override;
  void GiveUp() override;

 private:
  absl::Status StartWritingFrom(std::optional<std::int64_t> base_step,
                                const std::string& prefix) override;
  [[nodiscard]] std::string Awaited() const override { return "this process"; }

  const std::vector<Table*> tables_;
  const std::vector<UnboundedTable*> unbounded_;  // Null for fixed ones; or empty.
  const std::function<std::int64_t()> version_;
  const std::function<void(std::int64_t)> set_version_;
  std::unique_ptr<PartSave> save_;           // Null: none is under way.
  std::optional<PartSave::Base> last_save_;  // None where the last cut was not written, or no more.
  PartSave::Target target_;
};

}  // namespace dime::ps
