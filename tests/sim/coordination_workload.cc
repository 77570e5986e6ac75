#include <absl/strings/match.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "tests/sim/workload.h"
#include "worker/coordination/coordination_server.h"
#include "worker/coordination/member.h"
#include "worker/leases/lease_book.h"
#include "worker/report/cluster_watch.h"
#include "worker/report/replica_reporter.h"
#include "worker/report/report_service.h"

namespace dime::sim {
namespace {

using cluster::ReplicaId;
using cluster::Role;
using std::chrono::milliseconds;
using std::chrono::seconds;

const net::Credentials kCredentials = {.token = "the token of a simulated job",
                                       .security = net::TransportSecurity::kInsecure};
constexpr char kJob[] = "a job";
constexpr char kHost[] = "a host";
constexpr Time kLimit = 600 * kSecond;
constexpr double kWrongWords = 0.03;
constexpr double kBadRecord = 0.03;
constexpr int kMostStarts = 4;  // Of a worker.

absl::Status Planned(const char* what) { return base::DataLoss("planned: {}", what); }

class CoordinatedJob {
 public:
  CoordinatedJob(World& world, const RunOptions& options)
      : world_(world), plant_(options.plant), dice_(options.seed, "coordinated job") {
    num_workers_ = dice_.Between(1, 4);
    num_servers_ = dice_.Between(0, 2);
    restarts_ = dice_.Chance(0.5);
    used_.resize(static_cast<std::size_t>(dice_.Between(1, 200)));
  }

  void Start() {
    std::uint32_t host = 10;
    for (std::int64_t i = 0; i < num_workers_; ++i) StartReplica({Role::kWorker, i}, host++);
    for (std::int64_t i = 0; i < num_servers_; ++i) {
      StartReplica({Role::kParameterServer, i}, host++);
    }
    // Replicas come in any order, the master, too.
    world_.Start("master", /*host=*/9, /*may_crash=*/true, [this, wait = dice_.Below(300)] {
      std::this_thread::sleep_for(milliseconds(wait));
      how_ = Lead();
    });
  }

  [[nodiscard]] std::string Describe() const {
    return fmt::format("{} workers, {} servers, {} batches; the master says {}", num_workers_,
                       num_servers_, used_.size(), how_ ? how_->ToString() : "nothing");
  }

  [[nodiscard]] std::string Check() const {
    for (const auto& replica : replicas_) {
      if (std::string wrong = CheckReplica(*replica); !wrong.empty()) return wrong;
    }
    if (!how_) return "";
    if (!how_->ok()) {
      if (!HasTrouble()) return "the job failed, though nothing was wrong: " + how_->ToString();
      const bool names_one = absl::StrContains(how_->message(), "worker-") ||
                             absl::StrContains(how_->message(), "ps-");
      return names_one ? "" : "the job's error names nobody: " + how_->ToString();
    }
    // What a worker that was lost had begun, another one does again.
    const int most = restarts_ && world_.num_faults() > 0 ? kMostStarts : 1;
    for (std::size_t b = 0; b < used_.size(); ++b) {
      if (used_[b] >= 1 && used_[b] <= most) continue;
      return fmt::format("the job ended well, and batch {} was used {} times", b, used_[b]);
    }
    return "";
  }

 private:
  struct Replica {
    ReplicaId id;
    std::uint32_t host = 0;
    std::uint32_t incarnation = 0;
    Process* process = nullptr;  // Its last start.
    bool has_planned_failure = false;
    bool has_left_well = false;
    std::optional<absl::Status> ended;  // How it did.
    std::optional<worker::JobEnd> job_end;
  };

  void StartReplica(const ReplicaId& id, std::uint32_t host) {
    Replica& self = *replicas_.emplace_back(std::make_unique<Replica>());
    self.id = id;
    self.host = host;
    StartProcess(self);
  }

