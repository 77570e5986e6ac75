#include "worker/coordination/wire.h"

#include "ps/wire.h"
#include "runtime/base/text.h"
#include "worker/coordination/message.h"

namespace dime::worker {
namespace {

constexpr std::uint64_t kMaxAddresses = 16;  // Of one replica.
constexpr std::size_t kMaxActivityBytes = 200;

void WriteAddresses(const std::vector<net::Address>& addresses, MessageWriter& writer) {
  writer.Number(addresses.size());
  for (const net::Address& address : addresses) writer.Text(address.ToString());
}

absl::StatusOr<std::vector<net::Address>> ReadAddresses(MessageReader& reader) {
  DIME_ASSIGN_OR_RETURN(const std::uint64_t count, reader.Count(kMaxAddresses));
  std::vector<net::Address> addresses;
  for (std::uint64_t i = 0; i < count; ++i) {
    DIME_ASSIGN_OR_RETURN(const std::string text, reader.Text());
    const absl::StatusOr<net::Address> address = net::ParseAddress(text);
    if (!address.ok()) return base::DataLoss("{}", base::MessageOf(address.status()));
    addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

std::string Encode(const JoinRequest& request) {
  MessageWriter writer;
  writer.Text(request.job).Text(request.host_name).Text(request.host).Number(request.pid);
  WriteAddresses(request.addresses, writer);
  return writer.bytes();
}

absl::StatusOr<JoinRequest> DecodeJoinRequest(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  JoinRequest request;
  DIME_ASSIGN_OR_RETURN(request.job, reader.Text());
  DIME_ASSIGN_OR_RETURN(request.host_name, reader.Text());
  DIME_ASSIGN_OR_RETURN(request.host, reader.Text());
  DIME_ASSIGN_OR_RETURN(request.pid, reader.Number());
  DIME_ASSIGN_OR_RETURN(request.addresses, ReadAddresses(reader));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  return request;
}

std::string Encode(const PeerAddresses& peers) {
  MessageWriter writer;
  for (const RoleAddresses* const role : {&peers.servers, &peers.workers}) {
    writer.Number(role->size());
    for (const auto& addresses : *role) WriteAddresses(addresses, writer);
  }
  return writer.bytes();
}

absl::StatusOr<PeerAddresses> DecodePeerAddresses(std::string_view bytes) {
  MessageReader reader(bytes);
  PeerAddresses peers;
  for (RoleAddresses* const role : {&peers.servers, &peers.workers}) {
    DIME_ASSIGN_OR_RETURN(const std::uint64_t count,
                          reader.Count(static_cast<std::uint64_t>(cluster::kMaxReplicas)));
    for (std::uint64_t i = 0; i < count; ++i) {
      DIME_ASSIGN_OR_RETURN(std::vector<net::Address> addresses, ReadAddresses(reader));
      role->push_back(std::move(addresses));
    }
  }
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  return peers;
}

std::string Encode(const JobStart& start) {
  MessageWriter writer;
  writer.Number(start.seed).Number(start.first_step).Number(start.last_step);
  return writer.Number(start.order).Number(start.input_memory).bytes();
}

absl::StatusOr<JobStart> DecodeJobStart(std::string_view bytes) {
  MessageReader reader(bytes);
  JobStart start;
  for (std::uint64_t* const number :
       {&start.seed, &start.first_step, &start.last_step, &start.order, &start.input_memory}) {
    DIME_ASSIGN_OR_RETURN(*number, reader.Number());
  }
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  return start;
}

std::string Encode(const Pulse& pulse) {
  MessageWriter writer;
  writer.Number(pulse.beats).Number(pulse.must_beat ? 1 : 0).Text(pulse.activity);
  return writer.bytes();
}

absl::StatusOr<Pulse> DecodePulse(std::span<const std::byte> bytes) {
  MessageReader reader(bytes);
  Pulse pulse;
  DIME_ASSIGN_OR_RETURN(pulse.beats, reader.Number());
  DIME_ASSIGN_OR_RETURN(const std::uint64_t must_beat, reader.Count(1));
  pulse.must_beat = must_beat != 0;
  DIME_ASSIGN_OR_RETURN(pulse.activity, reader.Text());
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  pulse.activity = base::Printable(pulse.activity, kMaxActivityBytes);
  return pulse;
}

std::string Encode(const absl::Status& status) {
  return status.ok() ? std::string() : ps::EncodeStatus(status);
}

absl::Status DecodeStatus(std::string_view bytes) {
  return bytes.empty() ? absl::OkStatus() : ps::DecodeStatus(bytes);
}

net::PeerName PeerNameOf(const cluster::ReplicaId& replica, std::uint32_t incarnation) {
  return {.role = static_cast<std::uint32_t>(replica.role),
          .index = static_cast<std::uint32_t>(replica.index),
          .incarnation = incarnation};
}

absl::StatusOr<cluster::ReplicaId> ReplicaOf(const net::PeerName& peer) {
  if (peer.role >= std::size(cluster::kRoles) || peer.index >= cluster::kMaxReplicas) {
    return base::DataLoss("a peer says that it is number {} of role {}", peer.index, peer.role);
  }
  return cluster::ReplicaId{cluster::kRoles[peer.role], peer.index};
}

}  // namespace dime::worker
