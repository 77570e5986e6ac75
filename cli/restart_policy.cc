#include "cli/restart_policy.h"

#include <algorithm>

#include "cli/exit_codes.h"

namespace dime::cli {
namespace {

constexpr std::size_t kMostRestarts = 10;
constexpr std::chrono::minutes kWithin{10};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{5000};

}  // namespace

bool RestartPolicy::MayHelp(int exit_code) {
  switch (exit_code) {
    case kExitOk:
    case kExitUsage:
    case kExitData:
    case kExitPermission:
    case kExitConfig:
      return false;
    default:
      return true;
  }
}

std::optional<std::chrono::milliseconds> RestartPolicy::OnEnd(int exit_code,
                                                              Clock::time_point now) {
  while (!restarts_.empty() && now >= restarts_.front() + kWithin) restarts_.pop_front();
  if (!MayHelp(exit_code) || restarts_.size() >= kMostRestarts) return std::nullopt;
  const std::chrono::milliseconds pause = kFirstPause * (1 << restarts_.size());
  restarts_.push_back(now);
  return std::min(pause, kLongestPause);
}

}  // namespace dime::cli
