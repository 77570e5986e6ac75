#include "worker/coordination/member.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/net/channel.h"
#include "runtime/net/handshake.h"
#include "runtime/net/socket.h"

namespace dime::worker {
namespace {

using net::Clock;
using net::Deadline;

constexpr std::chrono::seconds kConnectTime{3};    // Of one attempt.
constexpr std::chrono::seconds kHandshakeTime{5};  // Likewise.
constexpr std::chrono::seconds kSendTime{10};
constexpr std::chrono::seconds kLeaveTime{5};
// Beyond the time in which the master itself says who is missing.
constexpr std::chrono::seconds kSlack{15};
constexpr std::chrono::milliseconds kTick{250};

struct Connection {
  net::Channel receiving;
  net::Channel sending;  // The same connection.
  std::string local_host;
};

absl::StatusOr<Connection> TryToConnect(const net::Address& address,
                                        const net::Credentials& credentials,
                                        const net::PeerName& self) {
  DIME_ASSIGN_OR_RETURN(net::Socket socket,
                        net::Socket::Connect(address, Clock::now() + kConnectTime));
  std::string local_host = socket.LocalHost();
  net::Channel receiving(std::move(socket), fmt::format("the master at {}", address.ToString()),
                         kMaxCoordinationBytes);
  DIME_RETURN_IF_ERROR(
      net::Authenticate(receiving, credentials, self, Clock::now() + kHandshakeTime));
  DIME_ASSIGN_OR_RETURN(net::Channel sending, receiving.Twin());
  return Connection{.receiving = std::move(receiving),
                    .sending = std::move(sending),
                    .local_host = std::move(local_host)};
}

absl::StatusOr<Connection> TryToConnect(const MasterLocation& location,
                                        const MemberOptions& options) {
  const net::Credentials credentials{.token = location.token, .security = options.security};
  const net::PeerName self = PeerNameOf(options.self, options.incarnation);
  absl::Status last = base::Unavailable("the master has no address");
  for (const net::Address& address : location.addresses) {
    absl::StatusOr<Connection> connection = TryToConnect(address, credentials, self);
    if (connection.ok()) return connection;
    last = connection.status();
  }
  return last;
}

bool MayHelpToTryAgain(const absl::Status& status, bool location_may_be_old) {
  return absl::IsUnavailable(status) || absl::IsNotFound(status) ||
         absl::IsDeadlineExceeded(status) ||
         (absl::IsPermissionDenied(status) && location_may_be_old);
}

absl::StatusOr<Connection> ConnectToMaster(const MemberOptions& options) {
  constexpr std::chrono::milliseconds kFirstPause{1};
  constexpr std::chrono::milliseconds kLongestPause{100};
  const Deadline deadline = Clock::now() + options.patience;
  for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
    const absl::StatusOr<MasterLocation> location = options.locate();
    absl::StatusOr<Connection> connection = location.ok()
                                                ? TryToConnect(*location, options)
                                                : absl::StatusOr<Connection>(location.status());
    if (connection.ok()) return connection;
    const absl::Status& error = connection.status();
    if (!MayHelpToTryAgain(error, location.ok() && location->may_be_old)) return error;
    if (Clock::now() + pause >= deadline) {
      const absl::Status late = base::Annotate(
          error,
          fmt::format("the master was not there within {} s",
                      std::chrono::duration_cast<std::chrono::seconds>(options.patience).count()));
      if (absl::IsPermissionDenied(error)) return late;
      return absl::UnavailableError(late.message());
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

class Member::Impl {
 public:
  Impl(Connection connection, std::chrono::milliseconds patience)
      : patience_(patience), connection_(std::move(connection)) {
    listener_ = std::jthread([this] { Listen(); });
  }
  ~Impl() { connection_.receiving.Shutdown(); }

  [[nodiscard]] const std::string& local_host() const { return connection_.local_host; }

  absl::StatusOr<std::uint64_t> Send(std::uint8_t type, std::string_view bytes) {
    const std::lock_guard lock(send_mutex_);
    const std::uint64_t id = ++last_request_;
    const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
    DIME_RETURN_IF_ERROR(connection_.sending.Send({.type = type, .request_id = id}, {&part, 1},
                                                  Clock::now() + kSendTime));
    return id;
  }

  absl::StatusOr<std::string> Await(std::uint64_t id, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    const bool in_time = changed_.wait_for(
        lock, patience, [&] { return answers_.contains(id) || end_.has_value(); });
    if (const auto answer = answers_.find(id); answer != answers_.end()) {
      absl::StatusOr<std::string> result = std::move(answer->second);
      answers_.erase(answer);
      return result;
    }
    if (!in_time) {
      return base::DeadlineExceeded("{}: no answer within {} ms", connection_.sending.peer(),
                                    patience.count());
    }
    return base::Cancelled("the job is over: {}", base::MessageOf(end_->how));
  }

  absl::StatusOr<std::string> Call(std::uint8_t type, std::string_view bytes,
                                   std::chrono::milliseconds patience) {
    absl::StatusOr<std::uint64_t> id = Send(type, bytes);
    // That the connection has ended the listener finds out, too, and why.
    if (!id.ok()) return AwaitEnd(kSendTime) ? Await(kNoRequest, {}) : id.status();
    return Await(*id, patience);
  }

  absl::Status Join(const JoinRequest& request) {
    DIME_ASSIGN_OR_RETURN(
        join_, Send(static_cast<std::uint8_t>(CoordinationMessage::kJoin), Encode(request)));
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> AwaitJoined() { return Await(join_, patience_ + kSlack); }

  [[nodiscard]] Activity& activity() { return activity_; }
  [[nodiscard]] std::stop_token ended() const { return ended_.get_token(); }
  [[nodiscard]] std::optional<JobEnd> AwaitEnd(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [&] { return end_.has_value(); });
    return end_;
  }

 private:
  static constexpr std::uint64_t kNoRequest = 0;

  void Listen() {
    absl::Status listened;
    while (listened.ok()) listened = ReceiveOne();
    SetEnd({base::Unavailable("the master is gone: {}", base::MessageOf(listened)),
            /*master_is_gone=*/true});
  }

  // Until the master says something; kDeadlineExceeded when it is silent for too long.
  absl::Status AwaitWord() {
    while (true) {
      const absl::Status readable = connection_.receiving.AwaitReadable(Clock::now() + kTick);
      master_life_.Pass(awake_.Tick(Clock::now()));
      if (!absl::IsDeadlineExceeded(readable)) {
        master_life_.Hear();
        return readable;
      }
      if (const std::optional<std::string> because = master_life_.LostBecause()) {
        return base::DeadlineExceeded("{}", *because);
      }
    }
  }

  absl::Status ReceiveOne() {
    DIME_RETURN_IF_ERROR(AwaitWord());
    DIME_ASSIGN_OR_RETURN(const net::FrameHeader header,
                          connection_.receiving.ReceiveHeader(Clock::now() + kSendTime));
    DIME_ASSIGN_OR_RETURN(const std::vector<std::byte> payload,
                          connection_.receiving.ReceivePayload(Clock::now() + kSendTime));
    const std::string bytes(reinterpret_cast<const char*>(payload.data()), payload.size());
    switch (static_cast<CoordinationMessage>(header.type)) {
      case CoordinationMessage::kAnswer:
        SetAnswer(header.request_id, bytes);
        return absl::OkStatus();
      case CoordinationMessage::kRefused: {
        const absl::Status refusal = DecodeStatus(bytes);
        if (refusal.ok()) return base::DataLoss("a refusal without a reason");
        SetAnswer(header.request_id, refusal);
        return absl::OkStatus();
      }
      case CoordinationMessage::kEnd:
        SetEnd({.how = DecodeStatus(bytes)});
        return absl::OkStatus();
      case CoordinationMessage::kStale:
        SetEnd({.how = DecodeStatus(bytes), .is_stale = true});
        return absl::OkStatus();
      case CoordinationMessage::kPing:
        return Send(static_cast<std::uint8_t>(CoordinationMessage::kPong), Encode(activity_.Take()))
            .status();
      default:
        return base::DataLoss("a message of the unknown type {}", header.type);
    }
  }

  void SetAnswer(std::uint64_t id, absl::StatusOr<std::string> answer) {
    {
      const std::lock_guard lock(mutex_);
      answers_.emplace(id, std::move(answer));
    }
    changed_.notify_all();
  }

  // The first one counts. Who sees that the job has ended finds out how.
  void SetEnd(const JobEnd& end) {
    {
      const std::lock_guard lock(mutex_);
      if (!end_) end_ = end;
    }
    changed_.notify_all();
    ended_.request_stop();
  }

  const std::chrono::milliseconds patience_;
  Connection connection_;
  std::mutex send_mutex_;  // Guards connection_.sending and last_request_.
  std::uint64_t last_request_ = kNoRequest;
  std::uint64_t join_ = kNoRequest;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  std::map<std::uint64_t, absl::StatusOr<std::string>> answers_;
  std::optional<JobEnd> end_;

  Activity activity_;
  PeerLife master_life_;  // The listener's, as is the clock.
  AwakeClock awake_{Clock::now()};

  std::stop_source ended_;
  std::jthread listener_;
};

Member::Member(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Member::~Member() = default;

absl::StatusOr<std::unique_ptr<Member>> Member::Connect(const MemberOptions& options) {
  DIME_ASSIGN_OR_RETURN(Connection connection, ConnectToMaster(options));
  return std::unique_ptr<Member>(
      new Member(std::make_unique<Impl>(std::move(connection), options.patience)));
}

const std::string& Member::local_host() const { return impl_->local_host(); }
absl::Status Member::Join(const JoinRequest& request) { return impl_->Join(request); }

absl::StatusOr<PeerAddresses> Member::AwaitPeers() {
  DIME_ASSIGN_OR_RETURN(const std::string bytes, impl_->AwaitJoined());
  return DecodePeerAddresses(bytes);
}

absl::StatusOr<JobStart> Member::AwaitStart(std::chrono::milliseconds patience) {
  DIME_ASSIGN_OR_RETURN(
      const std::string bytes,
      impl_->Call(static_cast<std::uint8_t>(CoordinationMessage::kAwaitStart), "", patience));
  return DecodeJobStart(bytes);
}

absl::StatusOr<std::string> Member::Ask(std::uint8_t type, std::string_view request,
                                        std::chrono::milliseconds patience) {
  return impl_->Call(type, request, patience);
}

absl::Status Member::Leave(const absl::Status& how) {
  return impl_
      ->Call(static_cast<std::uint8_t>(CoordinationMessage::kLeave), Encode(how), kLeaveTime)
      .status();
}

Activity& Member::activity() { return impl_->activity(); }
std::stop_token Member::ended() const { return impl_->ended(); }
std::optional<JobEnd> Member::AwaitEnd(std::chrono::milliseconds patience) const {
  return impl_->AwaitEnd(patience);
}

}  // namespace dime::worker
