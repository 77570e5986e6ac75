#include "runtime/records/tfrecord.h"

#include <cstring>
#include <limits>

#include "runtime/base/crc32c.h"

namespace dime::records {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

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

bool HasCrc(std::string_view data, const char* stored) {
  return base::UnmaskCrc32c(Load<std::uint32_t>(stored)) == base::Crc32c(data);
}

// kDataLoss unless the masked CRC at `stored` is that of `data`.
absl::Status CheckCrc(std::string_view data, const char* stored, std::string_view what) {
  if (HasCrc(data, stored)) return absl::OkStatus();
  return base::DataLoss("its {} is damaged: CRC {:08x}, expected {:08x}", what, base::Crc32c(data),
                        base::UnmaskCrc32c(Load<std::uint32_t>(stored)));
}

}  // namespace

void AppendRecord(std::string_view data, std::string* out) {
  const std::uint64_t length = data.size();
  const std::string_view length_bytes(reinterpret_cast<const char*>(&length), sizeof(length));
  out->reserve(out->size() + data.size() + kRecordFrameBytes);
  out->append(length_bytes);
  AppendMaskedCrc(length_bytes, out);
  out->append(data);
  AppendMaskedCrc(data, out);
}

bool LooksLikeRecords(std::string_view start) {
  return start.size() >= kRecordHeaderBytes &&
         HasCrc(start.substr(0, kLengthBytes), start.data() + kLengthBytes);
}

absl::StatusOr<std::optional<std::uint64_t>> FramedSize(std::string_view bytes) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  DIME_RETURN_IF_ERROR(
      CheckCrc(bytes.substr(0, kLengthBytes), bytes.data() + kLengthBytes, "length"));
  const auto length = Load<std::uint64_t>(bytes.data());
  if (length > std::numeric_limits<std::uint64_t>::max() - kRecordFrameBytes) {
    return base::DataLoss("its length of {} is impossible", length);
  }
  return length + kRecordFrameBytes;
}

absl::StatusOr<std::string_view> FramedData(std::string_view record) {
  const std::string_view data =
      record.substr(kRecordHeaderBytes, record.size() - kRecordFrameBytes);
  DIME_RETURN_IF_ERROR(CheckCrc(data, data.data() + data.size(), "data"));
  return data;
}

absl::StatusOr<std::vector<std::string_view>> SplitRecords(std::string_view file) {
  std::vector<std::string_view> records;
  std::size_t offset = 0;
  const auto where = [&] { return fmt::format("record at byte {}", offset); };
  while (offset < file.size()) {
    const std::string_view rest = file.substr(offset);
    const auto size = FramedSize(rest);
    if (!size.ok()) return base::Annotate(size.status(), where());
    if (!size->has_value() || **size > rest.size()) {
      return base::DataLoss("record at byte {} is cut off: {} bytes are left of {}", offset,
                            rest.size(), size->value_or(kRecordHeaderBytes));
    }
    const auto data = FramedData(rest.substr(0, static_cast<std::size_t>(**size)));
    if (!data.ok()) return base::Annotate(data.status(), where());
    records.push_back(*data);
    offset += static_cast<std::size_t>(**size);
  }
  return records;
}

}  // namespace dime::records
