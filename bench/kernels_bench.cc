// The dense kernels at the census net's shapes, against the processor's peak. One thread.
//
// The floor, counted first: 2 FLOP for each multiply-add of the products, 101.8 kFLOP an example
// for the whole net (of the first layer's input gradient, the 16 embedding columns alone). Padding
// to whole registers is no work, it counts against the kernels.
//
// of_peak is the products' FLOP/s over those of a loop of independent multiply-adds in registers
// of the same kind. Both run in turn, tens of microseconds each, on the thread's own processor
// time: so the ratio holds on a machine that is shared and changes its clock. (The generic
// kernels' peak multiplies and adds: they may not fuse.) us is the time of the products once; an
// iteration runs them until a clock can tell.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/cpu/products.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dime::ops {
namespace {

using cpu::KernelTable;
using cpu::Product;

// Enough chains to hide the latency of a multiply-add, few enough for every register file.
constexpr int kChains = 12;
constexpr std::int64_t kPeakRounds = 20000;

double RunGenericPeak() {
  using Reg = float __attribute__((vector_size(16)));
  Reg sums[kChains / 2] = {}, products[kChains / 2] = {};
  Reg operand = {1.0f, 1.0f, 1.0f, 1.0f};
  benchmark::DoNotOptimize(operand);
  for (std::int64_t round = 0; round < kPeakRounds; ++round) {
    for (auto& sum : sums) sum += operand;
    for (auto& product : products) product *= operand;
  }
  for (auto& sum : sums) benchmark::DoNotOptimize(sum);
  for (auto& product : products) benchmark::DoNotOptimize(product);
  return 4.0 * kChains * kPeakRounds;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) double RunAvx2Peak() {
  __m256 sums[kChains];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  for (std::int64_t round = 0; round < kPeakRounds; ++round) {
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, term);
  }
  for (auto& sum : sums) benchmark::DoNotOptimize(sum);
  return 2.0 * 8 * kChains * kPeakRounds;
}

__attribute__((target("avx512f"))) double RunAvx512Peak() {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (std::int64_t round = 0; round < kPeakRounds; ++round) {
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, term);
  }
  for (auto& sum : sums) benchmark::DoNotOptimize(sum);
  return 2.0 * 16 * kChains * kPeakRounds;
}
#endif

// Runs multiply-adds of the table's kind for some microseconds and returns how many FLOP they were.
double RunPeak([[maybe_unused]] const KernelTable& table) {
#if defined(__x86_64__)
  if (&table == &cpu::kAvx512Kernels) return RunAvx512Peak();
  if (&table == &cpu::kAvx2Kernels) return RunAvx2Peak();
#endif
  return RunGenericPeak();
}

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

constexpr std::int64_t kWidths[] = {66, 100, 70, 48, 34, 1};
constexpr std::size_t kNumLayers = std::size(kWidths) - 1;
constexpr std::int64_t kEmbeddingCols = 16;  // The last of the input.

// The matrices of the net for one batch, laid out as models/internal/network.cc does: activations
// padded and aligned, parameters as they lie in their tables.
class Net {
 public:
  explicit Net(std::int64_t rows) : rows_(rows) {
    for (const std::int64_t width : kWidths) {
      const auto size = static_cast<std::size_t>(rows * Stride(width) + kLine);
      values_.emplace_back(size, 0.5f);
      deltas_.emplace_back(size, 0.25f);
    }
    for (std::size_t i = 0; i < kNumLayers; ++i) {
      kernels_.emplace_back(static_cast<std::size_t>(kWidths[i] * kWidths[i + 1]), 0.01f);
      biases_.emplace_back(static_cast<std::size_t>(kWidths[i + 1]), 0.0f);
    }
    kernel_gradients_ = kernels_;
  }

  Product Forward(std::size_t i) {
    return cpu::AffineProduct(Aligned(values_, i), Kernel(kernels_, i), biases_[i].data(),
                              i + 1 < kNumLayers ? Activation::kRelu : Activation::kIdentity,
                              Aligned(values_, i + 1));
  }
  Product WeightGradient(std::size_t i) {
    return cpu::WeightGradientProduct(Aligned(values_, i), Aligned(deltas_, i + 1),
                                      Kernel(kernel_gradients_, i));
  }
  Product InputGradient(std::size_t i) {
    MatrixView kernel = Kernel(kernels_, i), below = Aligned(deltas_, i);
    if (i == 0) {
      const std::int64_t skipped = kernel.rows - kEmbeddingCols;
      kernel = {kernel.data + skipped * kernel.stride, kEmbeddingCols, kernel.cols, kernel.stride};
      below = {below.data + skipped, below.rows, kEmbeddingCols, below.stride};
    }
    return cpu::InputGradientProduct(Aligned(deltas_, i + 1), kernel, below);
  }

 private:
  using Arrays = std::vector<std::vector<float>>;
  static constexpr std::int64_t kLine = 16;

  static std::int64_t Stride(std::int64_t width) {
    return width == 1 ? 1 : (width + kLine - 1) / kLine * kLine;
  }
  MatrixView Aligned(Arrays& arrays, std::size_t i) const {
    const auto address = reinterpret_cast<std::uintptr_t>(arrays[i].data()) / sizeof(float);
    return {arrays[i].data() + (kLine - address % kLine) % kLine, rows_, kWidths[i],
            Stride(kWidths[i])};
  }
  static MatrixView Kernel(Arrays& arrays, std::size_t i) {
    return {arrays[i].data(), kWidths[i], kWidths[i + 1], kWidths[i + 1]};
  }

