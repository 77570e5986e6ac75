// cli/data/synthetic/random_words.h - the random words of one row.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/base/random.h"

namespace dime::cli {

// `kNumWords` words for (seed_key, row), made at once: processors overlap the rounds of several
// blocks.
template <std::size_t kNumWords>
class RandomWords {
 public:
  RandomWords(std::uint64_t seed_key, std::uint64_t row) {
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      blocks_[block] = base::Philox(seed_key, row, block);
    }
  }

  [[nodiscard]] std::uint32_t operator[](std::size_t i) const { return blocks_[i / 4][i % 4]; }

 private:
  std::array<std::array<std::uint32_t, 4>, (kNumWords + 3) / 4> blocks_;
};

}  // namespace dime::cli
