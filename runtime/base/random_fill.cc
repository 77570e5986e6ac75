#include "runtime/base/random_fill.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/base/random.h"

namespace dime::base {
namespace {

constexpr std::size_t kWordsPerBlock = 4;
constexpr std::size_t kChunk = 64;  // Values that are made at a time, so that loops vectorise.

// In [0, 1), 24 bits.
float UniformOf(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// The normal's quantile at q + 1/2, for |q| <= 0.478: Acklam's rational approximation for the
// central region ("An algorithm for computing the inverse normal cumulative distribution function",
// 2003), whose error is far below a float's last bit but at the ends, and there below 1e-6.
float CentralQuantile(float q) {
  constexpr float kA[] = {-3.969683028665376e+01f, 2.209460984245205e+02f,  -2.759285104469687e+02f,
                          1.383577518672690e+02f,  -3.066479806614716e+01f, 2.506628277459239e+00f};
  constexpr float kB[] = {-5.447609879822406e+01f, 1.615858368580409e+02f, -1.556989798598866e+02f,
                          6.680131188771972e+01f, -1.328068155288572e+01f};
  const float r = q * q;
  const float above = ((((kA[0] * r + kA[1]) * r + kA[2]) * r + kA[3]) * r + kA[4]) * r + kA[5];
  const float below = ((((kB[0] * r + kB[1]) * r + kB[2]) * r + kB[3]) * r + kB[4]) * r + 1.0f;
  return q * above / below;
}

template <typename F>
void Fill(std::uint64_t key, std::uint64_t index, std::span<float> out, const F& value_of) {
  std::array<std::uint32_t, kChunk> words;
  for (std::size_t first = 0; first < out.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, out.size() - first);
    for (std::size_t i = 0; i < count; i += kWordsPerBlock) {
      const auto block = Philox(key, index, (first + i) / kWordsPerBlock);
      std::memcpy(words.data() + i, block.data(), sizeof(block));
    }
    float* const values = out.data() + first;
    for (std::size_t i = 0; i < count; ++i) values[i] = value_of(words[i]);
  }
}

}  // namespace

std::uint64_t RandomKey(std::uint64_t seed, std::string_view purpose) {
  return RandomStream(seed, purpose).key();
}

void FillUniform(std::uint64_t key, std::uint64_t index, std::span<float> out) {
  Fill(key, index, out, UniformOf);
}

void FillTruncatedNormal(std::uint64_t key, std::uint64_t index, std::span<float> out) {
  constexpr float kWithinTwoDeviations = 0.954499736f;
  Fill(key, index, out, [](std::uint32_t word) {
    // The middle of one of 2^24 equal parts: symmetric about zero.
    const float uniform = UniformOf(word) + 0x1p-25f;
    return std::clamp(CentralQuantile((uniform - 0.5f) * kWithinTwoDeviations), -2.0f, 2.0f);
  });
}

}  // namespace dime::base