  std::int64_t rows_;
  Arrays values_, deltas_, kernels_, biases_, kernel_gradients_;
};

void RunProducts(benchmark::State& state, const KernelTable& table,
                 const std::vector<Product>& products) {
  double flop = 0;
  for (const Product& p : products) flop += 2.0 * static_cast<double>(p.rows * p.cols * p.depth);
  const int repeats = std::max(1, static_cast<int>(10e6 / flop));
  double product_seconds = 0, peak_seconds = 0, peak_flop = 0, product_flop = 0;
  for (auto _ : state) {
    const double start = ThreadSeconds();
    for (int i = 0; i < repeats; ++i) {
      for (const Product& product : products) table.multiply(product);
      benchmark::ClobberMemory();
    }
    const double middle = ThreadSeconds();
    peak_flop += RunPeak(table);
    peak_seconds += ThreadSeconds() - middle;
    product_seconds += middle - start;
    product_flop += flop * repeats;
    state.SetIterationTime(middle - start);
  }
  const double rate = product_flop / product_seconds;
  state.counters["us"] = flop / rate * 1e6;
  state.counters["GFLOP/s"] = rate * 1e-9;
  state.counters["of_peak"] = rate / (peak_flop / peak_seconds);
}

// A row of the net's parameters (18,878 floats) under an optimizer.
template <class Update>
void RunUpdate(benchmark::State& state, int num_arrays, const Update& update) {
  constexpr std::int64_t kSize = 18878;
  std::vector<std::vector<float>> arrays(static_cast<std::size_t>(num_arrays),
                                         std::vector<float>(kSize, 0.25f));
  for (auto _ : state) {
    update(kSize, arrays);
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * kSize);
}

using MakeProducts = std::vector<Product> (*)(Net& net);

std::vector<Product> AllForward(Net& net) {
  std::vector<Product> products;
  for (std::size_t i = 0; i < kNumLayers; ++i) products.push_back(net.Forward(i));
  return products;
}
std::vector<Product> AllInputGradients(Net& net) {
  std::vector<Product> products;
  for (std::size_t i = kNumLayers; i-- > 0;) products.push_back(net.InputGradient(i));
  return products;
}
std::vector<Product> AllWeightGradients(Net& net) {
  std::vector<Product> products;
  for (std::size_t i = kNumLayers; i-- > 0;) products.push_back(net.WeightGradient(i));
  return products;
}
std::vector<Product> WholeNet(Net& net) {
  std::vector<Product> products = AllForward(net);
  for (std::size_t i = kNumLayers; i-- > 0;) {
    products.push_back(net.WeightGradient(i));
    products.push_back(net.InputGradient(i));
  }
  return products;
}
template <std::size_t kLayer>
std::vector<Product> OneLayer(Net& net) {
  return {net.Forward(kLayer), net.WeightGradient(kLayer), net.InputGradient(kLayer)};
}

void RegisterProducts(const KernelTable& table, const std::string& what, MakeProducts make) {
  benchmark::RegisterBenchmark(("products/" + std::string(table.name) + "/" + what).c_str(),
                               [&table, make](benchmark::State& state) {
                                 Net net(state.range(0));
                                 RunProducts(state, table, make(net));
                               })
      ->Arg(40)
      ->Arg(256)
      ->Arg(512)
      ->Arg(4096)
      ->UseManualTime();
}

void RegisterUpdates(const KernelTable& table) {
  const std::string prefix = "updates/" + std::string(table.name);
  using Arrays = std::vector<std::vector<float>>;
  benchmark::RegisterBenchmark((prefix + "/adagrad").c_str(), [&table](benchmark::State& state) {
    RunUpdate(state, 3, [&table](std::int64_t size, Arrays& a) {
      table.update_adagrad(0.05f, a[0].data(), size, a[1].data(), a[2].data());
    });
  });
  benchmark::RegisterBenchmark((prefix + "/ftrl").c_str(), [&table](benchmark::State& state) {
    RunUpdate(state, 4, [&table](std::int64_t size, Arrays& a) {
      table.update_ftrl(0.05f, 0.1f, 0.1f, a[0].data(), size, a[1].data(), a[2].data(),
                        a[3].data());
    });
  });
}

void RegisterAll() {
  for (const KernelTable* table : cpu::SupportedKernels()) {
    RegisterProducts(*table, "net", WholeNet);
    RegisterProducts(*table, "forward", AllForward);
    RegisterProducts(*table, "input_gradient", AllInputGradients);
    RegisterProducts(*table, "weight_gradient", AllWeightGradients);
    RegisterProducts(*table, "66x100", OneLayer<0>);
    RegisterProducts(*table, "100x70", OneLayer<1>);
    RegisterProducts(*table, "70x48", OneLayer<2>);
    RegisterProducts(*table, "48x34", OneLayer<3>);
    RegisterProducts(*table, "34x1", OneLayer<4>);
    RegisterUpdates(*table);
  }
}

}  // namespace
}  // namespace dime::ops

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  dime::ops::RegisterAll();
  benchmark::RunSpecifiedBenchmarks();
}
