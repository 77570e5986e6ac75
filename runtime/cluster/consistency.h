// runtime/cluster/consistency.h - how far training replicas may be apart.
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

}  // namespace dime::cluster
