#include "ps/server_control.h"

#include <algorithm>

#include "ops/optimizer.h"
#include "ps/internal/shard_payload.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using net::Deadline;
using net::PartOf;

constexpr std::int64_t kRunFloats = 1 << 20;  // Of a message that reads rows.

iovec PartOfStart(const JobStart& start) { return PartOf(&start, sizeof(start)); }

UnboundedStatistics UnboundedOf(const StatisticsReply& reply) {
  return {.rows = static_cast<std::int64_t>(reply.num_rows),
          .admitted = static_cast<std::int64_t>(reply.num_admitted),
          .expired = static_cast<std::int64_t>(reply.num_expired),
          .displaced = static_cast<std::int64_t>(reply.num_displaced),
          .refused = static_cast<std::int64_t>(reply.num_refused),
          .dropped = static_cast<std::int64_t>(reply.num_dropped)};
}

}  // namespace

absl::Status ServerControl::Prepare(const JobStart& start) {
  const iovec part = PartOfStart(start);
  return links_.AskAll(MessageType::kPrepare, {&part, 1});
}

absl::Status ServerControl::Start(const JobStart& start) {
  const iovec part = PartOfStart(start);
  return links_.AskAll(MessageType::kStart, {&part, 1});
}

absl::Status ServerControl::Leave() { return links_.AskAll(MessageType::kLeave); }

absl::StatusOr<std::vector<ServerStatistics>> ServerControl::ReadStatistics() {
  std::vector<ServerStatistics> all;
  const Deadline deadline = links_.Begin();
  for (std::size_t s = 0; s < links_.size(); ++s) {
    DIME_RETURN_IF_ERROR(links_.Send(s, MessageType::kStatistics, {}, deadline));
    DIME_RETURN_IF_ERROR(links_.ReceiveHeader(s, MessageType::kStatisticsReply, deadline).status());
    DIME_ASSIGN_OR_RETURN(const auto bytes, links_.channel(s).ReceivePayload(deadline));
    PayloadReader reader(bytes);
    DIME_ASSIGN_OR_RETURN(const auto replies, reader.Take<StatisticsReply>(1));
    DIME_ASSIGN_OR_RETURN(
        const auto staleness,
        reader.Take<std::int64_t>((bytes.size() - sizeof(StatisticsReply)) / sizeof(std::int64_t)));
    DIME_RETURN_IF_ERROR(reader.ExpectEnd());
    const StatisticsReply& reply = replies.front();
    all.push_back({.version = static_cast<std::int64_t>(reply.version),
                   .num_requests = static_cast<std::int64_t>(reply.num_requests),
                   .num_rows_pulled = static_cast<std::int64_t>(reply.num_rows_pulled),
                   .num_rows_pushed = static_cast<std::int64_t>(reply.num_rows_pushed),
                   .unbounded = UnboundedOf(reply),
                   .staleness = {staleness.begin(), staleness.end()}});
  }
  return all;
}

absl::Status ServerControl::ReadRows(std::size_t table, int part, std::int64_t first,
                                     std::int64_t count, std::span<float> out) {
  DIME_CHECK(static_cast<std::int64_t>(out.size()) == count * specs_[table].dim);
  return ForEachRun(table, part, first, count, [&](std::size_t server, const RowsRequest& run) {
    const auto size =
        static_cast<std::size_t>(run.count) * static_cast<std::size_t>(specs_[table].dim);
    const std::span<float> to = out.first(size);
    out = out.subspan(size);
    return ReadRun(server, run, to);
  });
}

absl::StatusOr<ShardRows> ServerControl::ReadShard(std::size_t table, int virtual_shard) {
  const auto server =
      static_cast<std::size_t>(sharding_.ServerOfVirtualShard(table, virtual_shard));
  const ShardRequest request = {.table = static_cast<std::uint32_t>(table),
                                .virtual_shard = static_cast<std::uint32_t>(virtual_shard)};
  const Deadline deadline = links_.Begin();
  const iovec part = PartOf(&request, sizeof(request));
  DIME_RETURN_IF_ERROR(links_.Send(server, MessageType::kReadShard, {&part, 1}, deadline));
  DIME_RETURN_IF_ERROR(links_.ReceiveHeader(server, MessageType::kShard, deadline).status());
  DIME_ASSIGN_OR_RETURN(const auto bytes, links_.channel(server).ReceivePayload(deadline));
  PayloadReader reader(bytes);
  DIME_ASSIGN_OR_RETURN(const auto replies, reader.Take<ShardReply>(1));
  const ops::TableSpec& spec = specs_[table];
  const auto record_floats =
      static_cast<std::size_t>(spec.dim * (1 + ops::NumSlots(spec.optimizer.kind)));
  DIME_ASSIGN_OR_RETURN(ShardRows rows,
                        internal::TakeShard(reader, replies.front().num_rows,
                                            replies.front().num_sightings, record_floats));
  rows.step = static_cast<std::int64_t>(replies.front().version);
  DIME_RETURN_IF_ERROR(CheckShard(spec, virtual_shard, rows));
  return rows;
}

template <typename F>
absl::Status ServerControl::ForEachRun(std::size_t table, int part, std::int64_t first,
                                       std::int64_t count, const F& f) {
  const std::int64_t most = std::max<std::int64_t>(1, kRunFloats / specs_[table].dim);
  while (count > 0) {
    const int server = sharding_.ServerOf(table, first);
    const std::int64_t local = sharding_.LocalRow(table, first);
    std::int64_t run = 1;
    while (run < std::min(count, most) && sharding_.ServerOf(table, first + run) == server &&
           sharding_.LocalRow(table, first + run) == local + run) {
      ++run;
    }
    DIME_RETURN_IF_ERROR(
        f(static_cast<std::size_t>(server), RowsRequest{.table = static_cast<std::uint32_t>(table),
                                                        .part = static_cast<std::uint32_t>(part),
                                                        .first = static_cast<std::uint64_t>(local),
                                                        .count = static_cast<std::uint64_t>(run)}));
    first += run;
    count -= run;
  }
  return absl::OkStatus();
}

absl::Status ServerControl::ReadRun(std::size_t server, const RowsRequest& request,
                                    std::span<float> out) {
  const Deadline deadline = links_.Begin();
  const iovec part = PartOf(&request, sizeof(request));
  DIME_RETURN_IF_ERROR(links_.Send(server, MessageType::kRead, {&part, 1}, deadline));
  RowsReply reply;
  const iovec parts[] = {PartOf(&reply, sizeof(reply)), PartOf(out.data(), out.size_bytes())};
  return links_.ReceiveInto(server, MessageType::kRows, parts, deadline);
}

}  // namespace dime::ps
