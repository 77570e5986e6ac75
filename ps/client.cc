#include "ps/client.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "ps/wire.h"
#include "runtime/base/check.h"
#include "runtime/net/channel.h"

namespace dime::ps {
namespace {

using net::Clock;
using net::Deadline;

constexpr std::size_t kKeptPulls = 3;
constexpr std::int64_t kRunFloats = 1 << 20;  // Of a message that reads or writes rows.

iovec PartOf(const void* data, std::size_t size) { return {const_cast<void*>(data), size}; }

template <typename T>
iovec PartOf(const std::vector<T>& values) {
  return PartOf(values.data(), values.size() * sizeof(T));
}

// The rows that one server has of what a batch looks up in one table.
struct TablePart {
  std::vector<std::uint32_t> rows;   // As the server numbers them.
  std::vector<std::int32_t> places;  // Where they stand among the looked-up ids; empty: in order.
  std::vector<float> values;         // On their way, if `places` is not empty.
};

// What was asked for in a pull, and what came.
struct PullRecord {
  std::uint64_t number = 0;
  std::vector<std::vector<TablePart>> parts;  // [server][table]
  std::vector<std::vector<float>> values;     // By table: all its looked-up rows.
};

}  // namespace

class Client::Impl {
 public:
  Impl(std::span<const ops::TableSpec> specs, const Sharding& sharding,
       const ClientOptions& options)
      : specs_(specs), sharding_(sharding), options_(options) {
    const auto num_servers = static_cast<std::size_t>(sharding.num_servers());
    for (PullRecord& pull : pulls_) {
      pull.parts.resize(num_servers);
      for (auto& parts : pull.parts) parts.resize(specs.size());
      pull.values.resize(specs.size());
    }
    counts_.resize(specs.size());
    for (std::size_t t = 0; t < specs.size(); ++t) {
      homes_.push_back(specs[t].num_rows > 0 ? sharding.ServerOf(t, 0) : 0);
    }
  }

  // Servers are started at the same time as their clients: who is not there may be so in a moment.
  absl::Status ConnectTo(std::size_t server, std::span<const net::Address> addresses,
                         Deadline deadline) {
    constexpr std::chrono::milliseconds kFirstPause{1};
    constexpr std::chrono::milliseconds kLongestPause{100};
    for (auto pause = kFirstPause;; pause = std::min(2 * pause, kLongestPause)) {
      const absl::Status connected = TryToConnect(server, addresses, deadline);
      if (!absl::IsUnavailable(connected)) return connected;
      if (Clock::now() + pause >= deadline) {
        return base::Annotate(
            connected, fmt::format("no ps-{} within {} ms", server, options_.connect_time.count()));
      }
      std::this_thread::sleep_for(pause);
    }
  }

  absl::Status TryToConnect(std::size_t server, std::span<const net::Address> addresses,
                            Deadline deadline) {
    absl::Status last = base::InvalidArgument("ps-{} has no address", server);
    for (const net::Address& address : addresses) {
      absl::StatusOr<net::Socket> socket = net::Socket::Connect(address, deadline);
      if (!socket.ok()) {
        last = socket.status();
        continue;
      }
      net::Channel channel(*std::move(socket),
                           fmt::format("ps-{} at {}", server, address.ToString()));
      DIME_RETURN_IF_ERROR(net::Authenticate(channel, options_.token, options_.self, deadline));
      channels_.push_back(std::move(channel));
      flags_.push_back(address.kind == net::Address::Kind::kUnix ? net::kFlagHeaderSumOnly
                                                                 : std::uint16_t{0});
      return absl::OkStatus();
    }
    return last;
  }

