// What becomes of a server's replicas: one is gone, another start of it takes its place, and takes
// up the step that was left undone.
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "ps/server.h"

namespace dime::ps {

void Server::OnReplicaReplaced(std::uint32_t replica, std::uint32_t incarnation) {
  OnReplicaGone(replica);
  Replica& state = replicas_[replica];
  state.incarnation = incarnation;
  state.last_push = 0;
  ForgetPulls(state);
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.replica == replica; });
}

void Server::OnReplicaTrains(std::uint32_t replica, net::ConnectionId connection) {
  Replica& state = replicas_[replica];
  state.connection = connection;
  if (!std::exchange(state.is_gone, false)) return;
  shards_->Return(static_cast<int>(replica));
}

// A push of it that a cut waits for will not come any more, nor one that others wait for.
void Server::OnReplicaGone(std::uint32_t replica) {
  replicas_[replica].is_gone = true;
  hold_.LetNothingThroughOf(replica);
  if (shards_ == nullptr) return;
  shards_->Leave(static_cast<int>(replica));
  AnswerWaiting();
  CutWhenDue();
}

void Server::ForgetPulls(Replica& replica) const {
  replica.pulls.assign(kKeptPulls, {});
  if (shards_ == nullptr) return;
  for (Pull& pull : replica.pulls) pull.rows.resize(shards_->tables().size());
}

bool Server::IsStale(net::ConnectionId connection) const {
  const auto peer = peers_.find(connection);
  if (peer == peers_.end() || peer->second.index >= replicas_.size()) return false;
  return peer->second.incarnation < replicas_[peer->second.index].incarnation;
}

void Server::AddPreviousRows(std::size_t table, const Pull& pull) {
  const Table& rows = *shards_->tables()[table];
  std::vector<std::int64_t> all;
  if (rows.spec().dense) {
    all.resize(static_cast<std::size_t>(rows.num_rows()));
    std::iota(all.begin(), all.end(), std::int64_t{0});
  }
  const std::vector<std::int64_t>& wanted = rows.spec().dense ? all : pull.rows[table];
  std::vector<float>& values = previous_values_[table];
  values.resize(wanted.size() * static_cast<std::size_t>(rows.spec().dim));
  shards_->GatherPrevious(table, wanted, values);
  answer_.AddValues(rows.spec().dim, values);
}

}  // namespace dime::ps
