// models/internal/vocabulary.h - the position of a text in a fixed list: one hash and, nearly
// always, one comparison.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dime::models::internal {

class Vocabulary {
 public:
  Vocabulary() : Vocabulary(std::span<const std::string>()) {}
  // The entries without blanks around them; these differ from each other.
  explicit Vocabulary(std::span<const std::string> entries);

  // The position of the entry that equals `text` (without blanks around it); -1 when there is none.
  [[nodiscard]] std::int64_t Find(std::string_view text) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::int32_t entry = -1;  // -1: the slot is free.
  };

  std::vector<std::string> entries_;
  std::vector<Slot> slots_;  // Open addressing; a power of two, at most half full.
};

}  // namespace dime::models::internal