  absl::Status StartExchange(const Push* push, const Pull* pull) {
    DIME_CHECK(!in_flight_);
    ExchangeRequest request{.replica = options_.self.index};
    const PullRecord* pushed = nullptr;
    if (push != nullptr) {
      pushed = &pulls_[push->pull % kKeptPulls];
      DIME_CHECK(pushed->number == push->pull);
      request.push_number = ++num_pushes_;
      request.push_step = static_cast<std::uint64_t>(push->step);
      request.push_micro_batch = static_cast<std::uint32_t>(push->micro_batch);
      request.pushed_pull = push->pull;
    }
    pulling_ = nullptr;
    if (pull != nullptr) {
      request.pull_number = ++num_pulls_;
      request.pull_step = static_cast<std::uint64_t>(pull->step);
      pulling_ = &pulls_[num_pulls_ % kKeptPulls];
      pulling_->number = num_pulls_;
      Split(*pull->lookups, *pulling_);
    }
    ++request_id_;
    const Deadline deadline = Clock::now() + options_.answer_time;
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      parts_.assign(1, PartOf(&request, sizeof(request)));
      if (push != nullptr) AddGradients(s, *push->gradients, *pushed);
      if (pull != nullptr) AddRows(s);
      DIME_RETURN_IF_ERROR(channels_[s].Send(Header(s, MessageType::kExchange), parts_, deadline));
    }
    in_flight_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<ops::Rows> FinishExchange() {
    DIME_CHECK(in_flight_);
    in_flight_ = false;
    const Deadline deadline = Clock::now() + options_.answer_time;
    absl::Status refused;
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      const absl::Status answer = ReceiveRows(s, deadline);
      if (answer.ok()) continue;
      // The other servers' answers are on their way all the same.
      refused.Update(answer);
      if (!channel_is_whole_) return answer;
    }
    if (!refused.ok()) return refused;
    ops::Rows rows;
    if (pulling_ == nullptr) return rows;
    Scatter(*pulling_);
    for (const std::vector<float>& values : pulling_->values) rows.tables.emplace_back(values);
    return rows;
  }

