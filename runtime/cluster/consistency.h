// runtime/cluster/consistency.h - how far training replicas may be apart, who keeps the dense
// variables, and how precise values are on their way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/base/status.h"

namespace dime::cluster {

struct Consistency {
  enum class Kind {
    kAsync,    // Everybody goes on.
    kBounded,  // Nobody is more than max_lead steps ahead of the slowest.
    kSync,     // A step is micro_batches batches of all, combined in their order.
  };

  Kind kind = Kind::kAsync;
  std::int64_t max_lead = 0;  // kBounded.

  [[nodiscard]] bool is_sync() const { return kind == Kind::kSync; }
  bool operator==(const Consistency&) const = default;
};

// "async", "bounded:K" or "sync"; kInvalidArgument, which names them, for another text.
absl::StatusOr<Consistency> ParseConsistency(std::string_view text);
[[nodiscard]] std::string FormatConsistency(const Consistency& consistency);

enum class DenseRows {
  kServers,    // Parameter servers, as all others.
  kAllReduce,  // Every training replica; their gradients are summed by all of them. In sync only.
};

// "servers" or "allreduce"; kInvalidArgument, which names them, for another text.
absl::StatusOr<DenseRows> ParseDenseRows(std::string_view text);
// kInvalidArgument when they do not go together.
absl::Status CheckDenseRows(DenseRows dense, const Consistency& consistency);
// The next step's rows may be pulled while one is computed where replicas take steps of their own.
// kInvalidArgument elsewhere.
absl::Status CheckPullAhead(bool pull_ahead, const Consistency& consistency);
// Where the user asks for none: what the sample does, if it can be.
[[nodiscard]] Consistency DefaultConsistency(bool has_servers, DenseRows dense);

// Of the values that go between workers and servers, which keep 32 bits; numbers of ops::Precision.
enum class WirePrecision : std::uint16_t { kFloat32 = 0, kBfloat16 = 1, kFloat16 = 2 };

// "float32", "bfloat16" or "float16"; kInvalidArgument, which names them, for another text.
absl::StatusOr<WirePrecision> ParseWirePrecision(std::string_view text);

}  // namespace dime::cluster
