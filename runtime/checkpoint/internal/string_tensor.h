// runtime/checkpoint/internal/string_tensor.h - string tensors in a bundle's data file: the
// lengths, a CRC of the lengths, the strings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/status.h"

namespace dime::checkpoint::internal {

struct StringTensor {
  std::vector<std::string> values;
  std::uint32_t crc = 0;  // What the tensor's entry in the index must have.
};

// Takes the tensor's bytes apart. `num_elements` is not larger than their number.
absl::StatusOr<StringTensor> ParseStringTensor(std::string_view bytes, std::int64_t num_elements);

}  // namespace dime::checkpoint::internal
