#include "ps/part_save.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/checkpoint_chain.h"
#include "ps/sharding.h"
#include "ps/unbounded_snapshot.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

constexpr std::int64_t kPieceFloats = std::int64_t{1} << 16;

}  // namespace

PartSave::PartSave(std::vector<Table*> tables, Layout layout,
                   std::span<UnboundedTable* const> unbounded, std::optional<Base> before)
    : tables_(std::move(tables)), layout_(layout), before_(std::move(before)) {
  for (Table* const table : tables_) cuts_.push_back(&table->BeginCut());
  for (UnboundedTable* const table : unbounded) {
    if (table == nullptr) continue;
    unbounded_.push_back(table);
    unbounded_cuts_.push_back(&table->BeginCut());
  }
}

PartSave::~PartSave() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  for (Table* const table : tables_) table->EndCut();
  for (UnboundedTable* const table : unbounded_) table->EndCut();
}

absl::Status PartSave::Begin(const Target& target) {
  DIME_CHECK(!has_begun_);
  has_begun_ = true;
  target_ = target;
  if (layout_ == Layout::kWhole) {
    PlanWholeTables();
  } else {
    PlanShards();
  }
  PlanUnbounded();
  builds_on_before_ =
      before_.has_value() && target.base_step.has_value() && before_->step == *target.base_step;
  auto writer = checkpoint::BundlePartWriter::Create(*target.files, target.prefix, target.part,
                                                     target.num_parts);
  if (writer.ok()) {
    writer_ = *std::move(writer);
  } else {
    Finish(writer.status());
  }
  return writer.status();
}

PartSave::Rows PartSave::PartOf(std::size_t table, int part) const {
  const ops::TableSpec& spec = tables_[table]->spec();
  const int num_parts = internal::NumParts(spec, SnapshotParts::kWeightsAndSlots);
  const std::int64_t num_rows = tables_[table]->num_rows();
  const std::int64_t tensor_rows = spec.shape.empty() ? 1 : spec.shape.front();
  return {.spec = &spec,
          .cut = cuts_[table],
          .part = part,
          .is_last_part = part + 1 == num_parts,
          .count = num_rows,
          .in_tensor = {0, tensor_rows}};
}

// All variables in the order of their names.
void PartSave::PlanWholeTables() {
  std::vector<ops::TableSpec> specs;
  for (const Table* const table : tables_) specs.push_back(table->spec());
  for (const auto& [name, variable] :
       internal::VariablesOf(specs, SnapshotParts::kWeightsAndSlots)) {
    if (const auto* const part = std::get_if<internal::TablePart>(&variable.content)) {
      pieces_.push_back({name, PartOf(part->table, part->part)});
    } else if (const auto* const power = std::get_if<internal::BetaPower>(&variable.content)) {
      pieces_.push_back({name, *power});
    } else {
      pieces_.push_back({name, internal::GlobalStep{}});
    }
  }
}

// All parts of one shard, then of the next one.
void PartSave::PlanShards() {
  if (target_.part == 0) {
    PlanWholeTables();
    std::erase_if(pieces_, [](const Piece& p) { return std::holds_alternative<Rows>(p.content); });
  }
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const Table& table = *tables_[t];
    const ops::TableSpec& spec = table.spec();
    if (spec.unbounded) continue;
    const int num_parts = internal::NumParts(spec, SnapshotParts::kWeightsAndSlots);
    const std::int64_t shard_rows = Sharding::RowsPerShard(spec);
    std::int64_t first_here = 0;
    for (const RowBlock& block : table.blocks()) {
      for (std::int64_t done = 0; done < block.count; done += shard_rows) {
        const std::int64_t count = std::min(shard_rows, block.count - done);
        for (int part = 0; part < num_parts; ++part) {
          Rows rows = PartOf(t, part);
          rows.first = first_here;
          rows.count = count;
          if (count < spec.num_rows) rows.in_tensor = {block.first + done, count};
          pieces_.push_back({internal::VariableName(spec, part), rows});
        }
        first_here += count;
      }
    }
  }
}

void PartSave::PlanUnbounded() {
  if (target_.part == 0 && target_.base_step.has_value()) {
    pieces_.push_back({std::string(kBaseStep), BaseStep{}});
  }
  for (std::size_t t = 0; t < unbounded_.size(); ++t) {
    const ops::TableSpec& spec = unbounded_[t]->spec();
    for (const int shard : unbounded_[t]->virtual_shards()) {
      pieces_.push_back({spec.name, Shard{&spec, unbounded_cuts_[t], shard}});
    }
  }
}

