#include "worker/coordination/coordinator.h"

#include <algorithm>
#include <utility>

#include "runtime/base/log.h"
#include "runtime/base/text.h"

namespace dime::worker {
namespace {

using cluster::ReplicaId;
using cluster::Role;

constexpr std::chrono::milliseconds kForTheCause{500};
// For a replica that was refused to come back with the right words.
constexpr std::chrono::seconds kForTheRefused{3};
constexpr std::size_t kMostNamed = 8;
constexpr std::size_t kMaxShownBytes = 400;

// "a, b, c and 5 more".
std::string Enumerate(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostNamed);
  std::string text = fmt::format("{}", fmt::join(names.begin(), names.begin() + shown, ", "));
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

// Whether the same replica may succeed where it has failed, if it is started again.
bool MayHelpToStartAgain(const absl::Status& failure) {
  switch (failure.code()) {
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return false;
    default:
      return true;
  }
}

}  // namespace

Coordinator::Coordinator(CoordinatorOptions options, Send send)
    : options_(std::move(options)),
      send_(std::move(send)),
      join_deadline_(options_.now() + options_.join_time),
      awake_(options_.now()) {}

void Coordinator::AddService(std::uint8_t type, CoordinationService* service) {
  services_[type] = service;
}

void Coordinator::RemoveService(std::uint8_t type) { services_.erase(type); }

void Coordinator::OnConnected(net::ConnectionId connection, const net::PeerName& peer) {
  peers_[connection] = peer;
}

absl::Status Coordinator::OnFrame(net::ConnectionId connection, const net::FrameHeader& header,
                                  std::span<const std::byte> payload) {
  DIME_ASSIGN_OR_RETURN(const ReplicaId replica, ReplicaOf(peers_[connection]));
  const auto type = static_cast<CoordinationMessage>(header.type);
  if (IsStale(connection)) {
    SendStale(connection, replica);
    return absl::OkStatus();
  }
  if (type == CoordinationMessage::kJoin) {
    return OnJoin(replica, connection, header.request_id, payload);
  }
  if (type == CoordinationMessage::kPong) {
    DIME_ASSIGN_OR_RETURN(Pulse pulse, DecodePulse(payload));
    if (MemberAt(connection) != nullptr) members_[replica].life.Hear(std::move(pulse));
    return absl::OkStatus();
  }
  if (MemberAt(connection) != nullptr) members_[replica].life.Hear();
  if (type == CoordinationMessage::kLeave) {
    Answer(connection, header.request_id, "");
    if (refused_.contains(connection)) return absl::OkStatus();
    // A second start of a replica that is there is none of the job's.
    if (MemberAt(connection) == nullptr && members_.contains(replica)) return absl::OkStatus();
    OnLeave(replica, DecodeStatus({reinterpret_cast<const char*>(payload.data()), payload.size()}));
    return absl::OkStatus();
  }
  if (MemberAt(connection) == nullptr) {
    return base::DataLoss("a message of type {} of a replica that has not joined", header.type);
  }
  if (const auto service = services_.find(header.type); service != services_.end()) {
    OnService(*service->second, replica, connection, header.request_id, payload);
    return absl::OkStatus();
  }
  switch (type) {
    case CoordinationMessage::kAwaitStart:
      if (start_) {
        Answer(connection, header.request_id, Encode(*start_));
      } else {
        awaiting_start_.emplace_back(connection, header.request_id);
      }
      return absl::OkStatus();
    default:
      break;
  }
  if (header.type < static_cast<std::uint8_t>(CoordinationMessage::kFirstService)) {
    return base::DataLoss("a message of the unknown type {}", header.type);
  }
  // The master trains no more; why, the end will say.
  Refuse(connection, header.request_id,
         base::Unavailable("the master does not take messages of type {} (any more)", header.type));
  return absl::OkStatus();
}

absl::Status Coordinator::OnJoin(const ReplicaId& replica, net::ConnectionId connection,
                                 std::uint64_t request_id, std::span<const std::byte> payload) {
  DIME_ASSIGN_OR_RETURN(JoinRequest request, DecodeJoinRequest(payload));
  if (end_) {
    refused_.insert(connection);
    SendBytes(connection, CoordinationMessage::kEnd, /*request_id=*/0, Encode(*end_));
    return absl::OkStatus();
  }
  const std::uint32_t incarnation = peers_[connection].incarnation;
  if (const absl::Status fits = CheckJoin(replica, incarnation, request); !fits.ok()) {
    NoteRefusal(replica, request, fits);
    refused_.insert(connection);
    Refuse(connection, request_id, fits);
    SendBytes(connection, CoordinationMessage::kEnd, /*request_id=*/0, Encode(fits));
    return absl::OkStatus();
  }
  missed_refusals_.erase(replica);
  Replace(replica, incarnation);
  members_[replica] = {.connection = connection,
                       .incarnation = incarnation,
                       .join_request = request_id,
                       .join = std::move(request)};
  SendBytes(connection, CoordinationMessage::kPing, /*request_id=*/0, "");
  AnswerJoins();
  return absl::OkStatus();
}

// An earlier start of the same replica, if there was one, has no part in the job any more.
void Coordinator::Replace(const ReplicaId& replica, std::uint32_t incarnation) {
  const auto before = members_.find(replica);
  if (before == members_.end()) return;
  const Member& old = before->second;
  base::Log(base::Severity::kWarning, "{} is back: start number {} of it",
            cluster::FormatReplica(replica), incarnation + 1);
  if (!old.is_lost() && !old.has_left) TellServiceOfGone(replica);
  if (old.is_connected) SendStale(old.connection, replica);
}

void Coordinator::AnswerJoins() {
  if (!IsComplete()) return;
  was_complete_ = true;
  for (auto& [id, member] : members_) {
    if (std::exchange(member.is_answered, true)) continue;
    Answer(member.connection, member.join_request, Encode(PeersFor(member.join.host)));
  }
}

absl::Status Coordinator::CheckJoin(const ReplicaId& replica, std::uint32_t incarnation,
                                    const JoinRequest& request) const {
  const std::string name = cluster::FormatReplica(replica);
  if (replica.role == Role::kMaster || replica.index >= options_.counts.Of(replica.role)) {
    return base::FailedPrecondition("{} is none of the replicas that the master waits for: {}",
                                    name, cluster::FormatCounts(options_.counts));
  }
  if (request.job != options_.job) {
    return base::FailedPrecondition(
        "{} was started for '{}', and the master for '{}': give all replicas the same words", name,
        base::Printable(request.job, kMaxShownBytes), options_.job);
  }
  if (replica.role == Role::kParameterServer && request.addresses.empty()) {
    return base::FailedPrecondition("{} listens nowhere", name);
  }
  const auto before = members_.find(replica);
  if (before == members_.end()) return absl::OkStatus();
  if (MayReturn(replica) && incarnation > before->second.incarnation) return absl::OkStatus();
  return base::FailedPrecondition("{} is there already", Describe(replica));
}

void Coordinator::NoteRefusal(const ReplicaId& replica, const JoinRequest& request,
                              const absl::Status& why) {
  const std::string text =
      fmt::format("{} on {}: {}", cluster::FormatReplica(replica),
                  base::Printable(request.host_name, kMaxShownBytes), base::MessageOf(why));
  // Who is refused may try again and again.
  if (refusals_.size() < kMostNamed) refusals_.push_back(text);
  if (IsMissing(replica)) missed_refusals_.try_emplace(replica, text, options_.now());
}

bool Coordinator::IsMissing(const ReplicaId& replica) const {
  if (replica.role == Role::kMaster || replica.index >= options_.counts.Of(replica.role)) {
    return false;
  }
  const auto member = members_.find(replica);
  return member == members_.end() || member->second.is_lost();
}

bool Coordinator::IsComplete() const {
  return static_cast<std::int64_t>(members_.size()) == options_.counts.Total() - 1 &&
         std::ranges::none_of(members_, [](const auto& entry) { return entry.second.is_lost(); });
}

PeerAddresses Coordinator::PeersFor(std::string_view host) const {
  PeerAddresses peers;
  for (const auto& [replica, member] : members_) {
    const bool is_server = replica.role == Role::kParameterServer;
    if (!is_server && replica.role != Role::kWorker) continue;
    std::vector<net::Address>& addresses =
        (is_server ? peers.servers : peers.workers).emplace_back();
    for (const net::Address& address : member.join.addresses) {
      // A Unix socket is in reach of its own host alone.
      if (address.kind == net::Address::Kind::kUnix && member.join.host != host) continue;
      addresses.push_back(address);
    }
  }
  return peers;
}

void Coordinator::Start(const JobStart& start) {
  start_ = start;
  for (const auto& [connection, request_id] : std::exchange(awaiting_start_, {})) {
    Answer(connection, request_id, Encode(start));
  }
}

void Coordinator::End(const absl::Status& status) {
  if (end_) return;
  end_ = status;
  for (const auto& [replica, member] : members_) {
    if (!member.is_connected) continue;
    SendBytes(member.connection, CoordinationMessage::kEnd, /*request_id=*/0, Encode(status));
  }
}

void Coordinator::Fail(const absl::Status& failure) {
  if (end_ || failure.ok()) return;
  failure_ = failure;
  End(failure);
}

void Coordinator::OnLeave(const ReplicaId& replica, const absl::Status& how) {
  const absl::Status failure = base::Annotate(how, cluster::FormatReplica(replica));
  // One that could not even join leaves, too, with the reason.
  if (const auto member = members_.find(replica); member != members_.end()) {
    if (!how.ok() && !end_ && MayReturn(replica) && MayHelpToStartAgain(how)) {
      return OnLost(replica, std::string(base::MessageOf(failure)));
    }
    member->second.has_left = true;
    TellServiceOfGone(replica);
  }
  if (how.ok() || end_) return;
  if (!absl::IsUnavailable(how)) return Fail(failure);
  if (!consequence_.ok()) return;
  consequence_ = failure;
  consequence_time_ = options_.now();
}

void Coordinator::OnClosed(net::ConnectionId connection) {
  const ReplicaId* const found = MemberAt(connection);
  peers_.erase(connection);
  refused_.erase(connection);
  std::erase_if(awaiting_start_, [&](const auto& waiting) { return waiting.first == connection; });
  if (found == nullptr) return;
  const ReplicaId replica = *found;
  Member& member = members_[replica];
  member.is_connected = false;
  if (member.has_left || member.is_lost()) return;
  OnLost(replica,
         fmt::format("{} is gone: its connection to the master has ended", Describe(replica)));
}

void Coordinator::PingAll(net::Clock::time_point now) {
  if (now < next_ping_) return;
  next_ping_ = now + kPingInterval;
  for (const auto& [connection, peer] : peers_) {
    if (IsStale(connection)) continue;
    SendBytes(connection, CoordinationMessage::kPing, /*request_id=*/0, "");
  }
}

void Coordinator::CheckLives(net::Clock::duration awake) {
  for (auto& [replica, member] : members_) {
    if (!member.is_connected || member.has_left || member.is_lost()) continue;
    member.life.Pass(awake);
    const std::optional<std::string> because = member.life.LostBecause();
    if (!because) continue;
    const std::string why = fmt::format("{} hangs: {}", Describe(replica), *because);
    hung_.push_back({replica, why});
    OnLost(replica, why);
    if (end_) return;
  }
}

bool Coordinator::MayReturn(const ReplicaId& replica) const {
  return options_.return_time.count() > 0 && replica.role == Role::kWorker;
}

void Coordinator::OnLost(const ReplicaId& replica, const std::string& why) {
  Member& member = members_[replica];
  member.lost_because = why;
  member.lost_time = options_.now();
  TellServiceOfGone(replica);
  if (end_) return;
  if (!MayReturn(replica)) return Fail(base::Unavailable("{}", why));
  base::Log(base::Severity::kWarning, "{}; the job goes on, and awaits it", why);
}

absl::Status Coordinator::CheckReturns(net::Clock::time_point now) const {
  for (const auto& [replica, member] : members_) {
    if (!member.is_lost() || now < member.lost_time + options_.return_time) continue;
    return base::Unavailable(
        "{}; it has not come back within {} s", member.lost_because,
        std::chrono::duration_cast<std::chrono::seconds>(options_.return_time).count());
  }
  return absl::OkStatus();
}

bool Coordinator::IsStale(net::ConnectionId connection) const {
  const auto peer = peers_.find(connection);
  if (peer == peers_.end()) return false;
  const absl::StatusOr<ReplicaId> replica = ReplicaOf(peer->second);
  const auto member = replica.ok() ? members_.find(*replica) : members_.end();
  if (member == members_.end()) return false;
  if (member->second.connection == connection) return member->second.is_lost();
  return peer->second.incarnation < member->second.incarnation;
}

void Coordinator::SendStale(net::ConnectionId connection, const ReplicaId& replica) {
  SendBytes(connection, CoordinationMessage::kStale, /*request_id=*/0,
            Encode(base::Aborted("this start of {} has no part in the job any more: {}",
                                 cluster::FormatReplica(replica),
                                 members_[replica].is_lost() ? members_[replica].lost_because
                                                             : "another one has taken over")));
}

void Coordinator::OnTick() {
  const net::Clock::time_point now = options_.now();
  const net::Clock::duration awake = awake_.Tick(now);
  PingAll(now);
  if (end_) return;
  CheckLives(awake);
  if (end_) return;
  if (const absl::Status returns = CheckReturns(now); !returns.ok()) return Fail(returns);
  if (!consequence_.ok() && now >= consequence_time_ + kForTheCause) return Fail(consequence_);
  for (const auto& [replica, refusal] : missed_refusals_) {
    const auto& [text, time] = refusal;
    if (now < time + kForTheRefused) continue;
    return Fail(base::FailedPrecondition("refused, and not back after {} s: {}",
                                         kForTheRefused.count(), text));
  }
  if (was_complete_ || now < join_deadline_) return;
  std::string text =
      fmt::format("after {} s {} of {} replicas are missing: {}",
                  std::chrono::duration_cast<std::chrono::seconds>(options_.join_time).count(),
                  Missing().size(), options_.counts.Total(), Enumerate(Missing()));
  if (!refusals_.empty()) text += fmt::format("; refused were {}", Enumerate(refusals_));
  Fail(base::DeadlineExceeded("{}", text));
}

void Coordinator::OnService(CoordinationService& service, const ReplicaId& replica,
                            net::ConnectionId connection, std::uint64_t request_id,
                            std::span<const std::byte> payload) {
  const absl::StatusOr<std::string> answer = service.OnRequest(replica, payload);
  if (answer.ok()) return Answer(connection, request_id, *answer);
  Refuse(connection, request_id, answer.status());
}

void Coordinator::TellServiceOfGone(const ReplicaId& replica) {
  for (const auto& [type, service] : services_) service->OnGone(replica);
}

std::vector<std::string> Coordinator::Missing() const {
  std::vector<std::string> names;
  for (const Role role : cluster::kRoles) {
    for (std::int64_t i = 0; i < options_.counts.Of(role); ++i) {
      if (IsMissing({role, i})) names.push_back(cluster::FormatReplica({role, i}));
    }
  }
  return names;
}

std::size_t Coordinator::NumConnected() const {
  return static_cast<std::size_t>(std::ranges::count_if(members_, [](const auto& entry) {
    return entry.second.is_connected && !entry.second.is_lost();
  }));
}

const ReplicaId* Coordinator::MemberAt(net::ConnectionId connection) const {
  const auto peer = peers_.find(connection);
  if (peer == peers_.end()) return nullptr;
  const absl::StatusOr<ReplicaId> replica = ReplicaOf(peer->second);
  if (!replica.ok()) return nullptr;
  const auto member = members_.find(*replica);
  if (member == members_.end() || member->second.connection != connection) return nullptr;
  return &member->first;
}

std::string Coordinator::Describe(const ReplicaId& replica) const {
  const JoinRequest& join = members_.at(replica).join;
  return fmt::format("{} (process {} on {})", cluster::FormatReplica(replica), join.pid,
                     base::Printable(join.host_name, kMaxShownBytes));
}

void Coordinator::Answer(net::ConnectionId connection, std::uint64_t request_id,
                         std::string_view bytes) {
  SendBytes(connection, CoordinationMessage::kAnswer, request_id, bytes);
}

void Coordinator::Refuse(net::ConnectionId connection, std::uint64_t request_id,
                         const absl::Status& status) {
  SendBytes(connection, CoordinationMessage::kRefused, request_id, Encode(status));
}

void Coordinator::SendBytes(net::ConnectionId connection, CoordinationMessage type,
                            std::uint64_t request_id, std::string_view bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};
  send_(connection, {.type = static_cast<std::uint8_t>(type), .request_id = request_id},
        {&part, 1});
}

}  // namespace dime::worker
