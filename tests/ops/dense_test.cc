#include "ops/dense.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/products.h"
#include "ops/optimizer.h"

namespace dime::ops {
namespace {

using cpu::KernelTable;
using cpu::Product;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kGuard = -12345.5f;

// Around the widths of registers and tiles, and the census net's.
constexpr std::array<std::int64_t, 18> kSizes = {0,  1,  2,  3,  5,  8,  15, 16,  17,
                                                 31, 33, 34, 48, 49, 66, 70, 100, 129};

// A matrix of random floats that ends where memory ends: a read or write behind its last float is a
// crash. NaNs lie between its rows, or guards, so that reading or writing there shows.
class FencedMatrix {
 public:
  FencedMatrix(std::int64_t rows, std::int64_t cols, std::int64_t gap, float between, unsigned seed)
      : rows_(rows), cols_(cols), stride_(cols + gap), between_(between) {
    const std::int64_t size = rows > 0 ? (rows - 1) * stride_ + cols : 0;
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(size + 1) * sizeof(float);
    mapped_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<char*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + mapped_ - page, page, PROT_NONE);
    data_ = reinterpret_cast<float*>(base_ + mapped_ - page) - size;
    std::minstd_rand engine(seed);
    std::uniform_real_distribution<float> draw(-1, 1);
    data_[-1] = kGuard;
    for (std::int64_t i = 0; i < size; ++i) data_[i] = i % stride_ < cols ? draw(engine) : between;
  }
  ~FencedMatrix() { munmap(base_, mapped_); }
  FencedMatrix(const FencedMatrix&) = delete;
  FencedMatrix& operator=(const FencedMatrix&) = delete;

  [[nodiscard]] float& at(std::int64_t i, std::int64_t j) const { return data_[i * stride_ + j]; }
  [[nodiscard]] float& at(std::int64_t j) const { return data_[j]; }
  [[nodiscard]] float* data() const { return data_; }
  [[nodiscard]] MatrixView view() const { return {data_, rows_, cols_, stride_}; }

  void ExpectGuardsUntouched() const {
    EXPECT_EQ(data_[-1], kGuard);
    for (std::int64_t i = 0; i + 1 < rows_; ++i) {
      for (std::int64_t j = cols_; j < stride_; ++j)
        ASSERT_EQ(at(i, j), between_) << i << ", " << j;
    }
  }

 private:
  std::int64_t rows_, cols_, stride_;
  float between_;
  std::size_t mapped_ = 0;
  char* base_ = nullptr;
  float* data_ = nullptr;
};

FencedMatrix Input(std::int64_t rows, std::int64_t cols, std::int64_t gap, unsigned seed) {
  return {rows, cols, gap, kNan, seed};
}
FencedMatrix Output(std::int64_t rows, std::int64_t cols, std::int64_t gap) {
  return {rows, cols, gap, kGuard, 9};
}

bool HasFusedMultiplyAdd(const KernelTable& table) {
  return std::string_view(table.name) != "generic";
}

std::string BytesOf(const FencedMatrix& row, std::int64_t size) {
  return {reinterpret_cast<const char*>(row.data()),
          static_cast<std::size_t>(size) * sizeof(float)};
}

class KernelTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  [[nodiscard]] const KernelTable& table() const { return *GetParam(); }

  void CheckAffine(std::int64_t m, std::int64_t k, std::int64_t n, std::int64_t gap) const;
  void CheckInputGradient(std::int64_t m, std::int64_t k, std::int64_t n, std::int64_t gap) const;
  void CheckWeightGradient(std::int64_t m, std::int64_t k, std::int64_t n, std::int64_t gap) const;
  void CheckElement(float actual, double start, std::int64_t depth, const float* a,
                    std::int64_t a_step, const float* b, std::int64_t b_step, bool relu) const;
};

INSTANTIATE_TEST_SUITE_P(AllKernels, KernelTest, testing::ValuesIn(cpu::SupportedKernels()),
                         [](const auto& info) { return std::string(info.param->name); });

