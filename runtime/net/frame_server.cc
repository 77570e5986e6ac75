#include "runtime/net/frame_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/base/spin.h"
#include "runtime/net/channel.h"
#include "runtime/net/internal/buffers.h"
#include "runtime/net/socket.h"

namespace dime::net {
namespace {

constexpr std::chrono::microseconds kPatience{50};
// How long a send waits for a peer that is busy reading: what is queued is copied, and read again.
constexpr std::chrono::microseconds kSendPatience{100};
constexpr std::chrono::microseconds kLongestSend{2000};
constexpr std::chrono::milliseconds kTick{100};
constexpr std::chrono::milliseconds kLingerTime{1000};
constexpr std::chrono::seconds kBetweenComplaints{10};
// What one peer's turn has at most: one that sends all the time must not keep the others waiting.
constexpr std::size_t kMostBytesPerTurn = 1 << 20;
constexpr int kMostFramesPerTurn = 64;
// A peer that takes no answers is not asked for more requests.
constexpr std::size_t kMostUntakenBytes = 32 << 20;

struct Connection {
  Socket socket;
  bool is_trusted = false;                   // The connection itself keeps bytes whole.
  std::optional<HandshakeServer> handshake;  // None: it is over, that of TLS included.
  bool is_shaking_tls = false;
  bool is_paused = false;  // Frames may wait in `input` until the peer has taken its answers.
  bool has_more = false;   // Its turn was over first; poll() need not tell of what is left.
  Deadline handshake_deadline;
  internal::InputBuffer input;
  internal::OutputQueue output;
  bool broken = false;
};

}  // namespace

class FrameServer::Impl {
 public:
  Impl(Credentials credentials, const FrameServerOptions& options)
      : credentials_(std::move(credentials)),
        options_(options),
        wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  absl::Status Listen(std::span<const Address> addresses) {
    if (!wake_.is_open()) return base::ErrnoToStatus(errno, "cannot make an event descriptor");
    for (const Address& address : addresses) {
      DIME_ASSIGN_OR_RETURN(Listener listener, Listener::Open(address));
      listeners_.push_back(std::move(listener));
    }
    return absl::OkStatus();
  }

  [[nodiscard]] std::vector<Address> addresses() const {
    std::vector<Address> addresses;
    for (const Listener& listener : listeners_) addresses.push_back(listener.address());
    return addresses;
  }

  absl::Status Run(FrameHandler& handler, const std::stop_token& stop) {
    handler_ = &handler;
    const std::stop_callback wake(stop, [this] { Wake(); });
    while (!stopped_ && !stop.stop_requested()) {
      DIME_RETURN_IF_ERROR(AwaitEvents());
      const auto start = Clock::now();
      DoPostedWork();
      HandleEvents();
      const auto now = Clock::now();
      traffic_.busy += now - start;
      if (now >= next_tick_) {
        next_tick_ = now + kTick;
        is_accepting_paused_ = false;
        EndOverdueHandshakes(now);
        handler_->OnTick();
      }
      EndBroken();
    }
    Linger();
    return absl::OkStatus();
  }

  void Send(ConnectionId id, FrameHeader header, std::span<const iovec> payload) {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.broken) return;
    Connection& connection = found->second;
    if (connection.is_trusted) header.flags |= kFlagHeaderSumOnly;
    if (SizeOf(payload) > options_.max_payload_bytes) {
      Complain(base::ResourceExhausted("an answer of {} bytes is too long; {} are allowed",
                                       SizeOf(payload), options_.max_payload_bytes));
      return Break(connection);
    }
    header.payload_bytes = static_cast<std::uint32_t>(SizeOf(payload));
    FrameHeaderBytes bytes = EncodeFrameHeader(header, payload);
    send_parts_.assign(1, {bytes.data(), bytes.size()});
    send_parts_.insert(send_parts_.end(), payload.begin(), payload.end());
    std::size_t first = 0;
    if (connection.output.size() == 0) first = SendNow(connection);
    if (connection.broken || first == send_parts_.size()) return;
    connection.output.Append(std::span(send_parts_).subspan(first));
    if (connection.output.size() > options_.max_queued_bytes) Break(connection);
  }

  void Close(ConnectionId id) {
    if (const auto found = connections_.find(id); found != connections_.end()) {
      Break(found->second);
    }
  }

  void Stop() { stopped_ = true; }
  [[nodiscard]] const Traffic& traffic() const { return traffic_; }

  void Post(std::function<void()> work) {
    {
      const std::lock_guard lock(posted_mutex_);
      posted_.push_back(std::move(work));
    }
    Wake();
  }

