#include "ps/client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/half.h"
#include "ps/internal/server_links.h"
#include "ps/wire.h"
#include "runtime/base/check.h"

namespace dime::ps {
namespace {

using net::Deadline;
using net::PartOf;

constexpr std::size_t kKeptPulls = 3;
constexpr std::uint16_t kPadding = 0;

// The rows that one server has of what a batch looks up in one table.
struct TablePart {
  std::vector<std::uint32_t> rows;    // As the server numbers them;
  std::vector<std::int64_t> ids;      // or, of an unbounded table, their ids.
  std::vector<std::int32_t> places;   // Where they stand among the looked-up ids; empty: in order.
  std::vector<float> values;          // On their way, if `places` is not empty.
  std::vector<std::uint16_t> halves;  // On their way, if they have 16 bits.

  [[nodiscard]] std::size_t size() const { return rows.size() + ids.size(); }
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
      : specs_(specs), sharding_(sharding), links_(options) {
    const auto num_servers = static_cast<std::size_t>(sharding.num_servers());
    for (PullRecord& pull : pulls_) {
      pull.parts.resize(num_servers);
      for (auto& parts : pull.parts) parts.resize(specs.size());
      pull.values.resize(specs.size());
    }
    counts_.resize(specs.size());
    send_halves_.resize(specs.size());
    for (std::size_t t = 0; t < specs.size(); ++t) {
      homes_.push_back(specs[t].num_rows > 0 ? sharding.ServerOf(t, 0) : -1);
    }
  }

  absl::Status Connect(std::span<const std::vector<net::Address>> servers) {
    return links_.Connect(servers);
  }

  absl::Status StartExchange(const Push* push, const Pull* pull) {
    DIME_CHECK(!in_flight_);
    // Rows that are not to train with are wanted as they are.
    const bool is_exact = pull != nullptr && pull->step == 0;
    precision_ = is_exact ? ops::Precision::kFloat32 : links_.options().precision;
    ExchangeRequest request{.replica = static_cast<std::uint16_t>(links_.options().self.index),
                            .precision = precision_};
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
    const Deadline deadline = links_.Begin();
    for (std::size_t s = 0; s < links_.size(); ++s) {
      parts_.assign(1, PartOf(&request, sizeof(request)));
      if (push != nullptr) AddGradients(s, *push->gradients, *pushed);
      if (pull != nullptr) AddRows(s);
      DIME_RETURN_IF_ERROR(links_.Send(s, MessageType::kExchange, parts_, deadline));
    }
    in_flight_ = true;
    return absl::OkStatus();
  }

  absl::StatusOr<ops::Rows> FinishExchange() {
    DIME_CHECK(in_flight_);
    in_flight_ = false;
    const Deadline deadline = net::Clock::now() + links_.options().answer_time;
    absl::Status refused;
    for (std::size_t s = 0; s < links_.size(); ++s) {
      const absl::Status answer = ReceiveRows(s, deadline);
      if (answer.ok()) continue;
      // The other servers' answers are on their way all the same.
      refused.Update(answer);
      if (!links_.is_whole()) return answer;
    }
    if (!refused.ok()) return refused;
    ops::Rows rows;
    if (pulling_ == nullptr) return rows;
    Scatter(*pulling_);
    for (const std::vector<float>& values : pulling_->values) rows.tables.emplace_back(values);
    return rows;
  }

  [[nodiscard]] ServerControl& servers() { return servers_; }
  [[nodiscard]] std::uint64_t num_pulls() const { return num_pulls_; }
  [[nodiscard]] std::int64_t version() const { return version_; }