// Compares with the sum in double. Each of the depth + 1 terms goes through at most depth + 1
// roundings, by half a unit in the last place (2^-24 of the value) each, so the error is within
// (depth + 1) * 2^-24 of the sum of the absolute terms, but for products of such errors.
void KernelTest::CheckElement(float actual, double start, std::int64_t depth, const float* a,
                              std::int64_t a_step, const float* b, std::int64_t b_step,
                              bool relu) const {
  double sum = start;
  double size = std::abs(start);
  for (std::int64_t p = 0; p < depth; ++p) {
    const double term = double{a[p * a_step]} * b[p * b_step];
    sum += term;
    size += std::abs(term);
  }
  const double expected = relu ? std::max(sum, 0.0) : sum;
  ASSERT_NEAR(actual, expected, 1.001 * static_cast<double>(depth + 1) * size * 0x1p-24);
}

void KernelTest::CheckAffine(std::int64_t m, std::int64_t k, std::int64_t n,
                             std::int64_t gap) const {
  const FencedMatrix x = Input(m, k, gap, 1), w = Input(k, n, gap, 2), bias = Input(1, n, 0, 3);
  for (const Activation activation : {Activation::kIdentity, Activation::kRelu}) {
    const FencedMatrix y = Output(m, n, gap);
    table().multiply(cpu::AffineProduct(x.view(), w.view(), bias.data(), activation, y.view()));
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        ASSERT_NO_FATAL_FAILURE(CheckElement(y.at(i, j), bias.at(j), k, &x.at(i, 0), 1, &w.at(0, j),
                                             n + gap, activation == Activation::kRelu));
      }
    }
    y.ExpectGuardsUntouched();
  }
}

void KernelTest::CheckInputGradient(std::int64_t m, std::int64_t k, std::int64_t n,
                                    std::int64_t gap) const {
  const FencedMatrix dy = Input(m, n, gap, 1), w = Input(k, n, gap, 2), dx = Output(m, k, gap);
  table().multiply(cpu::InputGradientProduct(dy.view(), w.view(), dx.view()));
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t p = 0; p < k; ++p) {
      ASSERT_NO_FATAL_FAILURE(
          CheckElement(dx.at(i, p), 0, n, &dy.at(i, 0), 1, &w.at(p, 0), 1, false));
    }
  }
  dx.ExpectGuardsUntouched();
}

void KernelTest::CheckWeightGradient(std::int64_t m, std::int64_t k, std::int64_t n,
                                     std::int64_t gap) const {
  const FencedMatrix x = Input(m, k, gap, 1), dy = Input(m, n, gap, 2), dw = Output(k, n, gap);
  table().multiply(cpu::WeightGradientProduct(x.view(), dy.view(), dw.view()));
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t j = 0; j < n; ++j) {
      ASSERT_NO_FATAL_FAILURE(
          CheckElement(dw.at(p, j), 0, m, &x.at(0, p), k + gap, &dy.at(0, j), n + gap, false));
    }
  }
  dw.ExpectGuardsUntouched();
}

TEST_P(KernelTest, AffineIsThatOfThePlainLoops) {
  for (const std::int64_t m : kSizes) {
    for (const std::int64_t n : kSizes) {
      for (const std::int64_t k : {0, 1, 34}) CheckAffine(m, k, n, (m + n) % 3);
    }
  }
}

TEST_P(KernelTest, InputGradientIsThatOfThePlainLoops) {
  for (const std::int64_t m : {0, 1, 7, 40}) {
    for (const std::int64_t k : kSizes) {
      for (const std::int64_t n : kSizes) CheckInputGradient(m, k, n, (k + n) % 3);
    }
  }
}

TEST_P(KernelTest, WeightGradientIsThatOfThePlainLoops) {
  for (const std::int64_t m : {0, 1, 40}) {
    for (const std::int64_t k : kSizes) {
      for (const std::int64_t n : kSizes) CheckWeightGradient(m, k, n, (k + n) % 3);
    }
  }
}

TEST_P(KernelTest, ProductsLargerThanABlockAreThoseOfThePlainLoops) {
  for (const std::int64_t large : {127, 128, 256, 257, 1025}) {
    CheckAffine(3, large, 17, 1);
    CheckAffine(large, 5, 17, 1);
    CheckInputGradient(3, 5, large, 1);
    CheckInputGradient(large, 17, 5, 1);
    CheckWeightGradient(large, 5, 17, 1);
    CheckWeightGradient(large, 17, 1, 0);
    CheckWeightGradient(3, large, 17, 1);
  }
}

