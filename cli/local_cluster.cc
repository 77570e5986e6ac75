#include "cli/local_cluster.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "cli/exit_codes.h"
#include "runtime/base/secret.h"
#include "runtime/cluster/thread_plan.h"
#include "runtime/cluster/tiers.h"
#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

using cluster::ReplicaId;
using cluster::Role;

constexpr char kReplicaVariable[] = "DIME_REPLICA";
constexpr char kDirectoryVariable[] = "DIME_RENDEZVOUS";
constexpr char kTokenFile[] = "token";
constexpr std::size_t kTokenBytes = 32;
constexpr std::chrono::milliseconds kBetweenLooks{20};
constexpr std::chrono::seconds kEndTime{5};

// gcloud's `--distributed`: counts alone.
absl::StatusOr<ClusterPlan> PlanDistributed(const OwnFlags& own) {
  const cluster::TrainingFlags& flags = own.cluster.training;
  if (flags.scale_tier || own.cluster.config) {
    return base::InvalidArgument(
        "--distributed has no tier: give it, or --scale-tier and --config, but not both");
  }
  constexpr std::int64_t kDefaultCount = 2;
  ClusterPlan plan;
  plan.shape.workers.count = flags.worker_count.value_or(kDefaultCount);
  plan.shape.parameter_servers.count = flags.parameter_server_count.value_or(kDefaultCount);
  DIME_ASSIGN_OR_RETURN(plan.consistency,
                        cluster::ParseConsistency(flags.consistency.value_or("async")));
  plan.micro_batches = static_cast<int>(flags.micro_batches.value_or(plan.counts().NumTrainers()));
  return plan;
}

absl::StatusOr<ClusterPlan> PlanTier(const OwnFlags& own) {
  DIME_ASSIGN_OR_RETURN(const cluster::TierLibrary library, ReadTiers(own.cluster));
  DIME_ASSIGN_OR_RETURN(cluster::TrainingInput input, ReadTrainingInput(own.cluster, library));
  return ClusterPlan{.shape = std::move(input.shape),
                     .consistency = input.consistency,
                     .micro_batches = static_cast<int>(input.micro_batches),
                     .notes = std::move(input.notes)};
}

bool AsksForOneProcess(const OwnFlags& own) {
  const cluster::TrainingFlags& flags = own.cluster.training;
  const std::string tier = flags.scale_tier.value_or(std::string(cluster::kDefaultTier));
  return cluster::CanonicalTierName(tier) == cluster::kDefaultTier && !own.distributed &&
         !own.cluster.config && !own.cluster.configs && !flags.master_machine_type &&
         !flags.worker_machine_type && !flags.worker_count && !flags.consistency &&
         !flags.parameter_server_machine_type && !flags.parameter_server_count;
}

absl::Status CheckPlan(const ClusterPlan& plan) {
  const cluster::RoleCounts counts = plan.counts();
  for (const Role role : cluster::kRoles) {
    const cluster::RoleShape& shape = plan.shape.Of(role);
    if (shape.count == 0 || shape.machine.gpus == 0) continue;
    return base::Unimplemented(
        "the {}'s machine type {} has a GPU, and dime trains on CPUs alone yet; name another tier "
        "(`dime tiers list`)",
        cluster::RoleName(role), shape.machine.name);
  }
  if (counts.evaluators > 0) {
    return base::Unimplemented(
        "a replica for evaluation alone is not built yet: the master does it");
  }
  if (counts.workers > 0 && counts.parameter_servers == 0) {
    return base::Unimplemented(
        "{} need a parameter server between them: training without one is not built yet",
        cluster::FormatCounts(counts));
  }
  if (plan.consistency.is_sync() && plan.micro_batches < counts.NumTrainers()) {
    return base::InvalidArgument(
        "--micro-batches is {}, but {} replicas train: each needs a batch of a step",
        plan.micro_batches, counts.NumTrainers());
  }
  return absl::OkStatus();
}

std::vector<ReplicaId> AllReplicas(const cluster::RoleCounts& counts) {
  std::vector<ReplicaId> replicas;
  for (const Role role : cluster::kRoles) {
    for (std::int64_t i = 0; i < counts.Of(role); ++i) replicas.push_back({role, i});
  }
  return replicas;
}

std::string ToHex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte b : bytes) text += fmt::format("{:02x}", std::to_integer<int>(b));
  return text;
}

}  // namespace

