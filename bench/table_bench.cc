// Rows of 8 floats with Adagrad by the 400,000 out of 1.6 million: read and updated in a fixed
// table and in an unbounded one, where ids are hashes.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "ops/table.h"
#include "ps/table.h"
#include "ps/unbounded_table.h"
#include "runtime/base/check.h"

namespace dime {
namespace {

constexpr std::int64_t kRows = 1'600'000;
constexpr std::int64_t kKeys = 400'000;
constexpr std::int64_t kDim = 8;

ops::TableSpec Spec(bool is_unbounded) {
  ops::TableSpec spec = {.name = "embedding",
                         .shape = {kRows, kDim},
                         .num_rows = kRows,
                         .dim = kDim,
                         .optimizer = {.kind = ops::OptimizerKind::kAdagrad}};
  if (is_unbounded) {
    spec.num_rows = 0;
    spec.shape = {0, kDim};
    spec.unbounded = {.max_bytes = std::int64_t{256} << 20};
  }
  return spec;
}

std::unique_ptr<ps::RowTable> NewTable(bool is_unbounded) {
  if (!is_unbounded) return *ps::Table::Create(Spec(false), /*seed=*/1);
  std::vector<int> shards(256);
  std::iota(shards.begin(), shards.end(), 0);
  return *ps::UnboundedTable::Create(Spec(true), shards, /*seed=*/1);
}

// All of them, shuffled: a regular stride would be foreseen by the processor.
std::vector<std::int64_t> ShuffledIds(bool is_unbounded) {
  std::vector<std::int64_t> ids(kRows);
  std::iota(ids.begin(), ids.end(), 0);
  if (is_unbounded) {
    for (std::int64_t& id : ids) id *= 0x51234567891;
  }
  std::ranges::shuffle(ids, std::mt19937_64(1));
  return ids;
}

class Fixture {
 public:
  explicit Fixture(bool is_unbounded) : table(NewTable(is_unbounded)), values(kKeys * kDim, 1e-3f) {
    std::vector<std::int64_t> all = ShuffledIds(is_unbounded);
    for (std::int64_t first = 0; first < kRows; first += kKeys) {
      table->Update(1, std::span(all).subspan(static_cast<std::size_t>(first), kKeys), values);
    }
    std::ranges::shuffle(all, std::mt19937_64(2));
    ids.assign(all.begin(), all.begin() + kKeys);
  }

  std::unique_ptr<ps::RowTable> table;
  std::vector<std::int64_t> ids;
  std::vector<float> values;
};

void BM_Gather(benchmark::State& state) {
  Fixture fixture(state.range(0) != 0);
  for (auto _ : state) fixture.table->Gather(fixture.ids, fixture.values);
  state.SetItemsProcessed(state.iterations() * kKeys);
}

void BM_Update(benchmark::State& state) {
  Fixture fixture(state.range(0) != 0);
  std::int64_t step = 1;
  for (auto _ : state) fixture.table->Update(++step, fixture.ids, fixture.values);
  state.SetItemsProcessed(state.iterations() * kKeys);
}

// Rows that are made, until there are as many as above; the largest pause is of a shard's growth.
void BM_Insert(benchmark::State& state) {
  const std::vector<std::int64_t> ids = ShuffledIds(true);
  const std::vector<float> gradients(1000 * kDim, 1e-3f);
  for (auto _ : state) {
    const auto table = NewTable(true);
    for (std::size_t first = 0; first < ids.size(); first += 1000) {
      table->Update(1, std::span(ids).subspan(first, 1000), gradients);
    }
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

BENCHMARK(BM_Gather)->ArgName("unbounded")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Update)->ArgName("unbounded")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Insert)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace dime

BENCHMARK_MAIN();
