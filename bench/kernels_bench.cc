// The dense kernels of the census net against the processor's peak, measured in the same run. One
// thread.
//
// BM_Peak runs independent fused multiply-adds in registers: what no kernel can exceed. Each other
// line counts 2 FLOP for each multiply-add of the product.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ops/dense.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace dime::ops {
namespace {

#if defined(__x86_64__)
constexpr int kChains = 16;

__attribute__((target("avx512f"))) double RunPeakAvx512(std::int64_t rounds) {
  __m512 sums[kChains];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, factor, term);
  }
  __m512 all = sums[0];
  for (int i = 1; i < kChains; ++i) all = _mm512_add_ps(all, sums[i]);
  benchmark::DoNotOptimize(all);
  return 2.0 * 16 * kChains * static_cast<double>(rounds);
}

__attribute__((target("avx2,fma"))) double RunPeakAvx2(std::int64_t rounds) {
  __m256 sums[kChains / 2 + 4];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 factor = _mm256_set1_ps(0.999f), term = _mm256_set1_ps(0.001f);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, factor, term);
  }
  __m256 all = sums[0];
  for (auto& sum : sums) all = _mm256_add_ps(all, sum);
  benchmark::DoNotOptimize(all);
  return 2.0 * 8 * (kChains / 2 + 4) * static_cast<double>(rounds);
}

void BM_Peak(benchmark::State& state) {
  constexpr std::int64_t kRounds = 10000;
  const std::string kernels(KernelName());
  double flop = 0;
  for (auto _ : state) {
    if (kernels == "generic") {
      state.SkipWithError("no peak is known for the generic kernels");
      break;
    }
    flop += kernels == "avx512" ? RunPeakAvx512(kRounds) : RunPeakAvx2(kRounds);
  }
  state.counters["GFLOP/s"] = benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsRate);
  state.SetLabel(kernels);
}
BENCHMARK(BM_Peak);
#endif

constexpr std::int64_t kSizes[] = {66, 100, 70, 48, 34, 1};
constexpr std::size_t kNumLayers = std::size(kSizes) - 1;
constexpr std::int64_t Padded(std::int64_t cols) { return (cols + 15) / 16 * 16; }

// The matrices of the net for one batch.
struct Net {
  explicit Net(std::int64_t rows) : rows(rows) {
    for (std::size_t i = 0; i <= kNumLayers; ++i) {
      values.emplace_back(static_cast<std::size_t>(rows * Padded(kSizes[i])), 0.5f);
      deltas.emplace_back(static_cast<std::size_t>(rows * Padded(kSizes[i])), 0.25f);
    }
    for (std::size_t i = 0; i < kNumLayers; ++i) {
      kernels.emplace_back(static_cast<std::size_t>(kSizes[i] * kSizes[i + 1]), 0.01f);
      biases.emplace_back(static_cast<std::size_t>(kSizes[i + 1]), 0.0f);
    }
    kernel_gradients = kernels;
  }

  MatrixView Values(std::size_t i) {
    return {values[i].data(), rows, kSizes[i], Padded(kSizes[i])};
  }
  MatrixView Deltas(std::size_t i) {
    return {deltas[i].data(), rows, kSizes[i], Padded(kSizes[i])};
  }
  MatrixView Kernel(std::size_t i) {
    return {kernels[i].data(), kSizes[i], kSizes[i + 1], kSizes[i + 1]};
  }
  MatrixView KernelGradient(std::size_t i) {
    return {kernel_gradients[i].data(), kSizes[i], kSizes[i + 1], kSizes[i + 1]};
  }

  void Forward(std::size_t i) {
    Affine(Values(i), Kernel(i), biases[i].data(), Activation::kRelu, Values(i + 1));
  }
  void InputGradient(std::size_t i) { AffineInputGradient(Deltas(i + 1), Kernel(i), Deltas(i)); }
  void WeightGradient(std::size_t i) {
    AffineWeightGradient(Values(i), Deltas(i + 1), KernelGradient(i));
  }

  std::int64_t rows;
  std::vector<std::vector<float>> values, deltas, kernels, biases, kernel_gradients;
};

enum class Part { kForward, kInputGradient, kWeightGradient, kAll };

template <Part kPart>
void BM_Products(benchmark::State& state) {
  Net net(state.range(0));
  double flop = 0;
  for (std::size_t i = 0; i < kNumLayers; ++i) {
    const double product = 2.0 * static_cast<double>(net.rows * kSizes[i] * kSizes[i + 1]);
    flop += kPart == Part::kAll ? (i == 0 ? 2 : 3) * product : product;
  }
  for (auto _ : state) {
    for (std::size_t i = 0; i < kNumLayers; ++i) {
      if constexpr (kPart == Part::kForward || kPart == Part::kAll) net.Forward(i);
    }
    for (std::size_t i = kNumLayers; i-- > 0;) {
      if constexpr (kPart == Part::kWeightGradient || kPart == Part::kAll) net.WeightGradient(i);
      // The first layer's input gradient is wanted for a few columns only: the whole stack leaves
      // it out.
      if (kPart == Part::kInputGradient || (kPart == Part::kAll && i > 0)) net.InputGradient(i);
    }
    benchmark::ClobberMemory();
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(flop * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.SetLabel(std::string(KernelName()));
}
BENCHMARK(BM_Products<Part::kForward>)->Arg(40)->Arg(256)->Arg(4096);
BENCHMARK(BM_Products<Part::kInputGradient>)->Arg(40)->Arg(256)->Arg(4096);
BENCHMARK(BM_Products<Part::kWeightGradient>)->Arg(40)->Arg(256)->Arg(4096);
BENCHMARK(BM_Products<Part::kAll>)->Arg(40)->Arg(256)->Arg(4096);

}  // namespace
}  // namespace dime::ops

BENCHMARK_MAIN();