// So no element depends on the size of its batch, and all processors with fused multiply-adds
// train the same bytes.
TEST_P(KernelTest, EachElementIsOneChainOfMultiplyAddsInOrder) {
  constexpr std::int64_t kRows = 21, kDepth = 300, kCols = 35;
  const FencedMatrix x = Input(kRows, kDepth, 2, 1), w = Input(kDepth, kCols, 1, 2),
                     bias = Input(1, kCols, 0, 3), y = Output(kRows, kCols, 0);
  table().multiply(
      cpu::AffineProduct(x.view(), w.view(), bias.data(), Activation::kIdentity, y.view()));
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < kCols; ++j) {
      float sum = bias.at(j);
      for (std::int64_t p = 0; p < kDepth; ++p) {
        const volatile float product = x.at(i, p) * w.at(p, j);  // Not to be fused with the sum.
        sum = HasFusedMultiplyAdd(table()) ? std::fma(x.at(i, p), w.at(p, j), sum) : product + sum;
      }
      ASSERT_EQ(y.at(i, j), sum) << i << ", " << j;
    }
  }
}

TEST_P(KernelTest, AccumulatingStartsFromWhatIsThere) {
  const FencedMatrix x = Input(7, 40, 0, 1), w = Input(40, 19, 0, 2), bias = Input(1, 19, 0, 3);
  const FencedMatrix whole = Output(7, 19, 2), halves = Output(7, 19, 2);
  Product product =
      cpu::AffineProduct(x.view(), w.view(), bias.data(), Activation::kIdentity, whole.view());
  table().multiply(product);
  product.c = halves.data();
  product.depth = 15;
  table().multiply(product);
  product.a += 15;
  product.b += 15 * 19;
  product.depth = 25;
  product.accumulate = true;
  table().multiply(product);
  for (std::int64_t i = 0; i < 7; ++i) {
    for (std::int64_t j = 0; j < 19; ++j) ASSERT_EQ(halves.at(i, j), whole.at(i, j));
  }
}

// As TensorFlow's: relu(NaN) is NaN, and a NaN lets no gradient through.
TEST_P(KernelTest, ReluKeepsNanAndInfinity) {
  const FencedMatrix x = Input(1, 1, 0, 1), w = Input(1, 19, 0, 2), bias = Input(1, 19, 0, 3),
                     y = Output(1, 19, 0), dx = Output(1, 19, 0);
  x.at(0) = 1;
  for (std::int64_t j = 0; j < 19; ++j) {
    w.at(j) =
        std::array{kNan, kInfinity, -kInfinity, 2.0f, -2.0f, 0.0f}[static_cast<unsigned>(j) % 6];
    bias.at(j) = 0;
    dx.at(j) = 5;
  }
  table().multiply(
      cpu::AffineProduct(x.view(), w.view(), bias.data(), Activation::kRelu, y.view()));
  table().mask_by_relu(y.data(), 19, 1, 19, dx.data(), 19);
  constexpr std::array kGradients = {0.0f, 5.0f, 0.0f, 5.0f, 0.0f, 0.0f};
  for (std::int64_t j = 0; j < 19; ++j) {
    if (j % 6 == 0) {
      EXPECT_TRUE(std::isnan(y.at(j))) << j;
    } else {
      EXPECT_EQ(y.at(j), std::max(w.at(j), 0.0f)) << j;
    }
    EXPECT_EQ(dx.at(j), kGradients[static_cast<unsigned>(j) % 6]) << j;
  }
}

TEST_P(KernelTest, AZeroTimesInfinityIsNotLost) {
  const FencedMatrix x = Input(1, 2, 0, 1), w = Input(2, 1, 0, 2), bias = Input(1, 1, 0, 3),
                     y = Output(1, 1, 0);
  x.at(0) = 0;
  w.at(0) = kInfinity;
  table().multiply(
      cpu::AffineProduct(x.view(), w.view(), bias.data(), Activation::kIdentity, y.view()));
  EXPECT_TRUE(std::isnan(y.at(0)));
}