 private:
  // Sends of send_parts_ what the peer takes now; returns the first part that is left.
  std::size_t SendNow(Connection& connection) {
    std::size_t first = 0;
    const Deadline deadline = Clock::now() + kLongestSend;
    while (first < send_parts_.size()) {
      const absl::StatusOr<std::size_t> sent =
          connection.socket.Send(std::span(send_parts_).subspan(first));
      if (!sent.ok()) {
        Break(connection);
        return first;
      }
      traffic_.num_bytes_out += *sent;
      first = Advance(send_parts_, first, *sent);
      if (first == send_parts_.size()) break;
      pollfd wanted = {.fd = connection.socket.fd(), .events = POLLOUT, .revents = 0};
      const auto has_room = [&] { return poll(&wanted, 1, 0) != 0; };
      if (!base::SpinUntil(has_room, kSendPatience) || Clock::now() >= deadline) break;
    }
    return first;
  }

  void Wake() {
    const std::uint64_t one = 1;
    (void)!write(wake_.fd(), &one, sizeof(one));
  }

  void DoPostedWork() {
    if (descriptors_[0].revents == 0) return;
    std::uint64_t count = 0;
    (void)!read(wake_.fd(), &count, sizeof(count));
    std::vector<std::function<void()>> posted;
    {
      const std::lock_guard lock(posted_mutex_);
      posted.swap(posted_);
    }
    for (const std::function<void()>& work : posted) work();
  }

  // Descriptors in the order: wake-up, listeners, connections by id.
  void ListDescriptors() {
    descriptors_.clear();
    descriptors_.push_back({wake_.fd(), POLLIN, 0});
    // Who has no room for strangers lets them wait in the system's queue.
    const bool has_room = NumStrangers() < options_.max_strangers && !is_accepting_paused_;
    const short accepting = has_room ? POLLIN : 0;
    for (const Listener& listener : listeners_) {
      descriptors_.push_back({listener.fd(), accepting, 0});
    }
    for (auto& [id, connection] : connections_) {
      const bool wants_room = connection.output.size() > 0 || connection.socket.WaitsForRoom();
      const bool wants_bytes = connection.output.size() <= kMostUntakenBytes;
      const int events = (wants_bytes ? POLLIN : 0) | (wants_room ? POLLOUT : 0);
      descriptors_.push_back({connection.socket.fd(), static_cast<short>(events), 0});
    }
  }

  absl::Status AwaitEvents() {
    ListDescriptors();
    const auto look = [&] { return poll(descriptors_.data(), descriptors_.size(), 0) != 0; };
    if (std::exchange(is_turn_left_, false)) {
      look();
      return absl::OkStatus();
    }
    // A peer that was just answered may ask again at once. Strangers are not worth a processor.
    const auto patience = spin_end_ - Clock::now();
    if (patience > Clock::duration::zero() &&
        base::SpinUntil(look, std::chrono::ceil<std::chrono::microseconds>(patience))) {
      return absl::OkStatus();
    }
    const int ready =
        poll(descriptors_.data(), descriptors_.size(), static_cast<int>(kTick.count()));
    if (ready < 0 && errno != EINTR) return base::ErrnoToStatus(errno, "poll");
    return absl::OkStatus();
  }

  void HandleEvents() {
    std::size_t at = 1 + listeners_.size();
    // Handlers and Accept() may add connections, which have no descriptor in the list yet; none is
    // taken out before EndBroken().
    for (auto connection = connections_.begin();
         connection != connections_.end() && at < descriptors_.size(); ++connection, ++at) {
      const short events = descriptors_[at].revents;
      if (connection->second.is_shaking_tls) {
        if (events != 0) ShakeTls(connection->first, connection->second);
        continue;
      }
      if ((events & POLLOUT) != 0) Flush(connection->second);
      const bool has_input = (events & (POLLIN | POLLHUP | POLLERR)) != 0;
      if (has_input || connection->second.is_paused || connection->second.has_more) {
        Read(connection->first, connection->second);
      }
    }
    for (std::size_t l = 0; l < listeners_.size(); ++l) {
      if ((descriptors_[1 + l].revents & POLLIN) != 0) Accept(listeners_[l]);
    }
  }

  void Accept(Listener& listener) {
    absl::StatusOr<Socket> socket = listener.Accept();
    if (!socket.ok()) {
      is_accepting_paused_ =
          true;  // Until the next tick: whoever waits would be tried again at once.
      return Complain(socket.status());
    }
    if (!socket->is_open()) return;
    Connection& connection = connections_[next_id_++];
    connection.socket = *std::move(socket);
    connection.is_trusted = connection.socket.IsWithinHost();
    connection.handshake.emplace(credentials_.token,
                                 AsksForTls(credentials_.security, connection.socket));
    connection.handshake_deadline = Clock::now() + options_.handshake_time;
  }

