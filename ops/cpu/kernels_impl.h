// ops/cpu/kernels_impl.h - the kernels, written once over a vector type `V`; see kernels.h.
//
// Included by one source file for each instruction set, inside an unnamed namespace, so that no
// function compiled for one processor is linked into code for another. For the same reason it uses
// nothing of the standard library.
//
// V::Reg holds V::kWidth floats. V::First(n) selects the first n of them (all, if n is larger):
// matrices lie unpadded in their tables, and what stands behind a row is somebody else's.
//
// A product is cut into strips of kTileVectors registers' width, and those into tiles of kTileRows
// rows. A strip of b is packed, as it is or transposed, into a panel on the stack: aligned, dense
// and in the first-level cache while all tiles of the strip use it. A tile of c stays in registers
// while the depth is run through: each step loads kTileVectors of b, broadcasts kTileRows floats of
// a, and multiplies all with all.

#define DIME_ALWAYS_INLINE __attribute__((always_inline))

// How much of the depth a panel holds: with it, the columns of a that a tile reads stay in the
// first-level cache.
// NOLINTNEXTLINE(misc-definitions-in-headers): it is in an unnamed namespace.
constexpr std::int64_t kPanelDepth = 128;

constexpr std::int64_t Min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
constexpr std::int64_t DivideUp(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

template <int kValue>
struct Index {
  constexpr operator int() const { return kValue; }  // NOLINT
};

// f(Index<0>), f(Index<1>), ...: a loop that is unrolled before registers are assigned. A plain
// loop over an array of registers is unrolled too late for GCC to keep the array out of memory.
template <int kCount, class F>
DIME_ALWAYS_INLINE inline void Repeat(const F& f) {
  if constexpr (kCount > 0) {
    Repeat<kCount - 1>(f);
    f(Index<kCount - 1>());
  }
}

// One tile of c, and what it is made of.
template <class V>
struct Tile {
  const float* a;
  std::int64_t a_row;
  std::int64_t a_col;
  const float* panel;
  std::int64_t depth;
  const float* start;  // What the sums start from: a row of zeros or the bias, or c.
  std::int64_t start_row;
  float* c;
  std::int64_t c_row;
  typename V::Mask last;  // The floats of each row's last register that are part of c.
  bool relu;
};

template <class V, int kRows, int kVectors>
void MultiplyTile(const Tile<V>& tile) {
  using Reg = typename V::Reg;
  const typename V::Mask last = tile.last;
  Reg sum[kRows][kVectors];
  Repeat<kRows>([&](auto i) DIME_ALWAYS_INLINE {
    Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE {
      const float* start = tile.start + i * tile.start_row + j * V::kWidth;
      sum[i][j] = j == kVectors - 1 ? V::Load(start, last) : V::Load(start);
    });
  });

  const float* a = tile.a;
  const float* b = tile.panel;
  const std::int64_t a_row = tile.a_row;
  const std::int64_t a_col = tile.a_col;
  for (std::int64_t p = tile.depth; p > 0; --p, a += a_col, b += kVectors * V::kWidth) {
    Reg line[kVectors];
    Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE { line[j] = V::Load(b + j * V::kWidth); });
    Repeat<kRows>([&](auto i) DIME_ALWAYS_INLINE {
      const Reg factor = V::Broadcast(a[i * a_row]);
      Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE {
        sum[i][j] = V::MultiplyAdd(factor, line[j], sum[i][j]);
      });
    });
  }

  if (tile.relu) {
    Repeat<kRows>([&](auto i) DIME_ALWAYS_INLINE {
      Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE { sum[i][j] = V::MaxWithZero(sum[i][j]); });
    });
  }
  Repeat<kRows>([&](auto i) DIME_ALWAYS_INLINE {
    float* c = tile.c + i * tile.c_row;
    Repeat<kVectors - 1>([&](auto j)
                             DIME_ALWAYS_INLINE { V::Store(c + j * V::kWidth, sum[i][j]); });
    V::Store(c + (kVectors - 1) * V::kWidth, last, sum[i][kVectors - 1]);
  });
}

