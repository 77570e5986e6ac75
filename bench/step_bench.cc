// A whole training step of the census model on one thread, and its parts: lookups, exchange (update
// and gather), the model's pass. Batches of random ids and numbers in the shape of the census,
// prepared beforehand.
//
// The floor: 101.8 kFLOP an example (forward, input and weight gradients of 66-100-70-48-34-1,
// one-hot columns counted in full). The counter GFLOP/s is that work over the measured time;
// kernels_bench has the processor's peak.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "models/description.h"
#include "models/model.h"
#include "ops/dense.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/base/thread_pool.h"
#include "worker/in_process_store.h"

namespace dime {
namespace {

constexpr double kFlopAnExample = 101.8e3;
constexpr int kNumBatches =
    64;  // In turn, so that rows are not all in the cache from the step before.

models::ModelDescription CensusDescription() {
  std::ifstream file(DIME_SOURCE_DIR "/configs/models/census.yaml");
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  auto description = models::ParseDescription(yaml, "census.yaml", "");
  DIME_CHECK(description.ok());
  return *std::move(description);
}

models::Batch RandomBatch(const models::Model& model, std::int64_t num_examples,
                          base::RandomStream& random) {
  models::Batch batch = model.encoder().NewBatch();
  batch.num_examples = num_examples;
  for (std::size_t c = 0; c < batch.ids.size(); ++c) {
    const auto num_ids = static_cast<std::uint64_t>(model.encoder().schema().id_columns[c].num_ids);
    // Half of the draws among the first few ids: columns of real data are skewed.
    for (std::int64_t e = 0; e < num_examples; ++e) {
      const std::uint64_t bound =
          random.NextBelow(2) == 0 ? std::min<std::uint64_t>(num_ids, 8) : num_ids;
      batch.ids[c].ids.push_back(static_cast<std::int64_t>(random.NextBelow(bound)));
    }
  }
  for (models::FloatColumn& column : batch.floats) {
    for (std::int64_t i = 0; i < num_examples * column.dim; ++i) {
      column.values.push_back(random.NextUniform());
    }
  }
  for (std::int64_t e = 0; e < num_examples; ++e) {
    batch.labels.push_back(random.NextBelow(4) == 0 ? 1.0f : 0.0f);
  }
  return batch;
}

// Everything that a step needs, for kNumBatches batches.
class Fixture {
 public:
  explicit Fixture(std::int64_t batch_size) : model_(CensusDescription()), pool_(1) {
    base::RandomStream random(1, "step_bench");
    for (int i = 0; i < kNumBatches; ++i) {
      batches_.push_back(RandomBatch(model_, batch_size, random));
      model_.MakeLookups(batches_.back(), &workspace_, &lookups_.emplace_back());
    }
    auto store = worker::InProcessStore::Create(model_.tables(), 1);
    DIME_CHECK(store.ok());
    store_ = *std::move(store);
  }

  void MakeLookups(int i) { model_.MakeLookups(batches_[At(i)], &workspace_, &lookups_[At(i)]); }

  ops::Rows Exchange(int i, bool push) {
    const worker::Push gradients{
        .step = i, .lookups = &lookups_[At(i - 1)], .gradients = &gradients_};
    return *store_->Exchange(push ? &gradients : nullptr, {.lookups = &lookups_[At(i)]});
  }

  double Compute(int i, const ops::Rows& rows) {
    return model_.TrainStep(batches_[At(i)], lookups_[At(i)], rows, &pool_, &workspace_,
                            &gradients_);
  }

 private:
  static std::size_t At(int i) { return static_cast<std::size_t>(i + kNumBatches) % kNumBatches; }

  const models::Model model_;
  base::ThreadPool pool_;
  models::Workspace workspace_;
  std::vector<models::Batch> batches_;
  std::vector<ops::Lookups> lookups_;
  ops::Gradients gradients_;
  std::unique_ptr<worker::InProcessStore> store_;
};

void Report(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["GFLOP/s"] =
      benchmark::Counter(kFlopAnExample * 1e-9 * static_cast<double>(state.range(0)),
                         benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(ops::KernelName()));
}

void BM_WholeStep(benchmark::State& state) {
  Fixture fixture(state.range(0));
  int i = 0;
  bool push = false;
  for (auto _ : state) {
    const ops::Rows rows = fixture.Exchange(i, push);
    benchmark::DoNotOptimize(fixture.Compute(i, rows));
    push = true;
    ++i;
  }
  Report(state);
}

void BM_ModelPass(benchmark::State& state) {
  Fixture fixture(state.range(0));
  const ops::Rows rows = fixture.Exchange(0, false);
  for (auto _ : state) benchmark::DoNotOptimize(fixture.Compute(0, rows));
  Report(state);
}

void BM_Exchange(benchmark::State& state) {
  Fixture fixture(state.range(0));
  // One gradient for each batch would be right; the shape of batch 0's fits no other, so it is
  // pushed for itself.
  fixture.Compute(0, fixture.Exchange(0, false));
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.Exchange(1, true));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void BM_MakeLookups(benchmark::State& state) {
  Fixture fixture(state.range(0));
  int i = 0;
  for (auto _ : state) fixture.MakeLookups(i++);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(BM_WholeStep)->Arg(40)->Arg(512)->Arg(4096)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_ModelPass)->Arg(40)->Arg(512)->Arg(4096)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Exchange)->Arg(40)->Arg(512)->Arg(4096)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_MakeLookups)->Arg(40)->Arg(512)->Arg(4096)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace dime

BENCHMARK_MAIN();