  void Flush(Connection& connection) {
    const iovec front = connection.output.front();
    const absl::StatusOr<std::size_t> sent = connection.socket.Send({&front, 1});
    if (!sent.ok()) return Break(connection);
    traffic_.num_bytes_out += *sent;
    connection.output.Drop(*sent);
  }

  // Takes what has come until there is a frame, and handles it and those that came with it, or as
  // many as a turn has; then it is the next peer's.
  void Read(ConnectionId id, Connection& connection) {
    connection.has_more = false;
    int num_frames = 0;
    std::size_t num_bytes = 0;
    while (!connection.broken) {
      connection.is_paused = connection.output.size() > kMostUntakenBytes;
      if (connection.is_paused) return;
      if (num_frames == kMostFramesPerTurn || num_bytes >= kMostBytesPerTurn) {
        connection.has_more = true;
        is_turn_left_ = true;
        return;
      }
      if (const std::optional<FrameHeader> header = WholeFrame(connection)) {
        Handle(id, connection, *header);
        ++num_frames;
        continue;
      }
      // What TLS has taken off the connection poll() does not tell of again.
      const bool is_done = num_frames > 0 && !connection.socket.HasBufferedInput();
      if (connection.broken || is_done || connection.is_shaking_tls) return;
      const iovec room = connection.input.room();
      const absl::StatusOr<std::size_t> received = connection.socket.Receive({&room, 1});
      if (!received.ok()) {
        if (!absl::IsUnavailable(received.status())) Complain(received.status());
        return Break(connection);
      }
      if (*received == 0) return;
      traffic_.num_bytes_in += *received;
      num_bytes += *received;
      connection.input.Filled(*received);
    }
  }

  // The header of the frame at the start of the input, once all of it is there; else room is made
  // for more.
  std::optional<FrameHeader> WholeFrame(Connection& connection) {
    internal::InputBuffer& input = connection.input;
    if (input.filled().size() < kFrameHeaderBytes) {
      input.Grow(internal::kFirstBufferBytes);
      return std::nullopt;
    }
    const std::uint32_t limit =
        connection.handshake ? kMaxHandshakePayloadBytes : options_.max_payload_bytes;
    const absl::StatusOr<FrameHeader> header =
        DecodeFrameHeader(input.filled().first<kFrameHeaderBytes>(), limit);
    if (!header.ok()) {
      Complain(header.status());
      if (connection.handshake && absl::IsFailedPrecondition(header.status())) {
        SayVersion(connection);
      }
      Break(connection);
      return std::nullopt;
    }
    const std::size_t whole = kFrameHeaderBytes + header->payload_bytes;
    if (input.filled().size() >= whole) return *header;
    input.Grow(whole);
    return std::nullopt;
  }

  // To a peer of another version, in the one frame that it understands as such.
  static void SayVersion(Connection& connection) {
    FrameHeaderBytes bytes = EncodeFrameHeader({.type = kOtherVersion}, {});
    const iovec part = {bytes.data(), bytes.size()};
    (void)connection.socket.Send({&part, 1});
  }

  void Handle(ConnectionId id, Connection& connection, const FrameHeader& header) {
    const std::span<std::byte> bytes = connection.input.filled();
    const std::span<std::byte> payload = bytes.subspan(kFrameHeaderBytes, header.payload_bytes);
    const iovec part = {payload.data(), payload.size()};
    absl::Status handled = CheckFrameSum(bytes.first<kFrameHeaderBytes>(), {&part, 1});
    if (handled.ok()) {
      handled = connection.handshake ? Shake(id, connection, header.type, payload)
                                     : HandOver(id, header, payload);
    }
    if (!handled.ok()) {
      Complain(handled);
      return Break(connection);
    }
    connection.input.Drop(kFrameHeaderBytes + header.payload_bytes);
  }

  absl::Status HandOver(ConnectionId id, const FrameHeader& header,
                        std::span<const std::byte> payload) {
    if (header.type < kFirstFreeType) {
      return base::DataLoss("a second handshake on one connection");
    }
    const absl::Status handled = handler_->OnFrame(id, header, payload);
    spin_end_ = Clock::now() + kPatience;
    return handled;
  }

  absl::Status Shake(ConnectionId id, Connection& connection, std::uint8_t type,
                     std::span<const std::byte> payload) {
    DIME_ASSIGN_OR_RETURN(HandshakeServer::Answer answer,
                          connection.handshake->OnFrame(type, payload));
    const iovec part = {answer.payload.data(), answer.payload.size()};
    Send(id, {.type = answer.type}, {&part, 1});
    if (connection.handshake->tls_key()) return StartTls(connection);
    if (connection.handshake->peer()) Welcome(id, connection);
    return absl::OkStatus();
  }