absl::StatusOr<ClusterPlan> PlanCluster(const TrainingRequest& request) {
  if (AsksForOneProcess(request.own)) {  // Which is started too often to read the tiers for it.
    ClusterPlan plan;
    plan.micro_batches = static_cast<int>(request.own.cluster.training.micro_batches.value_or(1));
    return plan;
  }
  DIME_ASSIGN_OR_RETURN(ClusterPlan plan, request.own.distributed ? PlanDistributed(request.own)
                                                                  : PlanTier(request.own));
  DIME_RETURN_IF_ERROR(CheckPlan(plan));
  return plan;
}

int ThreadsOf(const ClusterPlan& plan, const ReplicaId& replica) {
  if (plan.is_one_process()) return 0;
  const std::vector<ReplicaId> replicas = AllReplicas(plan.counts());
  const cluster::ThreadPlan threads = cluster::PlanThreads(
      plan.shape, replicas, static_cast<std::int64_t>(std::thread::hardware_concurrency()));
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    if (replicas[i] == replica) return static_cast<int>(threads.threads[i]);
  }
  return 1;
}

net::Address SocketOf(const std::string& directory, std::int64_t server) {
  return {.kind = net::Address::Kind::kUnix,
          .host = fmt::format("{}/ps-{}", directory, server),
          .port = 0};
}

absl::StatusOr<worker::ClusterOptions> ClusterOptionsOf(const ClusterPlan& plan,
                                                        const ReplicaId& replica,
                                                        const std::string& directory) {
  worker::ClusterOptions options;
  options.replica =
      static_cast<int>(replica.role == Role::kWorker ? replica.index + 1 : std::int64_t{0});
  options.num_replicas = static_cast<int>(plan.counts().NumTrainers());
  options.micro_batches = plan.micro_batches;
  if (plan.is_one_process()) return options;  // In sync: nobody is there to differ from.
  options.consistency = plan.consistency;
  for (std::int64_t s = 0; s < plan.counts().parameter_servers; ++s) {
    options.servers.push_back({SocketOf(directory, s)});
  }
  DIME_ASSIGN_OR_RETURN(options.token, storage::LocalFileSystem().ReadFile(
                                           storage::JoinPath(directory, kTokenFile), 1024));
  return options;
}

absl::StatusOr<std::optional<ReplicaPlace>> PlaceFromEnvironment() {
  const char* const replica = std::getenv(kReplicaVariable);
  const char* const directory = std::getenv(kDirectoryVariable);
  if (replica == nullptr || directory == nullptr) return std::optional<ReplicaPlace>();
  DIME_ASSIGN_OR_RETURN(const ReplicaId id, cluster::ParseReplica(replica));
  return ReplicaPlace{id, directory};
}

class LocalCluster::Impl {
 public:
  explicit Impl(std::string directory) : directory_(std::move(directory)) {}

