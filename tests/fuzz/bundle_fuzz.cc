// Any index beside a small data file is opened, verified and read, or refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/check.h"
#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"
#include "runtime/storage/file_system.h"
#include "tests/support/memory_file_system.h"

namespace {

using dime::checkpoint::BundleReader;
using dime::checkpoint::DataType;

constexpr char kPrefix[] = "model.ckpt-1";
constexpr char kIndexPath[] = "model.ckpt-1.index";
constexpr char kUncompressed = 0;
constexpr char kSnappy = 1;
constexpr std::size_t kFooterBytes = 48;
constexpr std::size_t kTrailerBytes = 5;

// Puts the input over the sound bytes, from a place that its first two bytes name.
std::string Damage(std::string bytes, std::string_view input) {
  if (input.size() < 2) return bytes;
  const auto at = static_cast<std::uint8_t>(input[0]) * 256u + static_cast<std::uint8_t>(input[1]);
  for (std::size_t i = 2; i < input.size(); ++i) bytes[(at + i - 2) % bytes.size()] ^= input[i];
  return bytes;
}

void AppendVarint(std::size_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// A place and size, as the table's parts name each other.
std::string Handle(std::size_t offset, std::size_t size) {
  std::string handle;
  AppendVarint(offset, &handle);
  AppendVarint(size, &handle);
  return handle;
}

void AppendBlock(std::string_view block, char compression, std::string* file) {
  const std::size_t start = file->size();
  *file += block;
  file->push_back(compression);
  const std::uint32_t crc =
      dime::base::MaskCrc32c(dime::base::Crc32c(std::string_view(*file).substr(start)));
  file->append(reinterpret_cast<const char*>(&crc), sizeof(crc));
}

// A table with this one data block in which all CRCs and places are right.
std::string TableOf(std::string_view block, char compression) {
  const std::string no_restarts(4, '\0');
  std::string index_block("\0\1", 2);  // A key of one byte: shared, own.
  const std::string block_handle = Handle(0, block.size());
  AppendVarint(block_handle.size(), &index_block);
  index_block += "k" + block_handle + no_restarts;

  std::string file;
  AppendBlock(block, compression, &file);
  const std::size_t metaindex_start = file.size();
  AppendBlock(no_restarts, kUncompressed, &file);
  const std::size_t index_start = file.size();
  AppendBlock(index_block, kUncompressed, &file);
  std::string footer =
      Handle(metaindex_start, no_restarts.size()) + Handle(index_start, index_block.size());
  footer.resize(kFooterBytes - sizeof(std::uint64_t));
  return file + footer + "\x57\xfb\x80\x8b\x24\x75\x47\xdb";
}

// What the footer starts with.
std::size_t MetaindexStart(std::string_view file) {
  std::size_t start = 0;
  int shift = 0;
  for (const char c : file.substr(file.size() - kFooterBytes)) {
    start |= (static_cast<std::size_t>(c) & 0x7f) << shift;
    if (static_cast<unsigned char>(c) < 0x80) break;
    shift += 7;
  }
  return start;
}

// One data file of two: a tensor of its own, and a row of one that both share.
std::string WritePart(dime::storage::FileSystem& files, int part) {
  auto writer = dime::checkpoint::BundlePartWriter::Create(files, kPrefix, part, 2);
  DIME_CHECK(writer.ok());
  const std::vector<std::int64_t> shape = {2, 3};
  const std::vector<float> row = {1, 2, 3};
  DIME_CHECK((*writer)->BeginRows("weights", shape, part, 1).ok());
  DIME_CHECK((*writer)->AppendFloats(row).ok());
  DIME_CHECK((*writer)->EndRows().ok());
  DIME_CHECK((*writer)->AddInt64(part == 0 ? "global_step" : "other", 7).ok());
  const auto entries = (*writer)->Finish();
  DIME_CHECK(entries.ok());
  return *entries;
}

// A sound bundle of three tensors, one in slices, made once; each input replaces or damages its
// index.
struct Bundle {
  Bundle() {
    const std::vector<std::string> entries = {WritePart(*files, 0), WritePart(*files, 1)};
    DIME_CHECK(dime::checkpoint::WriteBundleIndex(*files, kPrefix, entries).ok());
    index = *files->ReadFile(kIndexPath);
    block = index.substr(0, MetaindexStart(index) - kTrailerBytes);
    DIME_CHECK(files->WriteAtomically(kIndexPath, TableOf(block, kUncompressed)).ok());
    DIME_CHECK(BundleReader::Open(*files, kPrefix).ok());
  }

  const std::unique_ptr<dime::storage::FileSystem> files = dime::testing::NewMemoryFileSystem();
  std::string index;
  std::string block;
};

// The first byte says what the rest is: an index file, damage to a sound one, a block or damage to
// a sound block (in a table that is right otherwise, so that the CRC does not hide what it holds).
std::string MakeIndex(const Bundle& bundle, std::string_view input) {
  const std::string_view rest = input.substr(std::min<std::size_t>(input.size(), 1));
  switch (input.empty() ? 0 : input[0]) {
    case 0:
      return std::string(rest);
    case 1:
      return TableOf(rest, kUncompressed);
    case 2:
      return TableOf(rest, kSnappy);
    case 3:
      return TableOf(Damage(bundle.block, rest), kUncompressed);
    default:
      return Damage(bundle.index, rest);
  }
}

void ReadAll(BundleReader* reader) {
  constexpr std::int64_t kMaxElements = 1000;
  std::vector<float> floats;
  for (const auto& [name, info] : reader->tensors()) {
    (void)reader->ReadInt64(name);
    (void)reader->ReadStrings(name);
    floats.resize(
        static_cast<std::size_t>(std::clamp<std::int64_t>(info.num_elements(), 0, kMaxElements)));
    (void)reader->ReadFloats(name, floats);
    const std::vector<dime::checkpoint::RowRange> ranges = {{0, 1}, {1, kMaxElements}};
    (void)reader->ReadRows(name, {ranges.data(), 2}, [](auto, auto) { return absl::OkStatus(); });
    (void)reader->ReadRows(name, {ranges.data(), 1}, [](auto, auto) { return absl::OkStatus(); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Bundle bundle;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string index = MakeIndex(bundle, input);
  DIME_CHECK(bundle.files->WriteAtomically(kIndexPath, index).ok());
  const auto reader = BundleReader::Open(*bundle.files, kPrefix);
  if (!reader.ok()) {
    DIME_CHECK(index != bundle.index);
    return 0;
  }
  const bool is_damaged = size > 0 && data[0] > 3 && index != bundle.index;
  DIME_CHECK(!is_damaged);  // One flipped bit is always found.
  (void)(*reader)->Verify();
  ReadAll(reader->get());
  return 0;
}
