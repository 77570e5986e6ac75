#include "worker/collective/mpi_collective.h"

#include <dlfcn.h>

#include <array>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "worker/collective/mpi_plugin.h"

namespace dime::worker {
namespace {

constexpr int kExitPeersMissing = 69;  // As the commands end when peers are not to be reached.

using ErrorText = std::array<char, 512>;

// Ends the process if it is not destroyed in time.
class Watchdog {
 public:
  Watchdog(std::chrono::milliseconds patience, std::string what)
      : thread_([this, patience, what = std::move(what)](const std::stop_token& stop) {
          std::unique_lock lock(mutex_);
          condition_.wait_for(lock, stop, patience, [] { return false; });
          if (stop.stop_requested()) return;
          base::Log(base::Severity::kError, "{} for {} ms", what, patience.count());
          std::_Exit(kExitPeersMissing);
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any condition_;
  std::jthread thread_;
};

class MpiCollective final : public Collective {
 public:
  MpiCollective(const DimeMpi& mpi, const MpiOptions& options)
      : mpi_(mpi), options_(options), peers_(static_cast<std::size_t>(options.num_members)) {}

  [[nodiscard]] int rank() const override { return options_.rank; }
  [[nodiscard]] int size() const override { return options_.num_members; }

  absl::Status Exchange(std::span<const std::span<const float>> outgoing,
                        std::span<const std::span<float>> incoming) override {
    DIME_CHECK(options_.is_member);
    DIME_CHECK(outgoing.size() == peers_.size() && incoming.size() == peers_.size());
    if (!failed_.ok()) return failed_;
    for (std::size_t r = 0; r < peers_.size(); ++r) {
      peers_[r] = {.outgoing = outgoing[r].data(),
                   .num_outgoing = std::ssize(outgoing[r]),
                   .incoming = incoming[r].data(),
                   .num_incoming = std::ssize(incoming[r])};
    }
    ErrorText error = {};
    int rank = -1;
    const int code =
        mpi_.exchange(peers_.data(), options_.patience.count(), &rank, error.data(), error.size());
    if (code == kDimeMpiOk) return absl::OkStatus();
    failed_ = Explain(code, rank, error.data());
    return failed_;
  }

  absl::Status Finish() override {
    if (!failed_.ok()) return failed_;
    ErrorText error = {};
    const int code = mpi_.finish(options_.patience.count(), error.data(), error.size());
    if (code == kDimeMpiOk) return absl::OkStatus();
    if (code == kDimeMpiMissing) {
      return base::DeadlineExceeded("waited {} ms: {}", options_.patience.count(), error.data());
    }
    return base::Unavailable("{}", error.data());
  }

 private:
  [[nodiscard]] absl::Status Explain(int code, int rank, const char* error) const {
    if (code == kDimeMpiMissing) {
      return base::DeadlineExceeded("{} has waited {} ms for {}, which does not come",
                                    RankName(options_.rank), options_.patience.count(),
                                    RankName(rank));
    }
    return base::Unavailable("{} cannot exchange gradients{}: {}", RankName(options_.rank),
                             rank >= 0 ? " with " + RankName(rank) : "", error);
  }

  const DimeMpi& mpi_;
  const MpiOptions options_;
  std::vector<DimeMpiPeer> peers_;
  absl::Status failed_;
};

// It stays open: MPI can be started once a process.
absl::StatusOr<const DimeMpi*> OpenPlugin(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return base::Unimplemented(
        "there is no MPI plug-in, {}: dime was built without MPI; install libopenmpi-dev and build "
        "it again, or leave dense variables on the parameter servers (--dense servers)",
        path);
  }
  // Open MPI's own plug-ins look for its symbols among the global ones.
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) {
    return base::Unimplemented("the MPI plug-in {} cannot be loaded: {}; is openmpi-bin installed?",
                               path, dlerror());
  }
  void* const symbol = dlsym(library, DIME_MPI_ENTRY);
  if (symbol == nullptr) return base::Unimplemented("{} is no MPI plug-in of dime", path);
  const DimeMpi* const mpi = reinterpret_cast<decltype(&dime_mpi)>(symbol)();
  if (mpi->version != kDimeMpiVersion) {
    return base::FailedPrecondition(
        "{} is of version {}, and this dime needs {}: install both anew", path, mpi->version,
        static_cast<int>(kDimeMpiVersion));
  }
  return mpi;
}

}  // namespace

bool IsLaunchedByMpi() { return std::getenv("OMPI_COMM_WORLD_RANK") != nullptr; }

std::string MpiPluginPath() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "lib" / "dime" / "libdime_mpi.so").string();
}

absl::StatusOr<std::unique_ptr<Collective>> StartMpi(const MpiOptions& options,
                                                     const std::string& plugin) {
  DIME_ASSIGN_OR_RETURN(const DimeMpi* const mpi, OpenPlugin(plugin));
  ErrorText error = {};
  int code = kDimeMpiOk;
  {
    const Watchdog watchdog(options.start_time,
                            "MPI has waited for processes of this launch that do not start");
    code = mpi->start(options.is_member ? 1 : 0, options.rank, error.data(), error.size());
  }
  if (code != kDimeMpiOk) return base::Unavailable("{}", error.data());
  if (options.is_member && (mpi->size() != options.num_members || mpi->rank() != options.rank)) {
    return base::FailedPrecondition(
        "this process is rank {} of {} training replicas, but MPI has it as rank {} of {}",
        options.rank, options.num_members, mpi->rank(), mpi->size());
  }
  return std::make_unique<MpiCollective>(*mpi, options);
}

}  // namespace dime::worker
