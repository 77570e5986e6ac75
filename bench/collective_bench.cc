// Training replicas that sum the gradients of the census net's dense variables (75.7 KB), one
// micro-batch each, with nothing else to do.
//
// collective_bench N: N replicas that are threads, over Unix sockets, TCP and by memory alone.
// mpirun -np N collective_bench: ranks of MPI, dime's ordered sum and MPI_Allreduce in turn.
// The floor is a copy of the bytes that all replicas send, by one thread.
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef DIME_HAVE_MPI
#include <mpi.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/check.h"
#include "worker/collective/in_process.h"
#include "worker/collective/mpi_collective.h"
#include "worker/collective/ordered_sum.h"
#include "worker/collective/socket_collective.h"

namespace dime::worker {
namespace {

constexpr std::size_t kValues = 18'930;
constexpr int kRounds = 15;
constexpr std::chrono::minutes kPatience{5};

// Microseconds that one call takes; a round has as many calls on each rank.
class Timing {
 public:
  explicit Timing(int calls_per_round) : calls_per_round_(calls_per_round) {}

  void Round(const std::function<void()>& call) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls_per_round_; ++i) call();
    const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
    rounds_.push_back(time.count() / calls_per_round_);
  }

  [[nodiscard]] double Median() {
    std::ranges::sort(rounds_);
    return rounds_[rounds_.size() / 2];
  }

 private:
  const int calls_per_round_;
  std::vector<double> rounds_;
};

// What one rank sends.
std::size_t BytesSent(int size) {
  const auto n = static_cast<std::size_t>(size);
  return 2 * (n - 1) * kValues * sizeof(float) / n;
}

double FloorOf(int size) {
  const std::size_t bytes = BytesSent(size) * static_cast<std::size_t>(size);
  std::vector<std::byte> from(bytes, std::byte{1});
  std::vector<std::byte> to(bytes);
  Timing timing(200);
  for (int round = 0; round < kRounds; ++round) {
    timing.Round([&] {
      std::memcpy(to.data(), from.data(), bytes);
      asm volatile("" : : "r"(to.data()) : "memory");
    });
  }
  return timing.Median();
}

void Print(const std::string& what, int size, double time, double floor) {
  fmt::print("{:<28} {} ranks  {:>6.1f} KB sent by each  {:>8.1f} us  copy alone {:>5.1f} us\n",
             what, size, static_cast<double>(BytesSent(size)) / 1000, time, floor);
}

void Sum(OrderedSum& sum, std::span<const float> values) {
  const std::span<const float> parts[] = {values};
  sum.Add(parts);
  DIME_CHECK(sum.Finish().ok());
}

using Connect = std::function<std::unique_ptr<Collective>(int rank)>;

void MeasureThreads(const std::string& what, int size, const Connect& connect) {
  Timing timing(200);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const auto collective = connect(rank);
      OrderedSum sum(*collective, kValues, size, /*average=*/true);
      const std::vector<float> values(kValues, 1e-3f);
      Timing others(200);
      for (int round = 0; round < kRounds; ++round) {
        (rank == 0 ? timing : others).Round([&] { Sum(sum, values); });
      }
    });
  }
  threads.clear();
  Print(what, size, timing.Median(), FloorOf(size));
}

void MeasureSockets(const std::string& what, int size, const std::vector<net::Address>& listen) {
  std::vector<net::Listener> listeners;
  std::vector<std::vector<net::Address>> addresses;
  for (const net::Address& address : listen) {
    listeners.push_back(*net::Listener::Open(address));
    addresses.push_back({listeners.back().address()});
  }
  MeasureThreads(what, size, [&](int rank) {
    return *ConnectReplicas({&listeners[static_cast<std::size_t>(rank)], 1},
                            {.rank = rank, .addresses = addresses, .credentials = {"token"}});
  });
}

void MeasureAllThreads(int size) {
  std::string directory = "/tmp/dime-bench-XXXXXX";
  DIME_CHECK(mkdtemp(directory.data()) != nullptr);
  std::vector<net::Address> unix_sockets;
  for (int rank = 0; rank < size; ++rank) {
    unix_sockets.push_back({.kind = net::Address::Kind::kUnix,
                            .host = directory + "/" + std::to_string(rank),
                            .port = 0});
  }
  MeasureSockets("Unix sockets", size, unix_sockets);
  rmdir(directory.c_str());
  MeasureSockets("TCP, with checksums", size,
                 std::vector<net::Address>(static_cast<std::size_t>(size), {.host = "127.0.0.1"}));
  auto collectives = MakeInProcessCollectives(size, kPatience);
  MeasureThreads("threads of one process", size,
                 [&](int rank) { return std::move(collectives[static_cast<std::size_t>(rank)]); });
}

#ifdef DIME_HAVE_MPI
void MeasureMpi(int rank, int size) {
  const auto started = StartMpi({.rank = rank, .num_members = size});
  if (!started.ok()) {
    fmt::print(stderr, "{}\n", base::MessageOf(started.status()));
    std::exit(1);
  }
  OrderedSum sum(**started, kValues, size, /*average=*/true);
  const std::vector<float> values(kValues, 1e-3f);
  std::vector<float> sums(kValues);
  Timing ordered(50);
  Timing any_order(50);
  for (int round = 0; round < kRounds; ++round) {
    ordered.Round([&] { Sum(sum, values); });
    any_order.Round([&] {
      MPI_Allreduce(values.data(), sums.data(), kValues, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    });
  }
  if (rank == 0) {
    const double floor = FloorOf(size);
    Print("MPI, ordered sum", size, ordered.Median(), floor);
    Print("MPI_Allreduce, in any order", size, any_order.Median(), floor);
  }
  DIME_CHECK((*started)->Finish().ok());
}
#endif

int Main(int argc, char** argv) {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr) {
    if (argc != 2 || std::atoi(argv[1]) < 1) return 64;
    MeasureAllThreads(std::atoi(argv[1]));
    return 0;
  }
#ifdef DIME_HAVE_MPI
  MeasureMpi(std::atoi(rank), std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE")));
#else
  fmt::print("dime was built without MPI\n");
#endif
  return 0;
}

}  // namespace
}  // namespace dime::worker

int main(int argc, char** argv) { return dime::worker::Main(argc, argv); }