  absl::Status Ask(MessageType type, std::span<const iovec> payload = {}) {
    ++request_id_;
    const Deadline deadline = Clock::now() + options_.answer_time;
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      DIME_RETURN_IF_ERROR(channels_[s].Send(Header(s, type), payload, deadline));
    }
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      DIME_RETURN_IF_ERROR(ReceiveHeader(s, MessageType::kDone, deadline).status());
      DIME_RETURN_IF_ERROR(channels_[s].ReceivePayload(std::span<const iovec>(), deadline));
    }
    return absl::OkStatus();
  }

  absl::Status Ask(MessageType type, const JobStart& start) {
    const iovec part = PartOf(&start, sizeof(start));
    return Ask(type, {&part, 1});
  }

  absl::StatusOr<JobStart> AwaitStart(std::chrono::milliseconds patience) {
    ++request_id_;
    const Deadline deadline = Clock::now() + patience;
    JobStart start;
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      DIME_RETURN_IF_ERROR(channels_[s].Send(Header(s, MessageType::kAwaitStart), {}, deadline));
      DIME_RETURN_IF_ERROR(ReceiveHeader(s, MessageType::kStarted, deadline).status());
      DIME_ASSIGN_OR_RETURN(const auto bytes, channels_[s].ReceivePayload(deadline));
      PayloadReader reader(bytes);
      DIME_ASSIGN_OR_RETURN(const auto starts, reader.Take<JobStart>(1));
      DIME_RETURN_IF_ERROR(reader.ExpectEnd());
      start = starts.front();
    }
    return start;
  }

  absl::StatusOr<std::vector<Statistics>> ReadStatistics() {
    std::vector<Statistics> all;
    ++request_id_;
    const Deadline deadline = Clock::now() + options_.answer_time;
    for (std::size_t s = 0; s < channels_.size(); ++s) {
      DIME_RETURN_IF_ERROR(channels_[s].Send(Header(s, MessageType::kStatistics), {}, deadline));
      DIME_RETURN_IF_ERROR(ReceiveHeader(s, MessageType::kStatisticsReply, deadline).status());
      DIME_ASSIGN_OR_RETURN(const auto bytes, channels_[s].ReceivePayload(deadline));
      PayloadReader reader(bytes);
      DIME_ASSIGN_OR_RETURN(const auto replies, reader.Take<StatisticsReply>(1));
      DIME_ASSIGN_OR_RETURN(const auto staleness,
                            reader.Take<std::int64_t>((bytes.size() - sizeof(StatisticsReply)) /
                                                      sizeof(std::int64_t)));
      DIME_RETURN_IF_ERROR(reader.ExpectEnd());
      const StatisticsReply& reply = replies.front();
      all.push_back({.version = static_cast<std::int64_t>(reply.version),
                     .num_requests = static_cast<std::int64_t>(reply.num_requests),
                     .num_rows_pulled = static_cast<std::int64_t>(reply.num_rows_pulled),
                     .num_rows_pushed = static_cast<std::int64_t>(reply.num_rows_pushed),
                     .staleness = {staleness.begin(), staleness.end()}});
    }
    return all;
  }

  absl::Status ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                        std::span<float> out) {
    DIME_CHECK(static_cast<std::int64_t>(out.size()) == count * specs_[table].dim);
    return ForEachRun(table, part, first, count, [&](std::size_t server, const RowsRequest& run) {
      const auto size =
          static_cast<std::size_t>(run.count) * static_cast<std::size_t>(specs_[table].dim);
      const std::span<float> to = out.first(size);
      out = out.subspan(size);
      return ReadRun(server, run, to);
    });
  }

  absl::Status WriteRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                         std::span<const float> in) {
    DIME_CHECK(static_cast<std::int64_t>(in.size()) == count * specs_[table].dim);
    return ForEachRun(table, part, first, count, [&](std::size_t server, const RowsRequest& run) {
      const auto size =
          static_cast<std::size_t>(run.count) * static_cast<std::size_t>(specs_[table].dim);
      const std::span<const float> from = in.first(size);
      in = in.subspan(size);
      return WriteRun(server, run, from);
    });
  }

  [[nodiscard]] std::uint64_t num_pulls() const { return num_pulls_; }
  [[nodiscard]] std::int64_t version() const { return version_; }

 private:
  [[nodiscard]] net::FrameHeader Header(std::size_t server, MessageType type) const {
    return {.type = static_cast<std::uint8_t>(type),
            .flags = flags_[server],
            .request_id = request_id_,
            .incarnation = options_.self.incarnation};
  }

  // Which rows of which table are whose.
  void Split(const ops::Lookups& lookups, PullRecord& pull) {
    DIME_CHECK(lookups.tables.size() == specs_.size());
    for (auto& parts : pull.parts) {
      for (TablePart& part : parts) {
        part.rows.clear();
        part.places.clear();
      }
    }
    for (std::size_t t = 0; t < specs_.size(); ++t) {
      const ops::TableSpec& spec = specs_[t];
      if (spec.dense) {
        pull.values[t].resize(static_cast<std::size_t>(spec.num_rows * spec.dim));
        continue;
      }
      const std::vector<std::int64_t>& ids = lookups.tables[t].ids;
      pull.values[t].resize(ids.size() * static_cast<std::size_t>(spec.dim));
      if (channels_.size() == 1) {
        pull.parts[0][t].rows.assign(ids.begin(), ids.end());
        continue;
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        TablePart& part = pull.parts[static_cast<std::size_t>(sharding_.ServerOf(t, ids[i]))][t];
        part.rows.push_back(static_cast<std::uint32_t>(sharding_.LocalRow(t, ids[i])));
        part.places.push_back(static_cast<std::int32_t>(i));
      }
    }
  }

  void AddGradients(std::size_t server, const ops::Gradients& gradients, const PullRecord& pull) {
    send_values_.resize(specs_.size());
    for (std::size_t t = 0; t < specs_.size(); ++t) {
      const std::vector<float>& values = gradients.tables[t];
      if (specs_[t].dense) {
        if (homes_[t] == static_cast<int>(server)) parts_.push_back(PartOf(values));
        continue;
      }
      const TablePart& part = pull.parts[server][t];
      if (part.places.empty()) {
        if (!part.rows.empty()) parts_.push_back(PartOf(values));
        continue;
      }
      const auto dim = static_cast<std::size_t>(specs_[t].dim);
      std::vector<float>& picked = send_values_[t];
      picked.resize(part.rows.size() * dim);
      float* to = picked.data();
      for (const std::int32_t place : part.places) {
        to = std::copy_n(values.data() + static_cast<std::size_t>(place) * dim, dim, to);
      }
      parts_.push_back(PartOf(picked));
    }
  }

  void AddRows(std::size_t server) {
    const std::vector<TablePart>& tables = pulling_->parts[server];
    for (std::size_t t = 0; t < specs_.size(); ++t) {
      counts_[t] = static_cast<std::uint32_t>(tables[t].rows.size());
    }
    parts_.push_back(PartOf(counts_));
    for (const TablePart& part : tables) {
      if (!part.rows.empty()) parts_.push_back(PartOf(part.rows));
    }
  }

  // An answer's header, if it is of this type; a refusal is the error that it says.
  absl::StatusOr<net::FrameHeader> ReceiveHeader(std::size_t server, MessageType type,
                                                 Deadline deadline) {
    net::Channel& channel = channels_[server];
    channel_is_whole_ = false;
    DIME_ASSIGN_OR_RETURN(const net::FrameHeader header, channel.ReceiveHeader(deadline));
    if (header.request_id != request_id_) {
      return base::DataLoss("{}: an answer to request {} in place of {}", channel.peer(),
                            header.request_id, request_id_);
    }
    if (header.type == static_cast<std::uint8_t>(MessageType::kRefused)) {
      DIME_ASSIGN_OR_RETURN(const auto bytes, channel.ReceivePayload(deadline));
      channel_is_whole_ = true;
      return base::Annotate(
          DecodeStatus({reinterpret_cast<const char*>(bytes.data()), bytes.size()}),
          channel.peer());
    }
    if (header.type == static_cast<std::uint8_t>(type)) return header;
    return base::DataLoss("{}: an answer of type {}", channel.peer(), header.type);
  }

  absl::Status ReceiveInto(std::size_t server, Deadline deadline) {
    DIME_ASSIGN_OR_RETURN(const net::FrameHeader header,
                          ReceiveHeader(server, MessageType::kRows, deadline));
    if (header.payload_bytes != net::SizeOf(parts_)) {
      return base::DataLoss("{}: an answer of {} bytes in place of {}", channels_[server].peer(),
                            header.payload_bytes, net::SizeOf(parts_));
    }
    DIME_RETURN_IF_ERROR(channels_[server].ReceivePayload(parts_, deadline));
    channel_is_whole_ = true;
    return absl::OkStatus();
  }

  absl::Status ReceiveRows(std::size_t server, Deadline deadline) {
    RowsReply reply;
    parts_.assign(1, PartOf(&reply, sizeof(reply)));
    for (std::size_t t = 0; pulling_ != nullptr && t < specs_.size(); ++t) {
      if (specs_[t].dense) {
        if (homes_[t] == static_cast<int>(server)) parts_.push_back(PartOf(pulling_->values[t]));
        continue;
      }
      TablePart& part = pulling_->parts[server][t];
      if (part.rows.empty()) continue;
      if (part.places.empty()) {
        parts_.push_back(PartOf(pulling_->values[t]));
        continue;
      }
      part.values.resize(part.rows.size() * static_cast<std::size_t>(specs_[t].dim));
      parts_.push_back(PartOf(part.values));
    }
    DIME_RETURN_IF_ERROR(ReceiveInto(server, deadline));
    const auto version = static_cast<std::int64_t>(reply.version);
    version_ = server == 0 ? version : std::min(version_, version);
    return absl::OkStatus();
  }

  void Scatter(PullRecord& pull) const {
    for (const std::vector<TablePart>& tables : pull.parts) {
      for (std::size_t t = 0; t < specs_.size(); ++t) {
        const auto dim = static_cast<std::size_t>(specs_[t].dim);
        const float* from = tables[t].values.data();
        for (const std::int32_t place : tables[t].places) {
          std::copy_n(from, dim, pull.values[t].data() + static_cast<std::size_t>(place) * dim);
          from += dim;
        }
      }
    }
  }

  // f(server, request) for each run of rows that follow each other on one server, of a size that
  // fits into a message.
  template <typename F>
  absl::Status ForEachRun(std::size_t table, int part, std::int64_t first, std::int64_t count,
                          const F& f) {
    const std::int64_t most = std::max<std::int64_t>(1, kRunFloats / specs_[table].dim);
    while (count > 0) {
      const int server = sharding_.ServerOf(table, first);
      const std::int64_t local = sharding_.LocalRow(table, first);
      std::int64_t run = 1;
      while (run < std::min(count, most) && sharding_.ServerOf(table, first + run) == server &&
             sharding_.LocalRow(table, first + run) == local + run) {
        ++run;
      }
      DIME_RETURN_IF_ERROR(f(static_cast<std::size_t>(server),
                             RowsRequest{.table = static_cast<std::uint32_t>(table),
                                         .part = static_cast<std::uint32_t>(part),
                                         .first = static_cast<std::uint64_t>(local),
                                         .count = static_cast<std::uint64_t>(run)}));
      first += run;
      count -= run;
    }
    return absl::OkStatus();
  }

  absl::Status ReadRun(std::size_t server, const RowsRequest& request, std::span<float> out) {
    ++request_id_;
    const Deadline deadline = Clock::now() + options_.answer_time;
    const iovec part = PartOf(&request, sizeof(request));
    DIME_RETURN_IF_ERROR(
        channels_[server].Send(Header(server, MessageType::kRead), {&part, 1}, deadline));
    RowsReply reply;
    parts_.assign({PartOf(&reply, sizeof(reply)), PartOf(out.data(), out.size_bytes())});
    return ReceiveInto(server, deadline);
  }

  absl::Status WriteRun(std::size_t server, const RowsRequest& request, std::span<const float> in) {
    ++request_id_;
    const Deadline deadline = Clock::now() + options_.answer_time;
    const iovec parts[] = {PartOf(&request, sizeof(request)), PartOf(in.data(), in.size_bytes())};
    DIME_RETURN_IF_ERROR(
        channels_[server].Send(Header(server, MessageType::kWrite), parts, deadline));
    DIME_RETURN_IF_ERROR(ReceiveHeader(server, MessageType::kDone, deadline).status());
    return channels_[server].ReceivePayload(std::span<const iovec>(), deadline);
  }

  const std::span<const ops::TableSpec> specs_;
  const Sharding& sharding_;
  const ClientOptions options_;
  std::vector<net::Channel> channels_;
  std::vector<std::uint16_t> flags_;  // Of frames to each server.
  std::vector<int> homes_;            // By table: where row 0 is, which is all of a dense one.

  std::array<PullRecord, kKeptPulls> pulls_;
  std::uint64_t num_pulls_ = 0;
  std::uint64_t num_pushes_ = 0;
  std::uint64_t request_id_ = 0;
  bool in_flight_ = false;
  bool channel_is_whole_ = true;  // The last answer was read to its end.
  PullRecord* pulling_ = nullptr;
  std::int64_t version_ = 0;

  // Kept for their memory.
  std::vector<iovec> parts_;
  std::vector<std::uint32_t> counts_;
  std::vector<std::vector<float>> send_values_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(
    std::span<const ops::TableSpec> specs, const Sharding& sharding,
    std::span<const std::vector<net::Address>> servers, const ClientOptions& options) {
  DIME_CHECK(std::ssize(servers) == sharding.num_servers());
  auto impl = std::make_unique<Impl>(specs, sharding, options);
  const Deadline deadline = Clock::now() + options.connect_time;
  for (std::size_t s = 0; s < servers.size(); ++s) {
    DIME_RETURN_IF_ERROR(impl->ConnectTo(s, servers[s], deadline));
  }
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

absl::Status Client::StartExchange(const Push* push, const Pull* pull) {
  return impl_->StartExchange(push, pull);
}
absl::StatusOr<ops::Rows> Client::FinishExchange() { return impl_->FinishExchange(); }
std::uint64_t Client::PullNumber() const { return impl_->num_pulls(); }
std::int64_t Client::Version() const { return impl_->version(); }
absl::Status Client::Prepare(const JobStart& start) {
  return impl_->Ask(MessageType::kPrepare, start);
}
absl::Status Client::Start(const JobStart& start) { return impl_->Ask(MessageType::kStart, start); }
absl::StatusOr<JobStart> Client::AwaitStart(std::chrono::milliseconds patience) {
  return impl_->AwaitStart(patience);
}
absl::Status Client::Leave() { return impl_->Ask(MessageType::kLeave); }
absl::Status Client::Stop() { return impl_->Ask(MessageType::kStop); }
absl::StatusOr<std::vector<Statistics>> Client::ReadStatistics() { return impl_->ReadStatistics(); }
absl::Status Client::ReadRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                              std::span<float> out) {
  return impl_->ReadRows(table, part, first, count, out);
}

absl::Status Client::WriteRows(std::size_t table, int part, std::int64_t first, std::int64_t count,
                               std::span<const float> in) {
  return impl_->WriteRows(table, part, first, count, in);
}

}  // namespace dime::ps
