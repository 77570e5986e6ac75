#include "ps/checkpointer.h"

#include <chrono>
#include <thread>
#include <utility>

#include "ps/snapshot.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"

namespace dime::ps {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{1};
constexpr std::chrono::hours kPatience{1};

}  // namespace

absl::Status Checkpointer::AwaitWritten() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    DIME_ASSIGN_OR_RETURN(const bool written, IsWritten());
    if (written) return absl::OkStatus();
    if (std::chrono::steady_clock::now() >= deadline) {
      const std::string awaited = Awaited();
      GiveUp();
      return base::DeadlineExceeded("a checkpoint is not written after {} h by {}",
                                    kPatience.count(), awaited);
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

LocalCheckpointer::LocalCheckpointer(std::vector<Table*> tables,
                                     std::function<std::int64_t()> version,
                                     std::function<void(std::int64_t)> set_version,
                                     std::vector<UnboundedTable*> unbounded)
    : tables_(std::move(tables)),
      unbounded_(std::move(unbounded)),
      version_(std::move(version)),
      set_version_(std::move(set_version)) {}

absl::StatusOr<std::int64_t> LocalCheckpointer::Load(const std::string& prefix) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const files, storage::FileSystemFor(prefix));
  DIME_ASSIGN_OR_RETURN(const auto bundle, checkpoint::BundleReader::Open(*files, prefix));
  last_save_.reset();
  DIME_ASSIGN_OR_RETURN(
      const std::int64_t step,
      ReadSnapshot(*bundle, SnapshotParts::kWeightsAndSlots, tables_, unbounded_));
  set_version_(step);
  return step;
}

absl::StatusOr<std::int64_t> LocalCheckpointer::Cut() {
  save_.reset();
  save_ = std::make_unique<PartSave>(tables_, PartSave::Layout::kWhole, unbounded_,
                                     std::exchange(last_save_, std::nullopt));
  target_.global_step = version_();
  return target_.global_step;
}

absl::Status LocalCheckpointer::StartWritingFrom(std::optional<std::int64_t> base_step,
                                                 const std::string& prefix) {
  target_.prefix = prefix;
  target_.base_step = base_step;
  absl::StatusOr<storage::FileSystem*> files = storage::FileSystemFor(prefix);
  absl::Status begun = files.status();
  if (begun.ok()) {
    target_.files = *files;
    begun = save_->Begin(target_);
  }
  if (begun.ok()) {
    save_->StartThread();
  } else {
    save_.reset();
  }
  return begun;
}

absl::StatusOr<bool> LocalCheckpointer::IsWritten() {
  if (save_ == nullptr) return base::Aborted("no checkpoint is being written");
  if (!save_->is_over()) return false;
  const absl::StatusOr<std::string> entries = save_->entries();
  if (entries.ok()) last_save_ = save_->AsBase();
  save_.reset();
  if (!entries.ok()) return entries.status();
  DIME_RETURN_IF_ERROR(
      checkpoint::WriteBundleIndex(*target_.files, target_.prefix, {&*entries, 1}));
  return true;
}

void LocalCheckpointer::GiveUp() { save_.reset(); }

}  // namespace dime::ps