// Rows of none to four values, now and then the same column twice.
struct RandomSparse {
  RandomSparse(std::int64_t rows, std::int64_t cols, bool weighted) {
    std::minstd_rand engine(7);
    std::uniform_real_distribution<float> draw(-1, 1);
    offsets.push_back(0);
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t k = cols > 0 ? i % 5 : 0; k > 0; --k) {
        columns.push_back(static_cast<std::int32_t>(engine() % static_cast<unsigned>(cols)));
        if (weighted) values.push_back(draw(engine));
      }
      offsets.push_back(static_cast<std::int32_t>(columns.size()));
    }
  }
  [[nodiscard]] cpu::SparseProduct Times(std::int64_t cols) const {
    return cpu::SparseRowsTimes(cols, {offsets, columns, values});
  }
  // The same as a plain matrix.
  [[nodiscard]] std::vector<double> Row(std::int64_t i, std::int64_t cols) const {
    std::vector<double> row(static_cast<std::size_t>(cols));
    const auto at = static_cast<std::size_t>(i);
    for (auto k = static_cast<std::size_t>(offsets[at]);
         k < static_cast<std::size_t>(offsets[at + 1]); ++k) {
      row[static_cast<std::size_t>(columns[k])] += values.empty() ? 1.0 : double{values[k]};
    }
    return row;
  }

  std::vector<std::int32_t> offsets, columns;
  std::vector<float> values;
};

TEST_P(KernelTest, SparseAffineIsThatOfThePlainLoops) {
  constexpr std::int64_t kRows = 11, kDepth = 6;
  for (const std::int64_t n : {1, 3, 16, 17, 33, 100, 128, 129, 300}) {
    for (const bool weighted : {false, true}) {
      const RandomSparse x(kRows, kDepth, weighted);
      const FencedMatrix w = Input(kDepth, n, 1, 2), bias = Input(1, n, 0, 3),
                         y = Output(kRows, n, 2);
      table().sparse_affine(x.Times(n), w.data(), n + 1, bias.data(), y.data(), n + 2);
      for (std::int64_t i = 0; i < kRows; ++i) {
        const std::vector<double> row = x.Row(i, kDepth);
        for (std::int64_t j = 0; j < n; ++j) {
          double sum = bias.at(j);
          for (std::int64_t p = 0; p < kDepth; ++p) {
            sum += row[static_cast<std::size_t>(p)] * w.at(p, j);
          }
          ASSERT_NEAR(y.at(i, j), sum, 1e-5) << n << ": " << i << ", " << j;
        }
      }
      y.ExpectGuardsUntouched();
    }
  }
}

TEST_P(KernelTest, SparseWeightGradientIsThatOfThePlainLoops) {
  constexpr std::int64_t kRows = 11, kDepth = 6;
  for (const std::int64_t n : {1, 3, 16, 17, 33, 100, 128, 129, 300}) {
    for (const bool weighted : {false, true}) {
      const RandomSparse x(kRows, kDepth, weighted);
      const FencedMatrix dy = Input(kRows, n, 1, 2), dw = Output(kDepth, n, 2),
                         before = Output(kDepth, n, 2);
      table().add_sparse_weight_gradient(x.Times(n), dy.data(), n + 1, dw.data(), n + 2);
      for (std::int64_t p = 0; p < kDepth; ++p) {
        for (std::int64_t j = 0; j < n; ++j) {
          double sum = before.at(p, j);
          for (std::int64_t i = 0; i < kRows; ++i) {
            sum += x.Row(i, kDepth)[static_cast<std::size_t>(p)] * dy.at(i, j);
          }
          ASSERT_NEAR(dw.at(p, j), sum, 1e-5) << n << ": " << p << ", " << j;
        }
      }
      dw.ExpectGuardsUntouched();
    }
  }
}

// One chain of multiply-adds, whatever a row's neighbours are and how wide the strips.
TEST_P(KernelTest, ASparseRowAndItsColumnAloneMakeAnElement) {
  const RandomSparse x(9, 4, /*weighted=*/true);
  const FencedMatrix w = Input(4, 150, 0, 2), bias = Input(1, 150, 0, 3), y = Output(9, 150, 0);
  table().sparse_affine(x.Times(150), w.data(), 150, bias.data(), y.data(), 150);
  for (std::int64_t i = 0; i < 9; ++i) {
    for (std::int64_t j = 0; j < 150; ++j) {
      float sum = bias.at(j);
      for (auto k = static_cast<std::size_t>(x.offsets[static_cast<std::size_t>(i)]);
           k < static_cast<std::size_t>(x.offsets[static_cast<std::size_t>(i) + 1]); ++k) {
        const volatile float product = x.values[k] * w.at(x.columns[k], j);
        sum = HasFusedMultiplyAdd(table()) ? std::fma(x.values[k], w.at(x.columns[k], j), sum)
                                           : product + sum;
      }
      ASSERT_EQ(y.at(i, j), sum) << i << ", " << j;
    }
  }
}

