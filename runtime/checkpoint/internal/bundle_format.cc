#include "runtime/checkpoint/internal/bundle_format.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/checkpoint/bundle.h"

namespace dime::checkpoint {
namespace internal {
namespace {

struct TypeFacts {
  int number;
  std::string_view name;
  std::int64_t element_bytes;
};

// TensorFlow has more types than DataType has names: bundles of others are listed and verified.
constexpr TypeFacts kTypes[] = {
    {1, "float32", 4},      {2, "float64", 8},  {3, "int32", 4},     {4, "uint8", 1},
    {5, "int16", 2},        {6, "int8", 1},     {7, "string", 0},    {8, "complex64", 8},
    {9, "int64", 8},        {10, "bool", 1},    {14, "bfloat16", 2}, {17, "uint16", 2},
    {18, "complex128", 16}, {19, "float16", 2}, {22, "uint32", 4},   {23, "uint64", 8},
};

const TypeFacts* FindType(DataType type) {
  const auto* found = std::ranges::find(kTypes, static_cast<int>(type), &TypeFacts::number);
  return found == std::end(kTypes) ? nullptr : found;
}

}  // namespace

std::string IndexPath(const std::string& prefix) { return prefix + ".index"; }

std::string DataPath(const std::string& prefix, int shard, int num_shards) {
  return fmt::format("{}.data-{:05}-of-{:05}", prefix, shard, num_shards);
}

std::string Describe(const TensorInfo& info) {
  return fmt::format("{} [{}]", DataTypeName(info.type), fmt::join(info.shape, ", "));
}

std::optional<std::int64_t> ElementBytes(DataType type) {
  const TypeFacts* facts = FindType(type);
  if (facts == nullptr) return std::nullopt;
  return facts->element_bytes;
}

std::optional<std::int64_t> CheckedProduct(std::span<const std::int64_t> sizes,
                                           std::int64_t factor) {
  std::int64_t product = factor;
  for (const std::int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(product, size, &product)) return std::nullopt;
  }
  return product;
}

}  // namespace internal

std::string_view DataTypeName(DataType type) {
  const internal::TypeFacts* facts = internal::FindType(type);
  return facts == nullptr ? "unknown type" : facts->name;
}

std::int64_t TensorInfo::num_elements() const {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

std::vector<std::string> BundleFiles(const std::string& prefix, int num_data_files) {
  std::vector<std::string> files;
  for (int i = 0; i < num_data_files; ++i) {
    files.push_back(internal::DataPath(prefix, i, num_data_files));
  }
  files.push_back(internal::IndexPath(prefix));
  return files;
}

absl::Status DeleteBundle(storage::FileSystem& fs, const std::string& prefix) {
  // Without its index a bundle is none, whatever else of it is left when this stops halfway.
  DIME_RETURN_IF_ERROR(fs.DeleteFile(internal::IndexPath(prefix)));
  const std::string directory(storage::DirName(prefix));
  absl::StatusOr<std::vector<std::string>> names = fs.List(directory);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  DIME_RETURN_IF_ERROR(names.status());
  const std::string start = std::string(storage::BaseName(prefix)) + ".data-";
  for (const std::string& name : *names) {
    if (!name.starts_with(start)) continue;
    DIME_RETURN_IF_ERROR(fs.DeleteFile(storage::JoinPath(directory, name)));
  }
  return absl::OkStatus();
}

}  // namespace dime::checkpoint
