#include "ps/sharding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace dime::ps {
namespace {

using ::testing::ElementsAre;

ops::TableSpec SparseSpec(std::int64_t num_rows, std::int64_t dim) {
  return {.name = "t", .shape = {num_rows, dim}, .num_rows = num_rows, .dim = dim};
}

const std::vector<ops::TableSpec> kSpecs = {
    SparseSpec(1, 6600), SparseSpec(2, 1),     SparseSpec(64, 8),       SparseSpec(65, 8),
    SparseSpec(0, 4),    SparseSpec(10007, 3), SparseSpec(1'000'000, 1)};

TEST(ShardingTest, EveryRowHasOnePlace) {
  for (const int num_servers : {1, 2, 3, 7, 11, 40}) {
    const Sharding sharding(kSpecs, num_servers);
    for (std::size_t t = 0; t < kSpecs.size(); ++t) {
      std::vector<std::int64_t> next(static_cast<std::size_t>(num_servers), 0);
      for (std::int64_t id = 0; id < kSpecs[t].num_rows; ++id) {
        const auto server = static_cast<std::size_t>(sharding.ServerOf(t, id));
        ASSERT_LT(server, next.size());
        ASSERT_EQ(sharding.LocalRow(t, id), next[server]++)
            << num_servers << ": " << t << ", " << id;
      }
    }
  }
}

TEST(ShardingTest, BlocksAreTheRowsInTheirOrder) {
  const Sharding sharding(kSpecs, 3);
  for (std::size_t t = 0; t < kSpecs.size(); ++t) {
    std::int64_t num_rows = 0;
    for (int server = 0; server < 3; ++server) {
      std::int64_t local = 0;
      for (const RowBlock& block : sharding.BlocksOf(server, t)) {
        for (std::int64_t id = block.first; id < block.first + block.count; ++id) {
          ASSERT_EQ(sharding.ServerOf(t, id), server);
          ASSERT_EQ(sharding.LocalRow(t, id), local++);
        }
      }
      num_rows += local;
    }
    EXPECT_EQ(num_rows, kSpecs[t].num_rows);
  }
}

TEST(ShardingTest, OneServerHasEveryTableWhole) {
  const Sharding sharding(kSpecs, 1);
  EXPECT_THAT(sharding.BlocksOf(0, 5), ElementsAre(RowBlock{0, 10007}));
  EXPECT_EQ(sharding.LocalRow(6, 999'999), 999'999);
}

TEST(ShardingTest, ServersGetNearlyEqualParts) {
  for (const int num_servers : {2, 4, 11}) {
    const std::vector<ops::TableSpec> specs = {SparseSpec(1'000'000, 4), SparseSpec(50'000, 16),
                                               SparseSpec(1, 500)};
    const Sharding sharding(specs, num_servers);
    std::vector<std::int64_t> floats;
    for (int server = 0; server < num_servers; ++server) {
      floats.push_back(0);
      for (std::size_t t = 0; t < specs.size(); ++t) {
        for (const RowBlock& block : sharding.BlocksOf(server, t)) {
          floats.back() += block.count * specs[t].dim;
        }
      }
    }
    EXPECT_LE(*std::ranges::max_element(floats),
              1.1 * static_cast<double>(*std::ranges::min_element(floats)));
  }
}

}  // namespace
}  // namespace dime::ps