TEST_P(KernelTest, ColumnSumsAreThoseOfThePlainLoop) {
  for (const std::int64_t rows : kSizes) {
    for (const std::int64_t cols : kSizes) {
      const FencedMatrix in = Input(rows, cols, cols % 3, 1), sums = Output(1, cols, 0);
      table().sum_rows(in.data(), rows, cols, cols + cols % 3, sums.data());
      for (std::int64_t j = 0; j < cols; ++j) {
        float sum = 0;
        for (std::int64_t i = 0; i < rows; ++i) sum += in.at(i, j);
        ASSERT_EQ(sums.at(j), sum) << rows << " x " << cols << " at " << j;
      }
      sums.ExpectGuardsUntouched();
    }
  }
}

TEST_P(KernelTest, MaskingByReluIsThatOfThePlainLoop) {
  for (const std::int64_t cols : kSizes) {
    const FencedMatrix y = Input(3, cols, 1, 1), before = Output(3, cols, 2),
                       dx = Output(3, cols, 2);
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = i; j < cols; j += 3) y.at(i, j) = j % 2 == 0 ? 0.0f : -0.0f;
    }
    table().mask_by_relu(y.data(), cols + 1, 3, cols, dx.data(), cols + 2);
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        ASSERT_EQ(dx.at(i, j), y.at(i, j) > 0 ? before.at(i, j) : 0.0f) << cols << " at " << j;
      }
    }
    dx.ExpectGuardsUntouched();
  }
}

TEST_P(KernelTest, AddingIsThatOfThePlainLoop) {
  for (const std::int64_t size : kSizes) {
    const FencedMatrix x = Input(1, size, 0, 1), before = Output(1, size, 0),
                       sum = Output(1, size, 0);
    table().add_to(x.data(), size, sum.data());
    for (std::int64_t i = 0; i < size; ++i) ASSERT_EQ(sum.at(i), before.at(i) + x.at(i)) << size;
    sum.ExpectGuardsUntouched();
  }
}

// A record of one weight is updated by the plain rule, a long row by a kernel: the same bytes.
TEST_P(KernelTest, LongAdagradRowsAreManyShortOnes) {
  const OptimizerSpec spec = {.kind = OptimizerKind::kAdagrad, .learning_rate = 0.07f};
  for (const std::int64_t size : kSizes) {
    const FencedMatrix gradient = Input(1, size, 0, 1), weights = Output(1, size, 0),
                       sums = Output(1, size, 0);
    std::string expected_weights, expected_sums;
    for (std::int64_t i = 0; i < size; ++i) {
      sums.at(i) = i == 0 ? 0.0f : 0.1f * std::abs(sums.at(i));
      std::array record = {weights.at(i), sums.at(i)};
      UpdateRow(spec, 1, 1, record.data(), &gradient.at(i));
      expected_weights.append(reinterpret_cast<const char*>(&record[0]), sizeof(float));
      expected_sums.append(reinterpret_cast<const char*>(&record[1]), sizeof(float));
    }
    table().update_adagrad(0.07f, gradient.data(), size, weights.data(), sums.data());
    EXPECT_EQ(BytesOf(weights, size), expected_weights) << size;
    EXPECT_EQ(BytesOf(sums, size), expected_sums) << size;
    weights.ExpectGuardsUntouched();
    sums.ExpectGuardsUntouched();
  }
}