void PartSave::StartThread() {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (Step()) {
      if (stop.stop_requested()) Finish(base::Cancelled("write '{}': given up", target_.prefix));
    }
  });
}

void PartSave::Cancel() {
  is_cancelled_ = true;
  thread_.request_stop();
}

bool PartSave::Step() {
  if (is_over()) return false;
  DIME_CHECK(writer_ != nullptr);
  if (piece_ == pieces_.size()) {
    Finish(writer_->Finish());
    return false;
  }
  const absl::Status written = WriteNext();
  if (!written.ok()) Finish(written);
  return written.ok();
}

absl::Status PartSave::WriteNext() {
  const Piece& piece = pieces_[piece_];
  bool is_whole = true;
  if (const auto* const rows = std::get_if<Rows>(&piece.content)) {
    DIME_ASSIGN_OR_RETURN(is_whole, WriteRows(piece.name, *rows));
  } else if (const auto* const power = std::get_if<internal::BetaPower>(&piece.content)) {
    const float value = power->At(target_.global_step);
    DIME_RETURN_IF_ERROR(writer_->BeginRows(piece.name, {}, 0, 1));
    DIME_RETURN_IF_ERROR(writer_->AppendFloats({&value, 1}));
    DIME_RETURN_IF_ERROR(writer_->EndRows());
  } else if (const auto* const shard = std::get_if<Shard>(&piece.content)) {
    DIME_RETURN_IF_ERROR(WriteShardOf(*shard));
  } else if (std::holds_alternative<BaseStep>(piece.content)) {
    DIME_RETURN_IF_ERROR(writer_->AddInt64(piece.name, *target_.base_step));
  } else {
    DIME_RETURN_IF_ERROR(writer_->AddInt64(piece.name, target_.global_step));
  }
  if (!is_whole) return absl::OkStatus();
  ++piece_;
  row_ = 0;
  return absl::OkStatus();
}

// The next ones of these rows. Whether they are all written.
absl::StatusOr<bool> PartSave::WriteRows(const std::string& name, const Rows& rows) {
  const ops::TableSpec& spec = *rows.spec;
  if (row_ == 0) {
    DIME_RETURN_IF_ERROR(
        writer_->BeginRows(name, spec.shape, rows.in_tensor.first, rows.in_tensor.count));
  }
  const std::int64_t count =
      std::min(std::max<std::int64_t>(1, kPieceFloats / spec.dim), rows.count - row_);
  block_.resize(static_cast<std::size_t>(count * spec.dim));
  rows.cut->Read(rows.part, rows.first + row_, count, rows.is_last_part, block_.data());
  if (rows.part == 0) DIME_RETURN_IF_ERROR(CheckFinite(spec, block_));
  DIME_RETURN_IF_ERROR(writer_->AppendFloats(block_));
  row_ += count;
  if (row_ < rows.count) return false;
  DIME_RETURN_IF_ERROR(writer_->EndRows());
  return true;
}

absl::Status PartSave::WriteShardOf(const Shard& shard) {
  const std::size_t at = fingerprints_.size();
  const SavedShard saved = builds_on_before_ ? shard.cut->ReadChanges(shard.number)
                                             : SavedShard{.rows = shard.cut->Read(shard.number)};
  // Its slots are to be finite, too: they lie in between.
  DIME_RETURN_IF_ERROR(CheckFinite(*shard.spec, saved.rows.records));
  DIME_ASSIGN_OR_RETURN(const std::int64_t fingerprint,
                        WriteShard(*shard.spec, shard.number, saved,
                                   saved.is_whole ? 0 : before_->fingerprints[at], *writer_));
  fingerprints_.push_back(fingerprint);
  return absl::OkStatus();
}

absl::Status PartSave::CheckFinite(const ops::TableSpec& spec,
                                   std::span<const float> weights) const {
  if (std::ranges::all_of(weights, [](float x) { return std::isfinite(x); })) {
    return absl::OkStatus();
  }
  return base::FailedPrecondition(
      "training has diverged: after step {} '{}' holds values that are no finite numbers; "
      "try a smaller learning rate, or look for extreme values in the input",
      target_.global_step, spec.name);
}

void PartSave::Finish(absl::StatusOr<std::string> entries) {
  writer_.reset();  // Without its data file, if it is not published.
  entries_ = std::move(entries);
  is_over_.store(true, std::memory_order_release);
}

std::size_t PartSave::peak_copy_bytes() const {
  std::size_t bytes = 0;
  for (const TableCut* const cut : cuts_) bytes += cut->peak_bytes();
  for (const UnboundedCut* const cut : unbounded_cuts_) bytes += cut->peak_bytes();
  return bytes;
}

}  // namespace dime::ps
