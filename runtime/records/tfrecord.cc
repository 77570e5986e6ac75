#include "runtime/records/tfrecord.h"

#include <cstring>

#include "runtime/base/crc32c.h"

namespace dime::records {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);
constexpr std::size_t kCrcBytes = sizeof(std::uint32_t);
constexpr std::size_t kHeaderBytes = kLengthBytes + kCrcBytes;

template <typename Integer>
Integer Load(const char* bytes) {
  Integer value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

void AppendMaskedCrc(std::string_view data, std::string* out) {
  const std::uint32_t crc = base::MaskCrc32c(base::Crc32c(data));
  out->append(reinterpret_cast<const char*>(&crc), sizeof(crc));
}

// kDataLoss unless the masked CRC at `stored` is that of `data`.
absl::Status CheckCrc(std::string_view data, const char* stored, const char* what,
                      std::size_t record_offset) {
  const std::uint32_t expected = base::UnmaskCrc32c(Load<std::uint32_t>(stored));
  const std::uint32_t found = base::Crc32c(data);
  if (found == expected) return absl::OkStatus();
  return base::DataLoss("record at byte {}: its {} is damaged: CRC {:08x}, expected {:08x}",
                        record_offset, what, found, expected);
}

}  // namespace

void AppendRecord(std::string_view data, std::string* out) {
  const std::uint64_t length = data.size();
  const std::string_view length_bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  out->reserve(out->size() + kHeaderBytes + data.size() + kCrcBytes);
  out->append(length_bytes);
  AppendMaskedCrc(length_bytes, out);
  out->append(data);
  AppendMaskedCrc(data, out);
}

absl::StatusOr<std::vector<std::string_view>> SplitRecords(std::string_view file) {
  std::vector<std::string_view> records;
  std::size_t offset = 0;
  while (offset < file.size()) {
    const std::string_view rest = file.substr(offset);
    if (rest.size() < kHeaderBytes) {
      return base::DataLoss("record at byte {} is cut off: {} bytes are left for a header of {}",
                            offset, rest.size(), kHeaderBytes);
    }
    DIME_RETURN_IF_ERROR(
        CheckCrc(rest.substr(0, kLengthBytes), rest.data() + kLengthBytes, "length", offset));
    const auto length = Load<std::uint64_t>(rest.data());
    const std::size_t room = rest.size() - kHeaderBytes;
    if (room < kCrcBytes || length > room - kCrcBytes) {
      return base::DataLoss("record at byte {} is cut off: {} bytes are left for data of {}",
                            offset, room, length);
    }
    const std::string_view data = rest.substr(kHeaderBytes, length);
    DIME_RETURN_IF_ERROR(CheckCrc(data, data.data() + data.size(), "data", offset));
    records.push_back(data);
    offset += kHeaderBytes + length + kCrcBytes;
  }
  return records;
}

}  // namespace dime::records
