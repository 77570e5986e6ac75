#include "runtime/checkpoint/internal/index_table.h"

#include <leveldb/env.h>
#include <leveldb/options.h>
#include <leveldb/table_builder.h>
#include <snappy.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "runtime/base/check.h"
#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/internal/varint.h"

namespace dime::checkpoint::internal {
namespace {

constexpr std::size_t kBlockBytes = 262144;  // TensorFlow's, so that small indexes are one block.
constexpr std::size_t kTrailerBytes = 5;     // Compression, CRC.
constexpr std::size_t kHandlesBytes = 40;
constexpr std::size_t kFooterBytes = kHandlesBytes + sizeof(std::uint64_t);
constexpr std::uint64_t kMagic = 0xdb4775248b80fb57;
enum class Compression : char { kNone = 0, kSnappy = 1 };

class StringFile : public leveldb::WritableFile {
 public:
  leveldb::Status Append(const leveldb::Slice& data) override {
    contents_.append(data.data(), data.size());
    return leveldb::Status::OK();
  }
  leveldb::Status Close() override { return leveldb::Status::OK(); }
  leveldb::Status Flush() override { return leveldb::Status::OK(); }
  leveldb::Status Sync() override { return leveldb::Status::OK(); }

  [[nodiscard]] std::string TakeContents() { return std::move(contents_); }

 private:
  std::string contents_;
};

std::uint32_t LoadUint32(const char* bytes) {
  std::uint32_t value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// --- Blocks

// Where a block lies; its trailer follows it.
struct Handle {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  // Valid once CheckHandle() has passed.
  [[nodiscard]] std::uint64_t end() const { return offset + size + kTrailerBytes; }
};

bool TakeHandle(std::string_view* bytes, Handle* handle) {
  return TakeVarint(bytes, &handle->offset) && TakeVarint(bytes, &handle->size);
}

absl::Status CheckHandle(const Handle& handle, std::uint64_t limit, std::string_view what) {
  if (handle.offset <= limit && limit - handle.offset >= kTrailerBytes &&
      handle.size <= limit - handle.offset - kTrailerBytes) {
    return absl::OkStatus();
  }
  return base::DataLoss("the {} at byte {} with {} bytes reaches over byte {}", what, handle.offset,
                        handle.size, limit);
}

absl::StatusOr<std::string> Uncompress(std::string_view data, std::string_view what) {
  // Three bytes stand for 64 at most, so no few bytes may ask for much memory.
  constexpr std::size_t kMaxRatio = 22;
  const std::size_t max_size = std::min(kMaxIndexBytes, data.size() * kMaxRatio);
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(data.data(), data.size(), &size) || size > max_size) {
    return base::DataLoss("the {} has a bad uncompressed size", what);
  }
  std::string block;
  if (!snappy::Uncompress(data.data(), data.size(), &block)) {
    return base::DataLoss("the {} cannot be uncompressed", what);
  }
  return block;
}

// The contents of a block whose handle was checked.
absl::StatusOr<std::string> ReadBlock(std::string_view file, const Handle& handle,
                                      std::string_view what) {
  const std::string_view data = file.substr(handle.offset, handle.size);
  const char* trailer = data.data() + data.size();
  const std::uint32_t expected = base::UnmaskCrc32c(LoadUint32(trailer + 1));
  const std::uint32_t found = base::Crc32c(file.substr(handle.offset, handle.size + 1));
  if (found != expected) {
    return base::DataLoss("the {} at byte {} is damaged: CRC {:08x}, expected {:08x}", what,
                          handle.offset, found, expected);
  }
  switch (static_cast<Compression>(*trailer)) {
    case Compression::kNone:
      return std::string(data);
    case Compression::kSnappy:
      return Uncompress(data, what);
  }
  return base::DataLoss("the {} at byte {} has the unknown compression {}", what, handle.offset,
                        static_cast<int>(*trailer));
}

// Walks over the entries of a block: shared key bytes, own key bytes, value bytes, key, value.
class BlockCursor {
 public:
  // False when the block's own lengths do not fit into it.
  static bool Create(std::string_view block, BlockCursor* cursor) {
    if (block.size() < sizeof(std::uint32_t)) return false;
    const std::size_t last = block.size() - sizeof(std::uint32_t);
    const std::uint64_t num_restarts = LoadUint32(block.data() + last);
    if (num_restarts * sizeof(std::uint32_t) > last) return false;
    cursor->rest_ = block.substr(0, last - num_restarts * sizeof(std::uint32_t));
    return true;
  }

  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }

  bool Next() {
    std::uint64_t shared = 0;
    std::uint64_t unshared = 0;
    std::uint64_t value_size = 0;
    if (!TakeVarint(&rest_, &shared) || !TakeVarint(&rest_, &unshared) ||
        !TakeVarint(&rest_, &value_size) || shared > key_.size() || unshared > rest_.size() ||
        value_size > rest_.size() - unshared) {
      return false;
    }
    key_.resize(shared);
    key_.append(rest_.substr(0, unshared));
    value_ = rest_.substr(unshared, value_size);
    rest_.remove_prefix(unshared + value_size);
    return true;
  }

  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] std::string_view value() const { return value_; }

