#include "worker/coordination/coordination_server.h"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/net/frame_server.h"

namespace dime::worker {
namespace {

constexpr std::chrono::seconds kHangUpTime{5};
constexpr std::chrono::seconds kFailureTime{1};

}  // namespace

// Between the coordinator, which one thread at a time may use, and all who do.
class CoordinationServer::Impl final : public net::FrameHandler {
 public:
  Impl(std::unique_ptr<net::FrameServer> frames, CoordinatorOptions options)
      : frames_(std::move(frames)),
        host_(options.host),
        coordinator_(std::move(options), [this](auto connection, const auto& header, auto parts) {
          frames_->Send(connection, header, parts);
        }) {
    thread_ = std::jthread([this](const std::stop_token& stop) {
      const absl::Status served = frames_->Run(*this, stop);
      if (served.ok()) return;
      base::Log(base::Severity::kError, "coordinator: {}", base::MessageOf(served));
      Change([&] { coordinator_.Fail(base::Annotate(served, "the coordinator has ended")); });
    });
  }

  void OnConnected(net::ConnectionId connection, const net::PeerName& peer) override {
    Change([&] { coordinator_.OnConnected(connection, peer); });
  }
  absl::Status OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                       std::span<const std::byte> payload) override {
    absl::Status handled;
    Change([&] { handled = coordinator_.OnFrame(connection, header, payload); });
    return handled;
  }
  void OnClosed(net::ConnectionId connection) override {
    Change([&] { coordinator_.OnClosed(connection); });
  }
  void OnTick() override {
    Change([&] { coordinator_.OnTick(); });
  }

  [[nodiscard]] std::vector<net::Address> addresses() const { return frames_->addresses(); }

  void AddService(std::uint8_t type, CoordinationService* service) {
    Change([&] { coordinator_.AddService(type, service); });
  }
  void RemoveService(std::uint8_t type) {
    Change([&] { coordinator_.RemoveService(type); });
  }

  [[nodiscard]] bool has_ended() {
    const std::lock_guard lock(mutex_);
    return coordinator_.has_ended();
  }

  absl::StatusOr<PeerAddresses> AwaitPeers(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, stop,
                  [&] { return coordinator_.IsComplete() || coordinator_.has_ended(); });
    if (!coordinator_.failure().ok()) return coordinator_.failure();
    if (coordinator_.has_ended() || !coordinator_.IsComplete()) {
      return base::Cancelled("stopped while waiting for all replicas to be in place");
    }
    return coordinator_.PeersFor(host_);
  }

  void Start(const JobStart& start) {
    frames_->Post([this, start] { Change([&] { coordinator_.Start(start); }); });
  }

  void End(const absl::Status& status) {
    frames_->Post([this, status] { Change([&] { coordinator_.End(status); }); });
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kHangUpTime,
                      [&] { return coordinator_.has_ended() && coordinator_.NumConnected() == 0; });
  }

  void Fail(const absl::Status& failure) {
    frames_->Post([this, failure] { Change([&] { coordinator_.Fail(failure); }); });
  }

  std::vector<HungReplica> TakeHung() {
    const std::lock_guard lock(mutex_);
    return coordinator_.TakeHung();
  }
  [[nodiscard]] std::stop_token ended() const { return ended_.get_token(); }

  absl::Status AwaitFailure() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kFailureTime, [&] { return coordinator_.has_ended(); });
    return coordinator_.failure();
  }

 private:
  template <typename F>
  void Change(const F& change) {
    bool has_ended = false;
    {
      const std::lock_guard lock(mutex_);
      change();
      has_ended = coordinator_.has_ended();
    }
    changed_.notify_all();
    if (has_ended) ended_.request_stop();
  }

  const std::unique_ptr<net::FrameServer> frames_;
  const std::string host_;
  std::mutex mutex_;  // Guards coordinator_.
  std::condition_variable_any changed_;
  Coordinator coordinator_;
  std::stop_source ended_;
  std::jthread thread_;
};

CoordinationServer::CoordinationServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CoordinationServer::~CoordinationServer() {
  if (!impl_->has_ended()) impl_->End(base::Unavailable("the master has ended"));
}

absl::StatusOr<std::unique_ptr<CoordinationServer>> CoordinationServer::Open(
    std::span<const net::Address> addresses, const net::Credentials& credentials,
    CoordinatorOptions options) {
  DIME_ASSIGN_OR_RETURN(
      std::unique_ptr<net::FrameServer> frames,
      net::FrameServer::Open(addresses, credentials, {.max_payload_bytes = kMaxCoordinationBytes}));
  return std::unique_ptr<CoordinationServer>(
      new CoordinationServer(std::make_unique<Impl>(std::move(frames), std::move(options))));
}

std::vector<net::Address> CoordinationServer::addresses() const { return impl_->addresses(); }
void CoordinationServer::AddService(std::uint8_t type, CoordinationService* service) {
  impl_->AddService(type, service);
}
void CoordinationServer::RemoveService(std::uint8_t type) { impl_->RemoveService(type); }
absl::StatusOr<PeerAddresses> CoordinationServer::AwaitPeers(const std::stop_token& stop) {
  return impl_->AwaitPeers(stop);
}
void CoordinationServer::Start(const JobStart& start) { impl_->Start(start); }
void CoordinationServer::End(const absl::Status& status) { impl_->End(status); }
void CoordinationServer::Fail(const absl::Status& failure) { impl_->Fail(failure); }
std::vector<HungReplica> CoordinationServer::TakeHung() { return impl_->TakeHung(); }
std::stop_token CoordinationServer::ended() const { return impl_->ended(); }
absl::Status CoordinationServer::AwaitFailure() { return impl_->AwaitFailure(); }

}  // namespace dime::worker
