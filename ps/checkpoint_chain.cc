#include "ps/checkpoint_chain.h"

#include <fmt/format.h>

#include <utility>

#include "ps/internal/variables.h"
#include "ps/unbounded_snapshot.h"
#include "runtime/storage/file_system.h"

namespace dime::ps {
namespace {

using checkpoint::BundleReader;

constexpr std::string_view kWhatToDo =
    "bring back that checkpoint's files, or go on from an older one";

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

// What is wrong with a base is damage of what builds on it.
absl::Status Unfounded(const BundleReader& reader, const std::string& base, std::string_view why) {
  return base::DataLoss("checkpoint '{}' builds on '{}', {}; {}", reader.prefix(), base, why,
                        kWhatToDo);
}

absl::StatusOr<std::unique_ptr<BundleReader>> OpenBase(BundleReader& reader) {
  DIME_ASSIGN_OR_RETURN(const std::optional<std::int64_t> step, BaseStepOf(reader));
  if (!step.has_value()) {
    return base::DataLoss("checkpoint '{}' has shards with changes alone, and says not of which",
                          reader.prefix());
  }
  DIME_ASSIGN_OR_RETURN(const std::string prefix, BasePrefix(reader.prefix(), *step));
  absl::StatusOr<std::unique_ptr<BundleReader>> base =
      BundleReader::Open(reader.file_system(), prefix);
  if (absl::IsNotFound(base.status())) return Unfounded(reader, prefix, "which is missing");
  if (IsDamage(base.status())) {
    return Unfounded(reader, prefix,
                     fmt::format("which is damaged: {}", base::MessageOf(base.status())));
  }
  DIME_RETURN_IF_ERROR(base.status());
  const absl::StatusOr<std::int64_t> its_step = (*base)->ReadInt64(internal::kGlobalStep);
  if (its_step.ok() && *its_step == *step) return *std::move(base);
  return Unfounded(reader, prefix,
                   its_step.ok()
                       ? fmt::format("which is of step {}", *its_step)
                       : fmt::format("which is damaged: {}", base::MessageOf(its_step.status())));
}

absl::Status CheckFingerprint(BundleReader& reader, BundleReader& base, std::string_view shard) {
  DIME_ASSIGN_OR_RETURN(const std::int64_t expected, ReadBaseFingerprint(reader, shard));
  const absl::StatusOr<std::int64_t> found = FingerprintOf(base, shard);
  if (found.ok() && *found == expected) return absl::OkStatus();
  return Unfounded(reader, base.prefix(),
                   fmt::format("whose {} is another one than it was then", shard));
}

}  // namespace

absl::StatusOr<std::optional<std::int64_t>> BaseStepOf(BundleReader& reader) {
  if (!reader.tensors().contains(kBaseStep) || ShardsWithChangesAlone(reader).empty()) {
    return std::optional<std::int64_t>();
  }
  DIME_ASSIGN_OR_RETURN(const std::int64_t base_step, reader.ReadInt64(kBaseStep));
  DIME_ASSIGN_OR_RETURN(const std::int64_t step, reader.ReadInt64(internal::kGlobalStep));
  if (base_step >= 0 && base_step < step) return std::optional(base_step);
  return base::DataLoss("checkpoint '{}' of step {} says that it builds on step {}",
                        reader.prefix(), step, base_step);
}

absl::StatusOr<std::string> BasePrefix(const std::string& prefix, std::int64_t base_step) {
  const std::size_t dash = prefix.rfind('-');
  if (dash == std::string::npos || prefix.find('/', dash) != std::string::npos) {
    return base::DataLoss("checkpoint '{}' builds on one of step {}, but has no step in its name",
                          prefix, base_step);
  }
  return fmt::format("{}-{}", std::string_view(prefix).substr(0, dash), base_step);
}

absl::Status CheckBase(BundleReader& reader) {
  std::unique_ptr<BundleReader> base;
  for (const std::string& shard : ShardsWithChangesAlone(reader)) {
    if (base == nullptr) {
      DIME_ASSIGN_OR_RETURN(base, OpenBase(reader));
    }
    DIME_RETURN_IF_ERROR(CheckFingerprint(reader, *base, shard));
  }
  return absl::OkStatus();
}

absl::StatusOr<BundleReader*> CheckpointChain::Reader(std::size_t depth) {
  while (readers_.size() <= depth) {
    DIME_ASSIGN_OR_RETURN(std::unique_ptr<BundleReader> base, OpenBase(*readers_.back()));
    readers_.push_back(base.get());
    bases_.push_back(std::move(base));
  }
  return readers_[depth];
}

absl::StatusOr<ShardRows> CheckpointChain::ReadShard(const ops::TableSpec& spec, int virtual_shard,
                                                     std::int64_t step) {
  const std::string name = ShardName(spec, virtual_shard);
  std::vector<SavedShard> parts;  // The newest first; the last one is whole.
  do {
    DIME_ASSIGN_OR_RETURN(BundleReader* const reader, Reader(parts.size()));
    if (!parts.empty()) {
      DIME_RETURN_IF_ERROR(CheckFingerprint(*readers_[parts.size() - 1], *reader, name));
    }
    absl::StatusOr<SavedShard> part = ReadSavedShard(*reader, spec, virtual_shard);
    if (!part.ok() && !parts.empty() && IsDamage(part.status())) {
      return Unfounded(*readers_[parts.size() - 1], reader->prefix(),
                       fmt::format("which is damaged: {}", base::MessageOf(part.status())));
    }
    DIME_RETURN_IF_ERROR(part.status());
    parts.push_back(*std::move(part));
    parts.back().rows.step = step;
  } while (!parts.back().is_whole);

  ShardRows rows = std::move(parts.back().rows);
  DIME_RETURN_IF_ERROR(CheckShard(spec, virtual_shard, rows));
  for (parts.pop_back(); !parts.empty(); parts.pop_back()) {
    DIME_RETURN_IF_ERROR(ApplyChanges(spec, virtual_shard, parts.back(), &rows));
  }
  return rows;
}

}  // namespace dime::ps