  void StartProcess(Replica& self) {
    self.process = &world_.Start(
        cluster::FormatReplica(self.id), self.host, /*may_crash=*/true, [this, &self] {
          std::this_thread::sleep_for(milliseconds(world_.dice().Below(300)));
          TakePart(self);
        });
    if (!restarts_ || self.id.role != Role::kWorker) return;
    // What an agent does.
    self.process->on_crash = [this, &self] {
      if (how_ || self.has_left_well ||
          ++self.incarnation == static_cast<std::uint32_t>(kMostStarts))
        return;
      StartProcess(self);
    };
  }

  static std::vector<net::Address> MasterAddresses() {
    return {{.host = "10.0.0.9", .port = 2222}};
  }

  // --- The master ---

  absl::Status Lead() {
    const std::vector<net::Address> addresses = MasterAddresses();
    DIME_ASSIGN_OR_RETURN(
        const auto server,
        worker::CoordinationServer::Open(
            addresses, kCredentials,
            {.counts = {.workers = num_workers_, .parameter_servers = num_servers_},
             .job = kJob,
             .host = kHost,
             .join_time = seconds(20),
             .return_time = seconds(restarts_ ? 10 : 0)}));
    const auto num_replicas = static_cast<int>(num_workers_) + 1;
    worker::LeaseBook book({.num_replicas = num_replicas,
                            .num_batches = static_cast<std::int64_t>(used_.size()),
                            .batch_size = 1,
                            .num_uses = static_cast<std::int64_t>(used_.size())});
    worker::ClusterWatch watch({.num_replicas = num_replicas,
                                .num_servers = static_cast<int>(num_servers_),
                                .tables = {}});
    worker::ReportService service(watch, &book, num_replicas, static_cast<int>(num_servers_));
    server->AddService(worker::kReportService, &service);
    const absl::Status led = LeadUntilDone(*server, book);
    server->End(led);
    server->RemoveService(worker::kReportService);
    return led;
  }

  absl::Status LeadUntilDone(worker::CoordinationServer& server, worker::LeaseBook& book) {
    DIME_RETURN_IF_ERROR(server.AwaitPeers({}).status());
    server.Start({.seed = 7});
    const auto deadline = net::Clock::now() + seconds(200);
    while (!book.is_done()) {
      DIME_RETURN_IF_ERROR(server.AwaitFailure());
      if (net::Clock::now() >= deadline) return base::DeadlineExceeded("leases are never done");
    }
    return absl::OkStatus();
  }

  // --- All others ---

  void TakePart(Replica& self) {
    auto member =
        worker::Member::Connect({.self = self.id,
                                 .incarnation = self.incarnation,
                                 .locate = []() -> absl::StatusOr<worker::MasterLocation> {
                                   return worker::MasterLocation{.addresses = MasterAddresses(),
                                                                 .token = kCredentials.token};
                                 },
                                 .patience = seconds(30),
                                 .security = kCredentials.security});
    if (!member.ok()) {
      self.ended = member.status();
      return;
    }
    self.ended = TakePart(self, **member);
    if (self.ended->ok() && self.id.role == Role::kWorker) return;
    // Who waits to be told is told; of an error the master knows by now.
    self.job_end = (*member)->AwaitEnd(seconds(300));
  }

  absl::Status TakePart(Replica& self, worker::Member& member) {
    const bool has_wrong_words = world_.dice().Chance(kWrongWords);
    self.has_planned_failure |= has_wrong_words;
    std::vector<net::Address> addresses;
    if (self.id.role == Role::kParameterServer) addresses = {{.host = "10.0.0.77", .port = 1}};
    DIME_RETURN_IF_ERROR(member.Join({.job = has_wrong_words ? "another job" : kJob,
                                      .host_name = self.process->name,
                                      .host = kHost,
                                      .pid = 1,
                                      .addresses = std::move(addresses)}));
    const absl::StatusOr<worker::PeerAddresses> peers = member.AwaitPeers();
    if (!peers.ok()) return LeaveWith(peers.status(), member);
    if (std::ssize(peers->servers) != num_servers_ || std::ssize(peers->workers) != num_workers_) {
      world_.Fail("peers are told that are not there, or not told");
    }
    if (self.id.role == Role::kParameterServer) return absl::OkStatus();
    const absl::StatusOr<worker::JobStart> start = member.AwaitStart(seconds(60));
    if (!start.ok()) return LeaveWith(start.status(), member);
    DIME_RETURN_IF_ERROR(LeaveWith(DoBatches(self, member), member));
    self.has_left_well = true;
    return absl::OkStatus();
  }

