#include "models/internal/vocabulary.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "models/internal/text.h"
#include "ops/hashing.h"

namespace dime::models::internal {
namespace {

template <typename Word>
std::uint64_t Load(const char* bytes) {
  Word value = 0;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// Takes in texts of up to 16 bytes whole, and spreads well over the low bits. Two loads
// that may overlap take in a text of any length below that without a loop.
std::uint64_t Hash(std::string_view text) {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;
  const std::size_t size = text.size();
  const char* const end = text.data() + size;
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (size > 16) {
    head = ops::Fingerprint64(text);
  } else if (size >= 8) {
    head = Load<std::uint64_t>(text.data());
    tail = Load<std::uint64_t>(end - 8);
  } else if (size >= 4) {
    head = Load<std::uint32_t>(text.data());
    tail = Load<std::uint32_t>(end - 4);
  } else if (size > 0) {
    head = Load<std::uint8_t>(text.data());
    tail = Load<std::uint8_t>(text.data() + size / 2) << 8 | Load<std::uint8_t>(end - 1);
  }
  std::uint64_t hash = (head ^ size << 56) * kMultiplier;
  hash = (std::rotl(hash, 32) ^ tail) * kMultiplier;
  return hash ^ (hash >> 32);
}

}  // namespace

Vocabulary::Vocabulary(std::span<const std::string> entries)
    : slots_(std::bit_ceil(2 * entries.size() + 1)) {
  for (const std::string& entry : entries) {
    const std::string& text = entries_.emplace_back(Trimmed(entry));
    const std::uint64_t hash = Hash(text);
    std::size_t s = hash & (slots_.size() - 1);
    while (slots_[s].entry >= 0) s = (s + 1) & (slots_.size() - 1);
    slots_[s] = {.hash = hash, .entry = static_cast<std::int32_t>(entries_.size() - 1)};
  }
}

std::int64_t Vocabulary::Find(std::string_view text) const {
  text = Trimmed(text);
  const std::uint64_t hash = Hash(text);
  for (std::size_t s = hash & (slots_.size() - 1);; s = (s + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[s];
    if (slot.entry < 0) return -1;
    if (slot.hash == hash && entries_[static_cast<std::size_t>(slot.entry)] == text) {
      return slot.entry;
    }
  }
}

}  // namespace dime::models::internal