 private:
  // Which rows of which table are whose.
  void Split(const ops::Lookups& lookups, PullRecord& pull) {
    DIME_CHECK(lookups.tables.size() == specs_.size());
    for (auto& parts : pull.parts) {
      for (TablePart& part : parts) {
        part.rows.clear();
        part.ids.clear();
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
      if (spec.unbounded) {
        SplitIds(t, ids, pull);
        continue;
      }
      if (links_.size() == 1) {
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

  void SplitIds(std::size_t table, const std::vector<std::int64_t>& ids, PullRecord& pull) const {
    if (links_.size() == 1) {
      pull.parts[0][table].ids = ids;
      return;
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto server = static_cast<std::size_t>(sharding_.ServerOfHashed(table, ids[i]));
      TablePart& part = pull.parts[server][table];
      part.ids.push_back(ids[i]);
      part.places.push_back(static_cast<std::int32_t>(i));
    }
  }

  void AddGradients(std::size_t server, const ops::Gradients& gradients, const PullRecord& pull) {
    send_values_.resize(specs_.size());
    for (std::size_t t = 0; t < specs_.size(); ++t) {
      const std::vector<float>& values = gradients.tables[t];
      if (specs_[t].dense) {
        if (homes_[t] == static_cast<int>(server)) AddValues(t, values);
        continue;
      }
      const TablePart& part = pull.parts[server][t];
      if (part.places.empty()) {
        if (part.size() > 0) AddValues(t, values);
        continue;
      }
      const auto dim = static_cast<std::size_t>(specs_[t].dim);
      std::vector<float>& picked = send_values_[t];
      picked.resize(part.size() * dim);
      float* to = picked.data();
      for (const std::int32_t place : part.places) {
        to = std::copy_n(values.data() + static_cast<std::size_t>(place) * dim, dim, to);
      }
      AddValues(t, picked);
    }
    if (num_halves_ % 2 != 0) parts_.push_back(PartOf(&kPadding, sizeof(kPadding)));
    num_halves_ = 0;
  }

  // A table's gradients, in the precision of the wire.
  void AddValues(std::size_t table, const std::vector<float>& values) {
    if (!has_halves()) return parts_.push_back(PartOf(values));
    std::vector<std::uint16_t>& halves = send_halves_[table];
    halves.resize(values.size());
    ops::ToHalves(precision_, values, halves);
    num_halves_ += halves.size();
    parts_.push_back(PartOf(halves));
  }

  [[nodiscard]] bool has_halves() const { return precision_ != ops::Precision::kFloat32; }

  void AddRows(std::size_t server) {
    const std::vector<TablePart>& tables = pulling_->parts[server];
    for (std::size_t t = 0; t < specs_.size(); ++t) {
      counts_[t] = static_cast<std::uint32_t>(tables[t].size());
    }
    parts_.push_back(PartOf(counts_));
    for (const TablePart& part : tables) {
      if (!part.rows.empty()) parts_.push_back(PartOf(part.rows));
      if (!part.ids.empty()) parts_.push_back(PartOf(part.ids));
    }
  }

  absl::Status ReceiveRows(std::size_t server, Deadline deadline) {
    RowsReply reply;
    parts_.assign(1, PartOf(&reply, sizeof(reply)));
    to_convert_.clear();
    for (std::size_t t = 0; pulling_ != nullptr && t < specs_.size(); ++t) {
      if (specs_[t].dense) {
        if (homes_[t] == static_cast<int>(server)) AwaitValues(pulling_->values[t], server, t);
        continue;
      }
      TablePart& part = pulling_->parts[server][t];
      if (part.size() == 0) continue;
      if (part.places.empty()) {
        AwaitValues(pulling_->values[t], server, t);
        continue;
      }
      part.values.resize(part.size() * static_cast<std::size_t>(specs_[t].dim));
      AwaitValues(part.values, server, t);
    }
    DIME_RETURN_IF_ERROR(links_.ReceiveInto(server, MessageType::kRows, parts_, deadline));
    for (const auto& [halves, values] : to_convert_) {
      ops::FromHalves(precision_, *halves, *values);
    }
    const auto version = static_cast<std::int64_t>(reply.version);
    version_ = server == 0 ? version : std::min(version_, version);
    return absl::OkStatus();
  }

  // Values that are in the answer next.
  void AwaitValues(std::vector<float>& values, std::size_t server, std::size_t table) {
    if (!has_halves()) return parts_.push_back(PartOf(values));
    std::vector<std::uint16_t>& halves = pulling_->parts[server][table].halves;
    halves.resize(values.size());
    to_convert_.emplace_back(&halves, &values);
    parts_.push_back(PartOf(halves));
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

  const std::span<const ops::TableSpec> specs_;
  const Sharding& sharding_;
  internal::ServerLinks links_;
  ServerControl servers_{links_, specs_, sharding_};
  std::vector<int> homes_;  // By table: where row 0 is, all of a dense one; -1: no row is.

  std::array<PullRecord, kKeptPulls> pulls_;
  std::uint64_t num_pulls_ = 0;
  std::uint64_t num_pushes_ = 0;
  bool in_flight_ = false;
  ops::Precision precision_ = ops::Precision::kFloat32;  // Of the message that is under way.
  PullRecord* pulling_ = nullptr;
  std::int64_t version_ = 0;

  // Kept for their memory.
  std::vector<iovec> parts_;
  std::vector<std::uint32_t> counts_;
  std::vector<std::vector<float>> send_values_;
  std::vector<std::vector<std::uint16_t>> send_halves_;
  std::size_t num_halves_ = 0;  // Of the message that is being made.
  std::vector<std::pair<std::vector<std::uint16_t>*, std::vector<float>*>> to_convert_;
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

absl::StatusOr<std::unique_ptr<Client>> Client::Connect(
    std::span<const ops::TableSpec> specs, const Sharding& sharding,
    std::span<const std::vector<net::Address>> servers, const ClientOptions& options) {
  DIME_CHECK(std::ssize(servers) == sharding.num_servers());
  auto impl = std::make_unique<Impl>(specs, sharding, options);
  DIME_RETURN_IF_ERROR(impl->Connect(servers));
  return std::unique_ptr<Client>(new Client(std::move(impl)));
}

absl::Status Client::StartExchange(const Push* push, const Pull* pull) {
  return impl_->StartExchange(push, pull);
}
absl::StatusOr<ops::Rows> Client::FinishExchange() { return impl_->FinishExchange(); }
std::uint64_t Client::PullNumber() const { return impl_->num_pulls(); }
std::int64_t Client::Version() const { return impl_->version(); }
ServerControl& Client::servers() { return impl_->servers(); }

}  // namespace dime::ps