template <class V, int kVectors, int kRows = V::kTileRows>
inline void MultiplyTileOf(std::int64_t rows, const Tile<V>& tile) {
  if (rows == kRows) return MultiplyTile<V, kRows, kVectors>(tile);
  if constexpr (kRows > 1) MultiplyTileOf<V, kVectors, kRows - 1>(rows, tile);
}

// All tiles of a strip. Their heights differ by one row at most: a low tile is slow for its size.
template <class V, int kVectors>
void MultiplyStrip(std::int64_t rows, Tile<V> tile) {
  for (std::int64_t tiles = DivideUp(rows, V::kTileRows); tiles > 0; --tiles) {
    const std::int64_t height = DivideUp(rows, tiles);
    MultiplyTileOf<V, kVectors>(height, tile);
    tile.a += height * tile.a_row;
    tile.start += height * tile.start_row;
    tile.c += height * tile.c_row;
    rows -= height;
  }
}

// panel(p, j) = b[p * b_row + j] for j < cols; zeros up to the next whole register.
template <class V, int kVectors>
void PackRows(const float* b, std::int64_t b_row, std::int64_t depth, std::int64_t cols,
              float* panel) {
  const typename V::Mask last = V::First(cols - (kVectors - 1) * V::kWidth);
  for (std::int64_t p = 0; p < depth; ++p, b += b_row, panel += kVectors * V::kWidth) {
    Repeat<kVectors - 1>([&](auto j) DIME_ALWAYS_INLINE {
      V::Store(panel + j * V::kWidth, V::Load(b + j * V::kWidth));
    });
    V::Store(panel + (kVectors - 1) * V::kWidth, V::Load(b + (kVectors - 1) * V::kWidth, last));
  }
}

// panel(p, j) = b[p + j * b_col] for j < cols; zeros up to the next whole register, in both
// directions: the panel has room for whole squares.
template <class V, int kVectors>
void PackColumns(const float* b, std::int64_t b_col, std::int64_t depth, std::int64_t cols,
                 float* panel) {
  for (std::int64_t p = 0; p < depth; p += V::kWidth) {
    const typename V::Mask inside = V::First(depth - p);
    for (std::int64_t j = 0; j < kVectors * V::kWidth; j += V::kWidth) {
      typename V::Reg square[V::kWidth];
      Repeat<V::kWidth>([&](auto i) DIME_ALWAYS_INLINE {
        square[i] = j + i < cols ? V::Load(b + (j + i) * b_col + p, inside) : V::Zero();
      });
      V::Transpose(square);
      Repeat<V::kWidth>([&](auto i) DIME_ALWAYS_INLINE {
        V::Store(panel + (p + i) * kVectors * V::kWidth + j, square[i]);
      });
    }
  }
}

template <class V>
inline constexpr int kStripCols = V::kTileVectors* V::kWidth;

// The columns [col, col + kVectors registers) of a product that is not deeper than a panel.
template <class V, int kVectors>
void PackAndMultiplyStrip(const Product& p, std::int64_t col, float* panel) {
  alignas(64) static constexpr float kZeros[kStripCols<V>] = {};
  const std::int64_t cols = Min(p.cols - col, kVectors * V::kWidth);
  const float* b = p.b + col * p.b_col;
  if (p.b_col == 1) {
    PackRows<V, kVectors>(b, p.b_row, p.depth, cols, panel);
  } else {
    PackColumns<V, kVectors>(b, p.b_col, p.depth, cols, panel);
  }
  float* const c = p.c + col;
  const float* const start = p.accumulate ? c : p.bias != nullptr ? p.bias + col : kZeros;
  MultiplyStrip<V, kVectors>(p.rows, {.a = p.a,
                                      .a_row = p.a_row,
                                      .a_col = p.a_col,
                                      .panel = panel,
                                      .depth = p.depth,
                                      .start = start,
                                      .start_row = p.accumulate ? p.c_row : 0,
                                      .c = c,
                                      .c_row = p.c_row,
                                      .last = V::First(cols - (kVectors - 1) * V::kWidth),
                                      .relu = p.relu});
}

