// ps/internal/exchange_hold.h - exchanges that a server puts off, so that all servers of a job can
// take their part of a checkpoint after the same pushes.
//
// The master has all servers hold what comes, learns from each what it has applied, and names the
// last push of every replica that is to be in the checkpoint. A server lets these through, cuts,
// and then takes up the rest. So a push is in all parts or in none; but the last one of a replica
// that is gone, which may have come to some servers alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime/net/frame.h"
#include "runtime/net/frame_server.h"

namespace dime::ps::internal {

class ExchangeHold {
 public:
  struct Exchange {
    net::ConnectionId connection = 0;
    std::uint64_t request_id = 0;
    std::uint32_t replica = 0;
    std::uint64_t push_number = 0;  // 0: no push.
    std::vector<std::byte> payload;
  };

  // From now on all exchanges wait.
  void Begin() { is_on_ = true; }
  // But for these: pushes up to last_pushes[replica].
  void LetThrough(std::span<const std::uint64_t> last_pushes) {
    last_pushes_.assign(last_pushes.begin(), last_pushes.end());
  }
  // Of this replica nothing more is let through.
  void LetNothingThroughOf(std::uint32_t replica) {
    if (replica < last_pushes_.size()) last_pushes_[replica] = 0;
  }
  [[nodiscard]] bool is_on() const { return is_on_; }
  [[nodiscard]] std::span<const std::uint64_t> last_pushes() const { return last_pushes_; }

  [[nodiscard]] bool MustWait(std::uint32_t replica, std::uint64_t push_number) const {
    if (!is_on_) return false;
    return push_number == 0 || replica >= last_pushes_.size() ||
           push_number > last_pushes_[replica];
  }
  void Add(Exchange exchange) { waiting_.push_back(std::move(exchange)); }

  // Those that need not wait any more, in the order in which they came.
  std::vector<Exchange> TakeReady() {
    std::vector<Exchange> ready;
    std::vector<Exchange> rest;
    for (Exchange& exchange : waiting_) {
      auto& to = MustWait(exchange.replica, exchange.push_number) ? rest : ready;
      to.push_back(std::move(exchange));
    }
    waiting_ = std::move(rest);
    return ready;
  }
  // Nothing waits any more; those that did.
  std::vector<Exchange> End() {
    is_on_ = false;
    last_pushes_.clear();
    return std::exchange(waiting_, {});
  }
  void Forget(net::ConnectionId connection) {
    std::erase_if(waiting_, [&](const Exchange& e) { return e.connection == connection; });
  }

 private:
  bool is_on_ = false;
  std::vector<std::uint64_t> last_pushes_;  // Empty: nothing is let through.
  std::vector<Exchange> waiting_;
};

}  // namespace dime::ps::internal