 private:
  std::string_view rest_;
  std::string key_;
  std::string_view value_;
};

// --- The table

struct Footer {
  Handle metaindex;
  Handle index;
};

// The footer is the only part without a CRC. What it says must fit the file to the byte, and must
// be said in the one way that writers do.
absl::StatusOr<Footer> ParseFooter(std::string_view file) {
  if (file.size() < kFooterBytes) {
    return base::DataLoss("it has {} bytes, too few for a footer of {}", file.size(), kFooterBytes);
  }
  const std::string_view handles = file.substr(file.size() - kFooterBytes).substr(0, kHandlesBytes);
  std::uint64_t magic;
  std::memcpy(&magic, handles.data() + kHandlesBytes, sizeof(magic));
  if (magic != kMagic) {
    return base::DataLoss("it ends with {:016x} instead of {:016x}: it is cut off or no table",
                          magic, kMagic);
  }
  Footer footer;
  std::string_view rest = handles;
  if (!TakeHandle(&rest, &footer.metaindex) || !TakeHandle(&rest, &footer.index)) {
    return base::DataLoss("its footer is damaged");
  }
  std::string canonical;
  for (const Handle& handle : {footer.metaindex, footer.index}) {
    AppendVarint(handle.offset, &canonical);
    AppendVarint(handle.size, &canonical);
  }
  canonical.resize(kHandlesBytes);
  const std::uint64_t blocks_end = file.size() - kFooterBytes;
  DIME_RETURN_IF_ERROR(CheckHandle(footer.index, blocks_end, "index block"));
  DIME_RETURN_IF_ERROR(CheckHandle(footer.metaindex, footer.index.offset, "metaindex block"));
  if (canonical != handles || footer.index.end() != blocks_end ||
      footer.metaindex.end() != footer.index.offset) {
    return base::DataLoss("its footer is damaged");
  }
  return footer;
}

absl::Status AddEntry(const BlockCursor& cursor, std::size_t* total_bytes, IndexEntries* entries) {
  *total_bytes += cursor.key().size() + cursor.value().size();
  if (*total_bytes > kMaxIndexBytes) {
    return base::OutOfRange("its entries take more than {} bytes", kMaxIndexBytes);
  }
  if (!entries->empty() && cursor.key() <= entries->rbegin()->first) {
    return base::DataLoss("its keys are not in order: '{}' after '{}'", cursor.key(),
                          entries->rbegin()->first);
  }
  entries->emplace_hint(entries->end(), cursor.key(), cursor.value());
  return absl::OkStatus();
}

}  // namespace

std::string BuildIndexTable(const IndexEntries& entries) {
  leveldb::Options options;
  options.compression = leveldb::kNoCompression;
  options.block_size = kBlockBytes;
  StringFile file;
  leveldb::TableBuilder builder(options, &file);
  for (const auto& [key, value] : entries) builder.Add(key, value);
  DIME_CHECK(builder.Finish().ok());  // Only a failing file can make it fail.
  return file.TakeContents();
}

absl::StatusOr<IndexEntries> ParseIndexTable(std::string_view file) {
  DIME_ASSIGN_OR_RETURN(const Footer footer, ParseFooter(file));
  DIME_RETURN_IF_ERROR(ReadBlock(file, footer.metaindex, "metaindex block").status());
  DIME_ASSIGN_OR_RETURN(const std::string index, ReadBlock(file, footer.index, "index block"));

  IndexEntries entries;
  std::size_t total_bytes = 0;
  std::uint64_t position = 0;
  BlockCursor blocks;
  if (!BlockCursor::Create(index, &blocks)) return base::DataLoss("its index block is malformed");
  while (!blocks.AtEnd()) {
    Handle handle;
    std::string_view value;
    if (blocks.Next()) value = blocks.value();
    if (!TakeHandle(&value, &handle)) return base::DataLoss("its index block is malformed");
    if (handle.offset != position) {
      return base::DataLoss("its data block at byte {} should be at byte {}", handle.offset,
                            position);
    }
    DIME_RETURN_IF_ERROR(CheckHandle(handle, footer.metaindex.offset, "data block"));
    DIME_ASSIGN_OR_RETURN(const std::string block, ReadBlock(file, handle, "data block"));

    BlockCursor cursor;
    bool well_formed = BlockCursor::Create(block, &cursor);
    while (well_formed && !cursor.AtEnd()) {
      well_formed = cursor.Next();
      if (well_formed) DIME_RETURN_IF_ERROR(AddEntry(cursor, &total_bytes, &entries));
    }
    if (!well_formed) return base::DataLoss("its data block at byte {} is malformed", position);
    position = handle.end();
  }
  if (position != footer.metaindex.offset) {
    return base::DataLoss("its bytes {} to {} belong to no block", position,
                          footer.metaindex.offset);
  }
  return entries;
}

}  // namespace dime::checkpoint::internal