TEST_P(KernelTest, LongFtrlRowsAreManyShortOnes) {
  for (const auto& [l1, l2] : {std::pair{0.0f, 0.0f}, {0.5f, 0.0f}, {0.0f, 0.3f}, {0.4f, 0.2f}}) {
    const OptimizerSpec spec = {
        .kind = OptimizerKind::kFtrl, .learning_rate = 0.07f, .l1 = l1, .l2 = l2};
    for (const std::int64_t size : kSizes) {
      const FencedMatrix gradient = Input(1, size, 0, 1), weights = Output(1, size, 0),
                         sums = Output(1, size, 0), linears = Output(1, size, 0);
      std::string expected_weights, expected_sums, expected_linears;
      for (std::int64_t i = 0; i < size; ++i) {
        if (i % 5 == 4) gradient.at(i) = 0;
        sums.at(i) = 0.1f + std::abs(sums.at(i));
        if (i % 5 == 4) linears.at(i) = i % 2 == 0 ? 0.0f : -0.0f;
        std::array record = {weights.at(i), sums.at(i), linears.at(i)};
        UpdateRow(spec, 1, 1, record.data(), &gradient.at(i));
        expected_weights.append(reinterpret_cast<const char*>(&record[0]), sizeof(float));
        expected_sums.append(reinterpret_cast<const char*>(&record[1]), sizeof(float));
        expected_linears.append(reinterpret_cast<const char*>(&record[2]), sizeof(float));
      }
      table().update_ftrl(0.07f, l1, l2, gradient.data(), size, weights.data(), sums.data(),
                          linears.data());
      EXPECT_EQ(BytesOf(weights, size), expected_weights) << size << " l1 " << l1 << " l2 " << l2;
      EXPECT_EQ(BytesOf(sums, size), expected_sums) << size;
      EXPECT_EQ(BytesOf(linears, size), expected_linears) << size;
      weights.ExpectGuardsUntouched();
      sums.ExpectGuardsUntouched();
      linears.ExpectGuardsUntouched();
    }
  }
}

// The layers' gradients against differences of the layer's own values.
TEST(AffineTest, GradientsAreTheSlopes) {
  constexpr std::int64_t kRows = 3, kInputs = 5, kOutputs = 4;
  const FencedMatrix x = Input(kRows, kInputs, 0, 1), w = Input(kInputs, kOutputs, 0, 2),
                     bias = Input(1, kOutputs, 0, 3), upstream = Input(kRows, kOutputs, 0, 4),
                     y = Output(kRows, kOutputs, 0), dy = Input(kRows, kOutputs, 0, 4),
                     dx = Output(kRows, kInputs, 0), dw = Output(kInputs, kOutputs, 0),
                     dbias = Output(1, kOutputs, 0);
  // The scalar function sum(upstream * relu(x w + bias)).
  const auto value = [&] {
    Affine(x.view(), w.view(), bias.data(), Activation::kRelu, y.view());
    double sum = 0;
    for (std::int64_t i = 0; i < kRows * kOutputs; ++i) sum += double{upstream.at(i)} * y.at(i);
    return sum;
  };
  value();
  MaskByRelu(y.view(), dy.view());
  AffineInputGradient(dy.view(), w.view(), dx.view());
  AffineWeightGradient(x.view(), dy.view(), dw.view());
  AffineBiasGradient(dy.view(), dbias.data());
  const auto expect_slopes = [&](const FencedMatrix& parameters, const FencedMatrix& gradient) {
    constexpr float kStep = 1e-3f;  // Small enough not to cross a ReLU's edge with these numbers.
    for (std::int64_t i = 0; i < parameters.view().rows * parameters.view().cols; ++i) {
      const float old = parameters.at(i);
      parameters.at(i) = old + kStep;
      const double above = value();
      parameters.at(i) = old - kStep;
      const double below = value();
      parameters.at(i) = old;
      EXPECT_NEAR(gradient.at(i), (above - below) / (2 * kStep), 2e-3) << i;
    }
  };
  expect_slopes(x, dx);
  expect_slopes(w, dw);
  expect_slopes(bias, dbias);
}

TEST(KernelChoiceTest, ALowerOneCanBeForcedByName) {
  EXPECT_STREQ(cpu::ChooseKernels("generic").name, "generic");
  for (const KernelTable* table : cpu::SupportedKernels()) {
    EXPECT_EQ(&cpu::ChooseKernels(table->name), table);
  }
}

TEST(KernelChoiceTest, NothingAndUnknownNamesGetTheBest) {
  const KernelTable* best = cpu::SupportedKernels().front();
  EXPECT_EQ(&cpu::ChooseKernels(nullptr), best);
  EXPECT_EQ(&cpu::ChooseKernels(""), best);
  EXPECT_EQ(&cpu::ChooseKernels("avx1024"), best);
}

TEST(KernelChoiceTest, TheGenericOneRunsEverywhereAndIsTheLastChoice) {
  EXPECT_EQ(cpu::SupportedKernels().back(), &cpu::kGenericKernels);
}

}  // namespace
}  // namespace dime::ops