  ~Impl() {
    watch_ = std::jthread();  // Stops and joins.
    for (const Process& process : processes_) {
      if (process.pid > 0) kill(process.pid, SIGKILL);
    }
    for (const Process& process : processes_) {
      if (process.pid > 0) waitpid(process.pid, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  absl::Status WriteToken() const {
    std::array<std::byte, kTokenBytes> token;
    base::FillRandom(token);
    return storage::LocalFileSystem().WriteAtomically(storage::JoinPath(directory_, kTokenFile),
                                                      ToHex(token));
  }

  absl::Status StartReplica(const ReplicaId& replica, Words args) {
    const std::string name = cluster::FormatReplica(replica);
    std::vector<std::string> words = {"dime", "replica"};
    words.insert(words.end(), args.begin(), args.end());
    std::vector<std::string> environment = {fmt::format("{}={}", kReplicaVariable, name),
                                            fmt::format("{}={}", kDirectoryVariable, directory_)};
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (std::string& entry : environment) envp.push_back(entry.data());
    envp.push_back(nullptr);

    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return base::ErrnoToStatus(errno, fmt::format("cannot start {}", name));
    if (pid == 0) {
      // Signals to the whole job are the master's to see, which needs the others to stop in good
      // order; and nobody outlives it.
      for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_IGN);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(kExitUnavailable);
      execve("/proc/self/exe", argv.data(), envp.data());
      _exit(kExitUnavailable);
    }
    processes_.push_back({name, pid, replica.role == Role::kParameterServer});
    return absl::OkStatus();
  }

  void Watch() {
    watch_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested() && Look()) std::this_thread::sleep_for(kBetweenLooks);
    });
  }

  void Join() {
    const auto deadline = std::chrono::steady_clock::now() + kEndTime;
    while (std::chrono::steady_clock::now() < deadline && IsAnyAlive()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      Look();
    }
  }

  [[nodiscard]] const std::string& directory() const { return directory_; }

  std::optional<Failure> AwaitFailure() const {
    const auto start = std::chrono::steady_clock::now();
    while (true) {
      {
        const std::lock_guard lock(mutex_);
        if (IsLongAgo(start) || (failure_ && cause_ != Cause::kPeerIsGone)) return failure_;
      }
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }

 private:
  struct Process {
    std::string name;
    pid_t pid = 0;  // 0: it has ended.
    bool is_server = false;
    bool was_ended = false;  // By this process.
  };

  // Whether any process is left.
  bool Look() {
    const std::lock_guard lock(mutex_);
    bool any = false;
    for (Process& process : processes_) {
      int status = 0;
      if (process.pid == 0) continue;
      if (waitpid(process.pid, &status, WNOHANG) != process.pid) {
        any = true;
        continue;
      }
      process.pid = 0;
      if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || process.was_ended) continue;
      const Cause cause = CauseOf(status);
      if (failure_ && cause >= cause_) continue;
      cause_ = cause;
      failure_ = Explain(process.name, status);
    }
    // Those that only lost a peer may be seen to end before that peer is.
    if (failure_ && !first_failure_) first_failure_ = std::chrono::steady_clock::now();
    if (failure_ && (cause_ != Cause::kPeerIsGone || IsLongAgo(*first_failure_))) EndServers();
    return any;
  }

  static bool IsLongAgo(std::chrono::steady_clock::time_point time) {
    constexpr std::chrono::milliseconds kAfterwards{500};
    return std::chrono::steady_clock::now() >= time + kAfterwards;
  }

  // Of several that end at nearly the same time the first of these is why the others did.
  enum class Cause { kSignal, kOwnFailure, kPeerIsGone };
  static Cause CauseOf(int status) {
    if (WIFSIGNALED(status)) return Cause::kSignal;
    return WEXITSTATUS(status) == kExitUnavailable ? Cause::kPeerIsGone : Cause::kOwnFailure;
  }

  static Failure Explain(const std::string& name, int status) {
    if (WIFSIGNALED(status)) {
      return {fmt::format("{} was ended by signal {} ({})", name, WTERMSIG(status),
                          strsignal(WTERMSIG(status))),
              kExitUnavailable};
    }
    return {fmt::format("{} ended with exit code {}", name, WEXITSTATUS(status)),
            WEXITSTATUS(status)};
  }

  void EndServers() {
    for (Process& process : processes_) {
      if (!process.is_server || process.pid == 0) continue;
      process.was_ended = true;
      kill(process.pid, SIGKILL);
    }
  }

  bool IsAnyAlive() const {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(processes_, [](const Process& p) { return p.pid > 0; });
  }

  const std::string directory_;
  mutable std::mutex mutex_;  // Guards what follows, once Watch() was called.
  std::vector<Process> processes_;
  std::optional<Failure> failure_;
  Cause cause_ = Cause::kPeerIsGone;  // Of failure_.
  std::optional<std::chrono::steady_clock::time_point> first_failure_;
  std::jthread watch_;
};

LocalCluster::LocalCluster(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalCluster::~LocalCluster() = default;

absl::StatusOr<std::unique_ptr<LocalCluster>> LocalCluster::Start(const ClusterPlan& plan,
                                                                  Words args) {
  std::error_code error;
  std::string directory = (std::filesystem::temp_directory_path(error) / "dime-XXXXXX").string();
  if (error || mkdtemp(directory.data()) == nullptr) {
    return base::ErrnoToStatus(errno,
                               fmt::format("cannot create a directory for sockets, {}", directory));
  }
  auto impl = std::make_unique<Impl>(directory);
  // The longest of the sockets' names fits, or none is made.
  const net::Address longest = SocketOf(directory, cluster::kMaxReplicas);
  if (const auto fits = net::ParseAddress(longest.ToString()); !fits.ok()) {
    return base::ResourceExhausted("no room for sockets in $TMPDIR, whose path is too long: {}",
                                   base::MessageOf(fits.status()));
  }
  DIME_RETURN_IF_ERROR(impl->WriteToken());
  for (const ReplicaId& replica : AllReplicas(plan.counts())) {
    if (replica.role == Role::kMaster) continue;
    DIME_RETURN_IF_ERROR(impl->StartReplica(replica, args));
  }
  impl->Watch();
  return std::unique_ptr<LocalCluster>(new LocalCluster(std::move(impl)));
}

const std::string& LocalCluster::directory() const { return impl_->directory(); }
void LocalCluster::Join() { impl_->Join(); }
std::optional<LocalCluster::Failure> LocalCluster::AwaitFailure() const {
  return impl_->AwaitFailure();
}

}  // namespace dime::cli
