#include "runtime/checkpoint/internal/string_tensor.h"

#include <cstring>
#include <limits>

#include "runtime/base/crc32c.h"
#include "runtime/checkpoint/internal/varint.h"

namespace dime::checkpoint::internal {
namespace {

// CRCs cover a length as a number of fixed width, not as the varint that is stored.
std::uint32_t ExtendByLength(std::uint32_t crc, std::uint64_t length) {
  if (length > std::numeric_limits<std::uint32_t>::max()) {
    return base::ExtendCrc32c(crc, &length, sizeof(length));
  }
  const auto narrow = static_cast<std::uint32_t>(length);
  return base::ExtendCrc32c(crc, &narrow, sizeof(narrow));
}

}  // namespace

absl::StatusOr<StringTensor> ParseStringTensor(std::string_view bytes, std::int64_t num_elements) {
  StringTensor tensor;
  std::vector<std::uint64_t> lengths(num_elements);
  for (std::uint64_t& length : lengths) {
    if (!TakeVarint(&bytes, &length)) return base::DataLoss("its lengths are cut off");
    tensor.crc = ExtendByLength(tensor.crc, length);
  }
  std::uint32_t stored;
  if (bytes.size() < sizeof(stored)) return base::DataLoss("its lengths' CRC is cut off");
  std::memcpy(&stored, bytes.data(), sizeof(stored));
  if (base::UnmaskCrc32c(stored) != tensor.crc) {
    return base::DataLoss("its lengths are damaged: CRC {:08x}, expected {:08x}", tensor.crc,
                          base::UnmaskCrc32c(stored));
  }
  bytes.remove_prefix(sizeof(stored));
  tensor.crc = base::ExtendCrc32c(tensor.crc, &stored, sizeof(stored));
  tensor.crc = base::ExtendCrc32c(tensor.crc, bytes.data(), bytes.size());

  tensor.values.reserve(lengths.size());
  for (const std::uint64_t length : lengths) {
    if (length > bytes.size()) {
      return base::DataLoss("it has {} bytes left for a string of {}", bytes.size(), length);
    }
    tensor.values.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) return base::DataLoss("it has {} bytes too many", bytes.size());
  return tensor;
}

}  // namespace dime::checkpoint::internal