template <class V, int kVectors = V::kTileVectors>
inline void PackAndMultiplyStripOf(int vectors, const Product& p, std::int64_t col, float* panel) {
  if (vectors == kVectors) return PackAndMultiplyStrip<V, kVectors>(p, col, panel);
  if constexpr (kVectors > 1) PackAndMultiplyStripOf<V, kVectors - 1>(vectors, p, col, panel);
}

// All strips of a product that is not deeper than a panel; nearly equal in width, as tiles are in
// height.
template <class V>
void MultiplyBlock(const Product& p, float* panel) {
  std::int64_t vectors = DivideUp(p.cols, V::kWidth);
  std::int64_t col = 0;
  for (std::int64_t strips = DivideUp(vectors, V::kTileVectors); strips > 0; --strips) {
    const std::int64_t width = DivideUp(vectors, strips);
    PackAndMultiplyStripOf<V>(static_cast<int>(width), p, col, panel);
    col += width * V::kWidth;
    vectors -= width;
  }
}

template <class V>
void Multiply(const Product& product) {
  alignas(64) float panel[kPanelDepth * kStripCols<V>];
  Product block = product;
  std::int64_t left = product.depth;
  do {
    block.depth = Min(left, kPanelDepth);
    left -= block.depth;
    block.relu = product.relu && left == 0;
    MultiplyBlock<V>(block, panel);
    block.a += block.depth * product.a_col;
    block.b += block.depth * product.b_row;
    block.accumulate = true;  // The sums go on from where the last block left them.
  } while (left > 0);
}

// How many registers of a row the sparse kernels hold at a time.
// NOLINTNEXTLINE(misc-definitions-in-headers): it is in an unnamed namespace.
constexpr int kRowVectors = 8;

// f(Index<i>, mask) for each of the registers of a row that holds `cols` floats in kVectors of
// them.
template <class V, int kVectors, class F>
DIME_ALWAYS_INLINE inline void ForEachOfRow(typename V::Mask last, const F& f) {
  const typename V::Mask whole = V::First(V::kWidth);
  Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE { f(j, j == kVectors - 1 ? last : whole); });
}

template <class V, int kVectors>
void SparseAffineStrip(const SparseProduct& x, std::int64_t cols, const float* w,
                       std::int64_t w_stride, const float* bias, float* y, std::int64_t y_stride) {
  using Reg = typename V::Reg;
  const typename V::Mask last = V::First(cols - (kVectors - 1) * V::kWidth);
  for (std::int64_t i = 0; i < x.rows; ++i, y += y_stride) {
    Reg sum[kVectors];
    ForEachOfRow<V, kVectors>(last, [&](auto j, auto mask) DIME_ALWAYS_INLINE {
      sum[j] = V::Load(bias + j * V::kWidth, mask);
    });
    for (std::int32_t k = x.offsets[i]; k < x.offsets[i + 1]; ++k) {
      const float* const row = w + x.columns[k] * w_stride;
      const Reg value = V::Broadcast(x.values == nullptr ? 1.0f : x.values[k]);
      ForEachOfRow<V, kVectors>(last, [&](auto j, auto mask) DIME_ALWAYS_INLINE {
        sum[j] = V::MultiplyAdd(value, V::Load(row + j * V::kWidth, mask), sum[j]);
      });
    }
    ForEachOfRow<V, kVectors>(last, [&](auto j, auto mask) DIME_ALWAYS_INLINE {
      V::Store(y + j * V::kWidth, mask, sum[j]);
    });
  }
}

