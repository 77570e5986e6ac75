// ops/sparse.h - kernels on looked-up rows: what embeddings, indicators and linear weights are made
// of.
//
// `use` tells where each example's values lie among `rows` ([ids, dim], row-major). dim is 1 for
// the linear weights of a single logit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ops/dense.h"
#include "ops/table.h"

namespace dime::ops {

// A part of a batch: examples [first, first + count).
struct ExampleRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};
[[nodiscard]] ExampleRange AllExamples(const LookupUse& use);

// An example's rows, each times its weight w, are added up, and divided: by nothing, by the sum of
// w, or by the root of the sum of w^2. For the latter two only weights above 0 count.
enum class Combiner { kSum, kMean, kSqrtn };

// out[i, :] (a [examples.count, dim] view) = combined rows of example examples.first + i; zero when
// it has none that counts.
void CombineRows(const LookupUse& use, ExampleRange examples, std::span<const float> rows,
                 Combiner combiner, MatrixView out);

// Its gradient, of all examples: adds to row_gradients ([ids, dim]) what dout says. Several uses
// may add to one table.
void AddCombinedGradient(const LookupUse& use, ConstMatrixView dout, Combiner combiner,
                         std::span<float> row_gradients);

// Linear weights ([ids, dim]): logits[i, :] += the sum of the weights of example examples.first +
// i; and its gradient, of all examples.
void AddLinearTerms(const LookupUse& use, ExampleRange examples, std::span<const float> weights,
                    std::size_t dim, std::span<float> logits);
void AddLinearGradient(const LookupUse& use, std::span<const float> dlogits, std::size_t dim,
                       std::span<float> weight_gradients);
// The same for numbers ([num_examples, n], weights [n, dim]).
void AddProducts(std::span<const float> numbers, std::span<const float> weights, std::size_t dim,
                 std::span<float> logits);
void AddOuterProducts(std::span<const float> numbers, std::span<const float> dlogits,
                      std::size_t dim, std::span<float> weight_gradients);

// Finds the distinct ids of one or more columns, in order of first use. One object a thread; reuse
// it, it keeps memory.
class Deduplicator {
 public:
  // Starts a table with ids in [0, num_rows); clears `distinct`, which Position() appends to.
  void Start(std::int64_t num_rows, std::vector<std::int64_t>* distinct);
  // The id's position among the distinct ones; -1 for -1. Appends it when it is new.
  std::int32_t Position(std::int64_t id);

 private:
  struct Slot {
    std::int64_t id = 0;
    std::uint32_t round = 0;  // The slot is free in every round but this one.
    std::int32_t position = 0;
  };
  Slot& Find(std::int64_t id);  // The id's slot, or the free one where it belongs.
  void Grow();

  std::vector<Slot> slots_;  // Open addressing; a power of two, at most half in use.
  std::uint32_t round_ = 0;  // One for each Start(): what clears the slots.
  std::int64_t num_rows_ = 0;
  std::vector<std::int64_t>* distinct_ = nullptr;
};

}  // namespace dime::ops
