// runtime/cluster/internal/training_request.h - a training page as it stands, before tiers and
// rules that span fields are looked at.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/status.h"
#include "runtime/cluster/training_input.h"

namespace dime::cluster::internal {

// A value, and where it was given: "config.yaml:5: trainingInput.workerType", "--worker-count".
template <typename T>
struct Placed {
  T value{};
  std::string place;
};

struct Accelerators {
  std::int64_t count = 0;
  std::string type;
};

struct RoleRequest {
  std::optional<Placed<std::string>> type;
  std::optional<Placed<std::int64_t>> count;
  std::optional<Placed<Accelerators>> accelerators;
};

struct TrainingRequest {
  TrainingInput input;  // What needs no more than to be read.
  std::optional<Placed<std::string>> job_id;
  std::optional<Placed<std::string>> scale_tier;
  std::array<RoleRequest, std::size(kRoles)> roles;  // By Role.
  std::optional<Placed<std::string>> consistency;
  std::optional<Placed<std::int64_t>> micro_batches;
  std::optional<Placed<std::string>> dense;
  Placed<bool> pull_ahead{};
  std::optional<Placed<std::string>> wire_precision;

  RoleRequest& Of(Role role) { return roles[static_cast<std::size_t>(role)]; }
  [[nodiscard]] const RoleRequest& Of(Role role) const {
    return roles[static_cast<std::size_t>(role)];
  }
};

inline constexpr std::int64_t kMaxMicroBatches = 100'000;

absl::Status ReadTrainingPage(std::string_view page, const std::string& file,
                              TrainingRequest* request);

}  // namespace dime::cluster::internal