template <class V, int kVectors>
void AddSparseWeightGradientStrip(const SparseProduct& x, std::int64_t cols, const float* dy,
                                  std::int64_t dy_stride, float* dw, std::int64_t dw_stride) {
  using Reg = typename V::Reg;
  const typename V::Mask last = V::First(cols - (kVectors - 1) * V::kWidth);
  for (std::int64_t i = 0; i < x.rows; ++i, dy += dy_stride) {
    Reg line[kVectors];
    ForEachOfRow<V, kVectors>(last, [&](auto j, auto mask) DIME_ALWAYS_INLINE {
      line[j] = V::Load(dy + j * V::kWidth, mask);
    });
    for (std::int32_t k = x.offsets[i]; k < x.offsets[i + 1]; ++k) {
      float* const row = dw + x.columns[k] * dw_stride;
      const Reg value = V::Broadcast(x.values == nullptr ? 1.0f : x.values[k]);
      ForEachOfRow<V, kVectors>(last, [&](auto j, auto mask) DIME_ALWAYS_INLINE {
        float* const at = row + j * V::kWidth;
        V::Store(at, mask, V::MultiplyAdd(value, line[j], V::Load(at, mask)));
      });
    }
  }
}

// strip(Index<vectors>, col, cols) for strips of up to kRowVectors registers that make up `cols`
// columns.
template <class V, class F, int kVectors = kRowVectors>
DIME_ALWAYS_INLINE inline void CallStrip(std::int64_t vectors, const F& strip) {
  if (vectors == kVectors) return strip(Index<kVectors>());
  if constexpr (kVectors > 1) CallStrip<V, F, kVectors - 1>(vectors, strip);
}
template <class V, class F>
DIME_ALWAYS_INLINE inline void ForEachStrip(std::int64_t cols, const F& strip) {
  for (std::int64_t col = 0; col < cols; col += kRowVectors * V::kWidth) {
    const std::int64_t width = Min(cols - col, kRowVectors * V::kWidth);
    CallStrip<V>(DivideUp(width, V::kWidth),
                 [&](auto vectors) DIME_ALWAYS_INLINE { strip(vectors, col, width); });
  }
}

template <class V>
void SparseAffine(const SparseProduct& x, const float* w, std::int64_t w_stride, const float* bias,
                  float* y, std::int64_t y_stride) {
  ForEachStrip<V>(x.cols, [&](auto vectors, std::int64_t col, std::int64_t width) {
    SparseAffineStrip<V, vectors>(x, width, w + col, w_stride, bias + col, y + col, y_stride);
  });
}

template <class V>
void AddSparseWeightGradient(const SparseProduct& x, const float* dy, std::int64_t dy_stride,
                             float* dw, std::int64_t dw_stride) {
  ForEachStrip<V>(x.cols, [&](auto vectors, std::int64_t col, std::int64_t width) {
    AddSparseWeightGradientStrip<V, vectors>(x, width, dy + col, dy_stride, dw + col, dw_stride);
  });
}

// f(i, mask) for each register's width of `size` floats.
template <class V, class F>
DIME_ALWAYS_INLINE inline void ForEachRegister(std::int64_t size, const F& f) {
  for (std::int64_t i = 0; i < size; i += V::kWidth) f(i, V::First(size - i));
}

// Columns of as many registers as hide an addition's latency.
template <class V>
void SumRows(const float* in, std::int64_t rows, std::int64_t cols, std::int64_t stride,
             float* sums) {
  constexpr int kVectors = 4;
  for (std::int64_t col = 0; col < cols; col += kVectors * V::kWidth) {
    typename V::Mask mask[kVectors];
    typename V::Reg sum[kVectors];
    Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE {
      mask[j] = V::First(cols - col - j * V::kWidth);
      sum[j] = V::Zero();
    });
    const float* line = in + col;
    for (std::int64_t row = 0; row < rows; ++row, line += stride) {
      Repeat<kVectors>([&](auto j) DIME_ALWAYS_INLINE {
        sum[j] = V::Add(sum[j], V::Load(line + j * V::kWidth, mask[j]));
      });
    }
    Repeat<kVectors>(
        [&](auto j) DIME_ALWAYS_INLINE { V::Store(sums + col + j * V::kWidth, mask[j], sum[j]); });
  }
}

