#include "runtime/checkpoint/bundle_part.h"

#include <algorithm>
#include <map>
#include <utility>

#include "runtime/checkpoint/internal/bundle_format.h"
#include "runtime/checkpoint/internal/data_file_writer.h"
#include "runtime/checkpoint/internal/index_table.h"
#include "runtime/checkpoint/internal/row_slices.h"
#include "runtime/checkpoint/proto/tensor_bundle.pb.h"
#include "runtime/records/parse_message.h"

namespace dime::checkpoint {
namespace {

using internal::IndexEntries;

// Puts the entries of one part to those of the parts before it.
class EntryMerger {
 public:
  explicit EntryMerger(std::size_t num_parts) : num_parts_(num_parts) {}

  absl::Status Add(std::size_t part, const IndexEntries& entries) {
    for (const auto& [key, value] : entries) {
      const absl::Status status = key.empty() ? AddHeader(value) : AddEntry(part, key, value);
      if (!status.ok()) return base::Annotate(status, fmt::format("entries of part {}", part));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<IndexEntries> Finish() {
    for (auto& [name, entry] : sliced_) {
      std::ranges::sort(*entry.mutable_slices(), {},
                        [](const auto& slice) { return slice.extent(0).start(); });
      const auto slices = internal::ParseRowSlices(name, entry);
      if (!slices.ok()) return base::Annotate(slices.status(), fmt::format("tensor '{}'", name));
      for (const internal::RowSlice& slice : *slices) {
        if (merged_.contains(slice.key)) continue;
        return base::DataLoss("tensor '{}': no part has its rows {} to {}", name, slice.first,
                              slice.first + slice.count - 1);
      }
      merged_[name] = entry.SerializeAsString();
    }
    return std::move(merged_);
  }

 private:
  absl::Status AddHeader(const std::string& value) {
    proto::BundleHeaderProto header;
    if (!records::ParseMessage(value, &header) ||
        header.num_shards() != static_cast<int>(num_parts_)) {
      return base::InvalidArgument("they are of a bundle of {} data files, not of {}",
                                   header.num_shards(), num_parts_);
    }
    merged_[""] = value;
    return absl::OkStatus();
  }

  absl::Status AddEntry(std::size_t part, const std::string& key, const std::string& value) {
    proto::BundleEntryProto entry;
    if (!records::ParseMessage(value, &entry)) {
      return base::DataLoss("that of tensor '{}' is malformed", key);
    }
    if (entry.slices().empty()) {
      if (entry.shard_id() != static_cast<int>(part)) {
        return base::InvalidArgument("tensor '{}' lies in data file {}", key, entry.shard_id());
      }
      if (merged_.emplace(key, value).second && !sliced_.contains(key)) return absl::OkStatus();
      return base::InvalidArgument("tensor '{}' is there twice", key);
    }
    for (const auto& slice : entry.slices()) {
      if (slice.extent().empty()) return base::DataLoss("tensor '{}' has a bad slice", key);
    }
    const auto [found, is_new] = sliced_.try_emplace(key, entry);
    if (is_new) return absl::OkStatus();
    if (found->second.dtype() != entry.dtype() ||
        found->second.shape().SerializeAsString() != entry.shape().SerializeAsString()) {
      return base::InvalidArgument("tensor '{}' has another type or shape than in another part",
                                   key);
    }
    found->second.mutable_slices()->MergeFrom(entry.slices());
    return absl::OkStatus();
  }

  const std::size_t num_parts_;
  IndexEntries merged_;
  std::map<std::string, proto::BundleEntryProto> sliced_;
};

}  // namespace

class BundlePartWriter::Impl {
 public:
  explicit Impl(std::unique_ptr<internal::DataFileWriter> data) : data_(std::move(data)) {}
  [[nodiscard]] internal::DataFileWriter& data() { return *data_; }

 private:
  std::unique_ptr<internal::DataFileWriter> data_;
};

BundlePartWriter::BundlePartWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BundlePartWriter::~BundlePartWriter() = default;

absl::StatusOr<std::unique_ptr<BundlePartWriter>> BundlePartWriter::Create(
    storage::FileSystem& fs, const std::string& prefix, int part, int num_parts) {
  DIME_ASSIGN_OR_RETURN(auto data, internal::DataFileWriter::Create(fs, prefix, part, num_parts));
  return std::unique_ptr<BundlePartWriter>(
      new BundlePartWriter(std::make_unique<Impl>(std::move(data))));
}

absl::Status BundlePartWriter::AddInt64(const std::string& name, std::int64_t value) {
  DIME_RETURN_IF_ERROR(impl_->data().Begin(name, DataType::kInt64, {}));
  DIME_RETURN_IF_ERROR(
      impl_->data().Append({reinterpret_cast<const char*>(&value), sizeof(value)}));
  return impl_->data().End();
}

absl::Status BundlePartWriter::AddInt64s(const std::string& name,
                                         std::span<const std::int64_t> values) {
  const std::int64_t size = std::ssize(values);
  DIME_RETURN_IF_ERROR(impl_->data().Begin(name, DataType::kInt64, {&size, 1}));
  DIME_RETURN_IF_ERROR(
      impl_->data().Append({reinterpret_cast<const char*>(values.data()), values.size_bytes()}));
  return impl_->data().End();
}

absl::Status BundlePartWriter::BeginRows(const std::string& name,
                                         std::span<const std::int64_t> shape, std::int64_t first,
                                         std::int64_t count) {
  return impl_->data().BeginRows(name, shape, first, count);
}

absl::Status BundlePartWriter::AppendFloats(std::span<const float> values) {
  return impl_->data().Append({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

absl::Status BundlePartWriter::EndRows() { return impl_->data().End(); }

absl::StatusOr<std::string> BundlePartWriter::Finish() {
  DIME_RETURN_IF_ERROR(impl_->data().Commit());
  return internal::BuildIndexTable(impl_->data().entries());
}

absl::Status WriteBundleIndex(storage::FileSystem& fs, const std::string& prefix,
                              std::span<const std::string> entries) {
  EntryMerger merger(entries.size());
  for (std::size_t part = 0; part < entries.size(); ++part) {
    absl::StatusOr<IndexEntries> parsed = internal::ParseIndexTable(entries[part]);
    absl::Status status = parsed.status();
    if (status.ok()) status = merger.Add(part, *parsed);
    if (!status.ok()) return base::Annotate(status, fmt::format("write '{}'", prefix));
  }
  const absl::StatusOr<IndexEntries> merged = merger.Finish();
  if (!merged.ok()) return base::Annotate(merged.status(), fmt::format("write '{}'", prefix));
  return fs.WriteAtomically(internal::IndexPath(prefix), internal::BuildIndexTable(*merged));
}

}  // namespace dime::checkpoint