  static absl::Status LeaveWith(const absl::Status& how, worker::Member& member) {
    const absl::Status left = member.Leave(how);
    return how.ok() ? left : how;
  }

  absl::Status DoBatches(Replica& self, worker::Member& member) {
    worker::ReplicaMeter meter;
    worker::ReplicaReporter reporter(
        [&](std::string_view request) { return member.Ask(worker::kReportService, request); },
        meter);
    while (true) {
      reporter.AskForLease();
      DIME_ASSIGN_OR_RETURN(const std::optional<worker::BatchRange> lease, reporter.TakeLease());
      if (!lease) break;
      for (std::int64_t batch = lease->first; batch < lease->end; ++batch) {
        std::this_thread::sleep_for(milliseconds(world_.dice().Below(30)));
        if (world_.dice().Chance(kBadRecord / static_cast<double>(used_.size()))) {
          self.has_planned_failure = true;
          return Planned("a bad record");
        }
        const bool is_skipped = plant_ == Plant::kSkippedBatch && world_.dice().Chance(0.05);
        if (!is_skipped) ++used_[static_cast<std::size_t>(batch)];
        meter.CountPush();
      }
    }
    return reporter.ReportNow();
  }

  // --- Afterwards ---

  [[nodiscard]] bool HasTrouble() const {
    return world_.num_faults() > 0 ||
           std::ranges::any_of(replicas_, [](const auto& r) { return r->has_planned_failure; });
  }

  [[nodiscard]] std::string CheckReplica(const Replica& replica) const {
    const std::string& name = replica.process->name;
    // The end may come before the answer to the last report, or be lost with the connection: what
    // counts is that the master has heard of all its batches.
    const bool has_lost_the_end =
        replica.ended && absl::IsCancelled(*replica.ended) && replica.job_end &&
        (replica.job_end->how.ok() || replica.job_end->master_is_gone || replica.job_end->is_stale);
    // What one that was lost had to do, others have done.
    const bool has_done_its_part =
        replica.incarnation > 0 || replica.has_left_well || has_lost_the_end ||
        (replica.id.role == Role::kParameterServer && !replica.process->has_crashed &&
         replica.ended && replica.ended->ok());
    if (how_ && how_->ok() && !has_done_its_part && !replica.process->has_crashed) {
      return fmt::format("the job ended well, and {} says {}", name,
                         replica.ended ? replica.ended->ToString() : "nothing");
    }
    if (how_ && replica.job_end && !replica.job_end->master_is_gone && !replica.job_end->is_stale &&
        replica.job_end->how != *how_ && !replica.has_planned_failure) {
      return fmt::format("{} was told {}, and the master says {}", name,
                         replica.job_end->how.ToString(), how_->ToString());
    }
    return "";
  }

  World& world_;
  const Plant plant_;
  Dice dice_;
  std::int64_t num_workers_ = 0;
  std::int64_t num_servers_ = 0;
  bool restarts_ = false;  // Workers that crash are started again.
  std::vector<int> used_;  // By batch: how often.
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::optional<absl::Status> how_;  // None: the master said nothing.
};

}  // namespace

Outcome RunCoordination(const RunOptions& options) {
  const Faults faults = Faults::Draw(options.seed);
  World world(options.seed, faults, options.is_verbose);
  CoordinatedJob job(world, options);
  job.Start();
  Outcome outcome = OutcomeOf(world, kLimit);
  if (outcome.failure.empty()) outcome.failure = job.Check();
  outcome.notes = job.Describe() + "; " + faults.ToString();
  return outcome;
}

}  // namespace dime::sim
