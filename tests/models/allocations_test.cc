// Counts allocations by replacing operator new, which is why this is a program of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/model.h"
#include "tests/support/status_matchers.h"

namespace {

std::atomic<std::int64_t> num_allocations{0};

void* Allocate(std::size_t size_bytes, std::size_t alignment) {
  ++num_allocations;
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, size_bytes) != 0) throw std::bad_alloc();
  return memory;
}

}  // namespace

// GCC, where it inlines only one of the two, takes these for a pair that does not fit.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"

void* operator new(std::size_t size) { return Allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++num_allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace dime::models {
namespace {

ModelDescription CensusDescription() {
  std::ifstream file(DIME_CENSUS_YAML);
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  auto description = ParseDescription(yaml, "census.yaml", "");
  EXPECT_OK(description);
  return *std::move(description);
}

Batch RandomBatch(const Model& model, std::int64_t num_examples, unsigned seed) {
  std::mt19937_64 random(seed);
  Batch batch = model.encoder().NewBatch();
  batch.num_examples = num_examples;
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    const auto num_ids = static_cast<std::uint64_t>(model.encoder().schema().id_columns[c].num_ids);
    for (std::int64_t e = 0; e < num_examples; ++e) {
      batch.ids[c].ids.push_back(static_cast<std::int64_t>(random() % num_ids));
    }
  }
  for (FloatColumn& column : batch.floats) {
    column.values.resize(static_cast<std::size_t>(num_examples * column.dim), 0.5f);
  }
  batch.labels.resize(static_cast<std::size_t>(num_examples), 1.0f);
  return batch;
}

// A batch with all that a step on it needs; its rows are all zeros.
struct Prepared {
  Prepared(const Model& model, std::int64_t num_examples, unsigned seed)
      : batch(RandomBatch(model, num_examples, seed)) {
    Workspace workspace;
    model.MakeLookups(batch, &workspace, &lookups);
    for (std::size_t t = 0; t < model.tables().size(); ++t) {
      const ops::TableSpec& table = model.tables()[t];
      const std::size_t num_rows = table.dense ? 1 : lookups.tables[t].ids.size();
      values.emplace_back(num_rows * static_cast<std::size_t>(table.dim));
    }
    for (const std::vector<float>& table : values) rows.tables.emplace_back(table);
  }

  Batch batch;
  ops::Lookups lookups;
  std::vector<std::vector<float>> values;
  ops::Rows rows;
};

class AllocationsTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(AllocationsTest, AWarmStepTakesNoMemory) {
  const Model model(CensusDescription());
  const Prepared first(model, GetParam(), 1);
  const Prepared second(model, GetParam(), 2);
  base::ThreadPool pool(1);  // Which thread takes a slice is chance, and each keeps its own memory.
  Workspace workspace;
  ops::Lookups lookups;
  ops::Gradients gradients;
  std::vector<float> logits(static_cast<std::size_t>(GetParam()));
  const auto step = [&](const Prepared& prepared) {
    model.MakeLookups(prepared.batch, &workspace, &lookups);
    model.TrainStep(prepared.batch, prepared.lookups, prepared.rows, &pool, &workspace, &gradients);
    model.Forward(prepared.batch, prepared.lookups, prepared.rows, &pool, &workspace, logits);
  };
  step(first);
  step(second);
  const std::int64_t before = num_allocations;
  step(first);
  step(second);
  EXPECT_EQ(num_allocations - before, 0);
}

INSTANTIATE_TEST_SUITE_P(BatchSizes, AllocationsTest, ::testing::Values(1, 40, 1000));

TEST(AllocationsTest, TheCounterSeesAllocations) {
  const std::int64_t before = num_allocations;
  std::vector<float> memory(1000);
  EXPECT_GT(memory.capacity(), 0u);
  EXPECT_EQ(num_allocations - before, 1);
}

}  // namespace
}  // namespace dime::models
