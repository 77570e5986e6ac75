// ps/internal/id_hash.h - where an id of an unbounded table belongs: a function of the id alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dime::ps::internal {

// The 64-bit finalizer of SplitMix (Steele et al., "Fast splittable pseudorandom number
// generators", OOPSLA 2014). No two ids have the same.
[[nodiscard]] constexpr std::uint64_t HashOfId(std::int64_t id) {
  auto hash = static_cast<std::uint64_t>(id) + 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
  return hash ^ (hash >> 31);
}

// And back: each step's inverse, in reverse order.
[[nodiscard]] constexpr std::int64_t IdOfHash(std::uint64_t hash) {
  hash = (hash ^ (hash >> 31) ^ (hash >> 62)) * 0x319642b2d24d8ec3;
  hash = (hash ^ (hash >> 27) ^ (hash >> 54)) * 0x96de1b173f119089;
  hash = hash ^ (hash >> 30) ^ (hash >> 60);
  return static_cast<std::int64_t>(hash - 0x9e3779b97f4a7c15);
}

// The hash's upper 8 bits say the virtual shard, those below them where in its index, the lower
// ones where its sightings are counted.
inline constexpr int kVirtualShardBits = 8;
inline constexpr std::size_t kVirtualShards = std::size_t{1} << kVirtualShardBits;
[[nodiscard]] constexpr std::size_t VirtualShardOf(std::uint64_t hash) {
  return hash >> (64 - kVirtualShardBits);
}

}  // namespace dime::ps::internal
