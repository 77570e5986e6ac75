// runtime/checkpoint/internal/bundle_format.h - what writer and reader of tensor bundles share:
// file names, types, sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "runtime/checkpoint/bundle.h"

namespace dime::checkpoint::internal {

inline constexpr int kBundleVersion = 1;
inline constexpr int kMaxDataFiles = 99999;  // File names have five digits.

[[nodiscard]] std::string IndexPath(const std::string& prefix);
[[nodiscard]] std::string DataPath(const std::string& prefix, int shard, int num_shards);

// "float32 [100, 8]"
[[nodiscard]] std::string Describe(const TensorInfo& info);

// The size of one element; 0 for strings, whose sizes differ; none for a type that dime does not
// know.
[[nodiscard]] std::optional<std::int64_t> ElementBytes(DataType type);

// The product of the sizes, and of `factor`. None when a size is negative or the product overflows.
[[nodiscard]] std::optional<std::int64_t> CheckedProduct(std::span<const std::int64_t> sizes,
                                                         std::int64_t factor);

}  // namespace dime::checkpoint::internal
