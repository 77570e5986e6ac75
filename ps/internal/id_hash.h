// ps/internal/id_hash.h - where an id of an unbounded table belongs: a function of the id alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dime::ps::internal {

// The 64-bit finalizer of SplitMix (Steele et al., "Fast splittable pseudorandom number
// generators", OOPSLA 2014): a bijection, so that different ids have different hashes.
[[nodiscard]] constexpr std::uint64_t HashOfId(std::int64_t id) {
  auto hash = static_cast<std::uint64_t>(id) + 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

// The hash's upper 8 bits say the virtual shard, the next 32 where in its index, the lower ones
// where its sightings are counted.
inline constexpr std::size_t kVirtualShards = 256;
[[nodiscard]] constexpr std::size_t VirtualShardOf(std::uint64_t hash) { return hash >> 56; }
[[nodiscard]] constexpr std::uint32_t TagOf(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 24);
}

}  // namespace dime::ps::internal
