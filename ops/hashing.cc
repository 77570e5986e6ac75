#include "ops/hashing.h"

#include <farmhash.h>

namespace dime::ops {

std::uint64_t Fingerprint64(std::string_view bytes) {
  return util::Fingerprint64(bytes.data(), bytes.size());
}

std::int64_t HashBucket(std::string_view bytes, std::int64_t num_buckets) {
  return static_cast<std::int64_t>(Fingerprint64(bytes) % static_cast<std::uint64_t>(num_buckets));
}

}  // namespace dime::ops
