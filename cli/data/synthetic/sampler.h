// cli/data/synthetic/sampler.h - draws integers from any fixed distribution in constant time.
//
// The distribution is a list of blocks of neighbouring integers, each block as likely as its weight
// and every integer of a block as likely as the others. A draw takes two random words, no loop, no
// search and no floating point: Walker's alias method ("An efficient method for generating discrete
// random variables with general distributions", 1977), set up as Vose did (1991).
// Threads: const methods from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace dime::cli {

struct Block {
  std::int32_t first = 0;
  std::uint32_t size = 1;
  double weight = 0;  // Of the whole block, >= 0; the sum of all is above 0.
};

class Sampler {
 public:
  explicit Sampler(std::span<const Block> blocks);
  // Draws 0 to counts.size() - 1, each in proportion to its count.
  explicit Sampler(std::span<const int> counts);

  [[nodiscard]] std::int32_t Draw(std::uint32_t word, std::uint32_t other_word) const {
    const std::uint64_t scaled = std::uint64_t{word} * entries_.size();
    const Entry* entry = &entries_[scaled >> 32];
    if (static_cast<std::uint32_t>(scaled) >= entry->threshold) entry = &entries_[entry->alias];
    return entry->first +
           static_cast<std::int32_t>((std::uint64_t{other_word} * entry->size) >> 32);
  }

 private:
  struct Entry {
    std::uint32_t threshold = 0;  // From it on the alias is drawn.
    std::uint32_t alias = 0;
    std::int32_t first = 0;
    std::uint32_t size = 1;
  };

  void SetThresholds(std::vector<double> shares);

  std::vector<Entry> entries_;
};

// Blocks for 0 to num_values - 1, where k is as likely as (k + 1 + shift)^-exponent: Zipf's law for
// shift 0, else Mandelbrot's ("An informational theory of the statistical structure of language",
// 1953). The first kExactValues stand alone; those after them share blocks, 1/64 as long as their
// distance from 0, in which all have the mean's likelihood. `weight` is the sum of all blocks'.
inline constexpr std::int64_t kExactValues = 256;
[[nodiscard]] std::vector<Block> PowerLawBlocks(std::int64_t num_values, double exponent,
                                                double shift, double weight);

}  // namespace dime::cli