  void Welcome(ConnectionId id, Connection& connection) {
    const PeerName peer = *connection.handshake->peer();
    connection.handshake.reset();
    handler_->OnConnected(id, peer);
  }

  // The frame that is being handled was the last in the clear.
  static absl::Status StartTls(Connection& connection) {
    const std::size_t last_frame = kFrameHeaderBytes + sizeof(base::Mac);
    if (connection.output.size() > 0 || connection.input.filled().size() != last_frame) {
      return base::DataLoss("bytes in the clear where TLS was to begin");
    }
    connection.socket.StartTls(TlsStream::End::kServer, *connection.handshake->tls_key());
    connection.is_shaking_tls = true;
    connection.is_trusted = true;
    return absl::OkStatus();
  }

  void ShakeTls(ConnectionId id, Connection& connection) {
    const absl::StatusOr<bool> is_over = connection.socket.ShakeTls();
    if (!is_over.ok()) {
      Complain(is_over.status());
      return Break(connection);
    }
    if (!*is_over) return;
    connection.is_shaking_tls = false;
    Welcome(id, connection);
    if (connection.socket.HasBufferedInput()) Read(id, connection);
  }

  void Break(Connection& connection) { connection.broken = true; }

  void EndBroken() {
    for (auto at = connections_.begin(); at != connections_.end();) {
      if (!at->second.broken) {
        ++at;
        continue;
      }
      const ConnectionId id = at->first;
      const bool was_known = !at->second.handshake.has_value();
      at = connections_.erase(at);
      if (was_known) handler_->OnClosed(id);
    }
  }

  [[nodiscard]] std::size_t NumStrangers() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        connections_, [](const auto& entry) { return entry.second.handshake.has_value(); }));
  }

  void EndOverdueHandshakes(Deadline now) {
    for (auto& [id, connection] : connections_) {
      if (!connection.handshake || now < connection.handshake_deadline) continue;
      Complain(base::DeadlineExceeded("a peer did not end its handshake in {} ms",
                                      options_.handshake_time.count()));
      Break(connection);
    }
  }

  // One line in a while: strangers must not fill the disk.
  void Complain(const absl::Status& status) {
    ++num_complaints_;
    const auto now = Clock::now();
    if (now < next_complaint_) return;
    next_complaint_ = now + kBetweenComplaints;
    base::Log(base::Severity::kWarning, "a connection was ended ({} since the last such line): {}",
              std::exchange(num_complaints_, 0), base::MessageOf(status));
  }

  void Linger() {
    const Deadline deadline = Clock::now() + kLingerTime;
    for (auto& [id, connection] : connections_) {
      while (!connection.broken && connection.output.size() > 0 &&
             connection.socket.AwaitWritable(deadline).ok()) {
        Flush(connection);
      }
      connection.broken = true;
    }
    EndBroken();
  }

  const Credentials credentials_;
  const FrameServerOptions options_;
  Socket wake_;
  std::vector<Listener> listeners_;
  std::map<ConnectionId, Connection> connections_;
  ConnectionId next_id_ = 1;
  FrameHandler* handler_ = nullptr;
  bool stopped_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;

  Traffic traffic_;

  bool is_accepting_paused_ = false;
  bool is_turn_left_ = false;  // A connection has_more: there is no time to sleep.

  std::vector<pollfd> descriptors_;
  std::vector<iovec> send_parts_;
  Deadline next_tick_;
  Deadline spin_end_;  // Until when the next frame is looked for without going to sleep.
  Deadline next_complaint_;
  std::int64_t num_complaints_ = 0;
};

FrameServer::FrameServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameServer::~FrameServer() = default;

absl::StatusOr<std::unique_ptr<FrameServer>> FrameServer::Open(std::span<const Address> addresses,
                                                               Credentials credentials,
                                                               const FrameServerOptions& options) {
  auto impl = std::make_unique<Impl>(std::move(credentials), options);
  DIME_RETURN_IF_ERROR(impl->Listen(addresses));
  return std::unique_ptr<FrameServer>(new FrameServer(std::move(impl)));
}

std::vector<Address> FrameServer::addresses() const { return impl_->addresses(); }
absl::Status FrameServer::Run(FrameHandler& handler, std::stop_token stop) {
  return impl_->Run(handler, stop);
}
void FrameServer::Send(ConnectionId connection, FrameHeader header,
                       std::span<const iovec> payload) {
  impl_->Send(connection, header, payload);
}
void FrameServer::Close(ConnectionId connection) { impl_->Close(connection); }
void FrameServer::Stop() { impl_->Stop(); }
void FrameServer::Post(std::function<void()> work) { impl_->Post(std::move(work)); }
const Traffic& FrameServer::traffic() const { return impl_->traffic(); }

}  // namespace dime::net