template <class V>
void MaskByRelu(const float* y, std::int64_t y_stride, std::int64_t rows, std::int64_t cols,
                float* dx, std::int64_t dx_stride) {
  for (std::int64_t row = 0; row < rows; ++row, y += y_stride, dx += dx_stride) {
    ForEachRegister<V>(cols, [&](std::int64_t i, auto mask) DIME_ALWAYS_INLINE {
      V::Store(dx + i, mask,
               V::WhereGreater(V::Load(y + i, mask), V::Zero(), V::Load(dx + i, mask)));
    });
  }
}

template <class V>
void AddTo(const float* x, std::int64_t size, float* sum) {
  ForEachRegister<V>(size, [&](std::int64_t i, auto mask) DIME_ALWAYS_INLINE {
    V::Store(sum + i, mask, V::Add(V::Load(sum + i, mask), V::Load(x + i, mask)));
  });
}

template <class V>
void UpdateAdagrad(float learning_rate, const float* gradient, std::int64_t size, float* weights,
                   float* accumulators) {
  using Reg = typename V::Reg;
  const Reg rate = V::Broadcast(learning_rate);
  ForEachRegister<V>(size, [&](std::int64_t i, auto mask) DIME_ALWAYS_INLINE {
    const Reg g = V::Load(gradient + i, mask);
    const Reg sum = V::Add(V::Load(accumulators + i, mask), V::Multiply(g, g));
    const Reg change = V::Divide(V::Multiply(rate, g), V::SquareRoot(sum));
    V::Store(accumulators + i, mask, sum);
    V::Store(weights + i, mask, V::Subtract(V::Load(weights + i, mask), change));
  });
}

template <class V>
void UpdateFtrl(float learning_rate, float l1, float l2, const float* gradient, std::int64_t size,
                float* weights, float* accumulators, float* linears) {
  using Reg = typename V::Reg;
  const Reg rate = V::Broadcast(learning_rate);
  const Reg edge = V::Broadcast(l1);
  const Reg twice_l2 = V::Broadcast(2.0f * l2);
  ForEachRegister<V>(size, [&](std::int64_t i, auto mask) DIME_ALWAYS_INLINE {
    const Reg g = V::Load(gradient + i, mask);
    const Reg old_sum = V::Load(accumulators + i, mask);
    const Reg sum = V::Add(old_sum, V::Multiply(g, g));
    const Reg root = V::SquareRoot(sum);
    const Reg sigma = V::Divide(V::Subtract(root, V::SquareRoot(old_sum)), rate);
    const Reg pull = V::Subtract(g, V::Multiply(sigma, V::Load(weights + i, mask)));
    const Reg linear = V::Add(V::Load(linears + i, mask), pull);
    const Reg quadratic = V::Add(V::Divide(root, rate), twice_l2);
    const Reg shrunk = V::Divide(V::Subtract(V::CopySign(edge, linear), linear), quadratic);
    V::Store(accumulators + i, mask, sum);
    V::Store(linears + i, mask, linear);
    V::Store(weights + i, mask, V::WhereGreater(V::Abs(linear), edge, shrunk));
  });
}

// Calls nothing of hashing.h's, which would be compiled for one set and linked into all. V tells
// the sets' own functions apart.
template <class V>
void CatFingerprints(const std::uint64_t* values, std::int64_t size, std::uint64_t* hashes) {
  constexpr std::uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  for (std::int64_t i = 0; i < size; ++i) {
    std::uint64_t value = values[i] * kMultiplier;
    value ^= value >> 47;
    std::uint64_t hash = hashes[i] ^ kMultiplier ^ value * kMultiplier;
    hash *= kMultiplier;
    hash = (hash ^ hash >> 47) * kMultiplier;
    hashes[i] = hash ^ hash >> 47;
  }
}

#include "ops/cpu/half_impl.h"

template <class V>
constexpr KernelTable MakeTable(const char* name) {
  return {name,          Multiply<V>,        SparseAffine<V>, AddSparseWeightGradient<V>,
          SumRows<V>,    MaskByRelu<V>,      AddTo<V>,        UpdateAdagrad<V>,
          UpdateFtrl<V>, CatFingerprints<V>, ToBfloat16,      FromBfloat16,
          ToFloat16,     FromFloat16};
}

#undef DIME_ALWAYS_INLINE
