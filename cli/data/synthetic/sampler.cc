#include "cli/data/synthetic/sampler.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "cli/data/synthetic/portable_math.h"
#include "runtime/base/check.h"

namespace dime::cli {
namespace {

std::vector<Block> BlocksOf(std::span<const int> counts) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    blocks.push_back({.first = static_cast<std::int32_t>(i), .weight = double(counts[i])});
  }
  return blocks;
}

std::uint32_t AsThreshold(double share) {
  constexpr double kWords = 0x1p32;
  return static_cast<std::uint32_t>(std::min(share * kWords, kWords - 1));
}

}  // namespace

Sampler::Sampler(std::span<const int> counts) : Sampler(BlocksOf(counts)) {}

Sampler::Sampler(std::span<const Block> blocks) {
  double sum = 0;
  for (const Block& block : blocks) sum += block.weight;
  DIME_CHECK(sum > 0);
  std::vector<double> shares;  // 1: as much as a place holds.
  for (const Block& block : blocks) {
    entries_.push_back({.first = block.first, .size = block.size});
    shares.push_back(block.weight / sum * static_cast<double>(blocks.size()));
  }
  SetThresholds(std::move(shares));
}

// Fills every place whose own share is below 1 from one whose share is above.
void Sampler::SetThresholds(std::vector<double> shares) {
  std::vector<std::uint32_t> small;
  std::vector<std::uint32_t> large;
  for (std::uint32_t i = 0; i < shares.size(); ++i) {
    entries_[i].threshold = AsThreshold(1);
    entries_[i].alias = i;
    (shares[i] < 1 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t receiver = small.back();
    const std::uint32_t giver = large.back();
    small.pop_back();
    entries_[receiver].threshold = AsThreshold(shares[receiver]);
    entries_[receiver].alias = giver;
    shares[giver] -= 1 - shares[receiver];
    if (shares[giver] < 1) {
      large.pop_back();
      small.push_back(giver);
    }
  }
}

std::vector<Block> PowerLawBlocks(std::int64_t num_values, double exponent, double shift,
                                  double weight) {
  constexpr std::int64_t kBlocksPerDistance = 64;
  std::vector<Block> blocks;
  double sum = 0;
  for (std::int64_t first = 0; first < num_values;) {
    std::int64_t size = first < kExactValues ? 1 : first / kBlocksPerDistance;
    size = std::min(size, num_values - first);
    const double middle = static_cast<double>(first) + 0.5 * static_cast<double>(size + 1);
    const double block_weight =
        static_cast<double>(size) * PortablePower(middle + shift, -exponent);
    blocks.push_back({.first = static_cast<std::int32_t>(first),
                      .size = static_cast<std::uint32_t>(size),
                      .weight = block_weight});
    sum += block_weight;
    first += size;
  }
  for (Block& block : blocks) block.weight *= weight / sum;
  return blocks;
}

}  // namespace dime::cli
