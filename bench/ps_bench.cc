// A worker and a parameter server, each on a thread of its own, over a Unix socket, TCP and TLS:
// the dense variables of the census net pushed and pulled in one message, an exchange of next to
// nothing, and rows of 8 floats by the 100,000.
//
// Floors: bytes through the same kind of socket (BM_Stream), and rows gathered and updated in
// place.
#include <benchmark/benchmark.h>
#include <stdlib.h>

#include <string>
#include <thread>
#include <vector>

#include "bench/one_server.h"
#include "ops/table.h"
#include "runtime/base/check.h"

namespace dime {
namespace {

constexpr std::int64_t kKeys = 400'000;

const ops::OptimizerSpec kAdagrad = {.kind = ops::OptimizerKind::kAdagrad};

ops::TableSpec Dense(const std::string& name, std::int64_t size) {
  return {.name = name,
          .shape = {size},
          .num_rows = 1,
          .dim = size,
          .dense = true,
          .optimizer = kAdagrad};
}

// The kernels and biases of 66-100-70-48-34-1.
std::vector<ops::TableSpec> CensusNet() {
  std::vector<ops::TableSpec> specs;
  const std::int64_t sizes[] = {66, 100, 70, 48, 34, 1};
  for (int i = 0; i < 5; ++i) {
    specs.push_back(Dense("kernel" + std::to_string(i), sizes[i] * sizes[i + 1]));
    specs.push_back(Dense("bias" + std::to_string(i), sizes[i + 1]));
  }
  return specs;
}

std::vector<ops::TableSpec> SparseRows() {
  return {{.name = "embedding",
           .shape = {4 * kKeys, 8},
           .num_rows = 4 * kKeys,
           .dim = 8,
           .optimizer = kAdagrad}};
}

// What state.range(0) may be.
constexpr std::int64_t kUnix = 0;
constexpr std::int64_t kTcp = 1;
constexpr std::int64_t kTls = 2;

net::Address::Kind AddressKindOf(std::int64_t kind) {
  return kind == kUnix ? net::Address::Kind::kUnix : net::Address::Kind::kTcp;
}

// A directory for a socket, which goes with the object.
class SocketDirectory {
 public:
  SocketDirectory() { DIME_CHECK(mkdtemp(path_.data()) != nullptr); }
  ~SocketDirectory() { rmdir(path_.c_str()); }

  [[nodiscard]] net::Address AddressOf(net::Address::Kind kind) const {
    const bool is_unix = kind == net::Address::Kind::kUnix;
    return {.kind = kind, .host = is_unix ? path_ + "/ps-0" : "127.0.0.1", .port = 0};
  }

 private:
  std::string path_ = "/tmp/dime-bench-XXXXXX";
};

class Pair {
 public:
  // `kind`: a kUnix, kTcp or kTls.
  Pair(std::vector<ops::TableSpec> specs, std::int64_t kind)
      : server_(std::move(specs), directory_.AddressOf(AddressKindOf(kind)),
                kind == kTls ? net::TransportSecurity::kTls : net::TransportSecurity::kAuto) {
    const std::vector<ops::TableSpec>& tables = server_.specs;
    lookups_.tables.resize(tables.size());
    gradients_.tables.resize(tables.size());
    for (std::size_t t = 0; t < tables.size(); ++t) {
      std::int64_t num_rows = tables[t].num_rows;
      if (!tables[t].dense) {
        num_rows = kKeys;
        for (std::int64_t i = 0; i < kKeys; ++i) {  // Scattered, and each once.
          lookups_.tables[t].ids.push_back(i * 7919 % tables[t].num_rows);
        }
      }
      gradients_.tables[t].assign(static_cast<std::size_t>(num_rows * tables[t].dim), 1e-3f);
    }
  }

  void Exchange(bool push, bool pull) {
    ps::Client& client = *server_.client;
    const ps::Client::Push pushed = {.gradients = &gradients_, .pull = client.PullNumber()};
    const ps::Client::Pull pulled = {.lookups = &lookups_};
    DIME_CHECK(client.StartExchange(push ? &pushed : nullptr, pull ? &pulled : nullptr).ok());
    DIME_CHECK(client.FinishExchange().ok());
  }

 private:
  const SocketDirectory directory_;
  OneServer server_;
  ops::Lookups lookups_;
  ops::Gradients gradients_;
};

void BM_PushAndPullOfTheCensusNet(benchmark::State& state) {
  Pair pair(CensusNet(), state.range(0));
  pair.Exchange(false, true);
  for (auto _ : state) pair.Exchange(true, true);
}

void BM_RoundTrip(benchmark::State& state) {
  Pair pair({Dense("bias", 2)}, state.range(0));
  pair.Exchange(false, true);
  for (auto _ : state) pair.Exchange(true, true);
}

void BM_SparsePull(benchmark::State& state) {
  Pair pair(SparseRows(), state.range(0));
  for (auto _ : state) pair.Exchange(false, true);
  state.SetItemsProcessed(state.iterations() * kKeys);
}

void BM_SparsePush(benchmark::State& state) {
  Pair pair(SparseRows(), state.range(0));
  pair.Exchange(false, true);
  for (auto _ : state) pair.Exchange(true, false);
  state.SetItemsProcessed(state.iterations() * kKeys);
}

void BM_10MiB(benchmark::State& state) {
  constexpr std::int64_t kFloats = (10 << 20) / 4;
  Pair pair({Dense("kernel", kFloats)}, state.range(0));
  pair.Exchange(false, true);
  for (auto _ : state) pair.Exchange(false, true);
  state.SetBytesProcessed(state.iterations() * kFloats * 4);
}

// The same bytes, with nothing done to them.
void BM_Stream(benchmark::State& state) {
  constexpr std::size_t kBytes = 10 << 20;
  net::Address address{.host = "127.0.0.1"};
  if (state.range(0) == kUnix) {
    address = {.kind = net::Address::Kind::kUnix,
               .host = "/tmp/dime-bench-stream-" + std::to_string(getpid()),
               .port = 0};
  }
  auto listener = *net::Listener::Open(address);
  const auto deadline = net::Clock::now() + std::chrono::seconds(60);
  auto to = *net::Socket::Connect(listener.address(), deadline);
  net::Socket from;
  while (!from.is_open()) from = *listener.Accept();
  std::jthread reader([&](std::stop_token stop) {
    std::vector<std::byte> bytes(kBytes);
    while (!stop.stop_requested()) {
      std::size_t received = 0;
      while (received < kBytes) {
        const iovec part = {bytes.data() + received, kBytes - received};
        const auto count = from.Receive({&part, 1});
        if (!count.ok()) return;
        if (*count == 0 && !from.AwaitReadable(deadline).ok()) return;
        received += *count;
      }
      const iovec answer = {bytes.data(), 1};
      if (!from.Send({&answer, 1}).ok()) return;
    }
  });
  std::vector<std::byte> bytes(kBytes);
  for (auto _ : state) {
    std::size_t sent = 0;
    while (sent < kBytes) {
      const iovec part = {bytes.data() + sent, kBytes - sent};
      const std::size_t count = *to.Send({&part, 1});
      if (count == 0) DIME_CHECK(to.AwaitWritable(deadline).ok());
      sent += count;
    }
    std::byte answer;
    const iovec part = {&answer, 1};
    while (*to.Receive({&part, 1}) == 0) DIME_CHECK(to.AwaitReadable(deadline).ok());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kBytes));
  to = net::Socket();
}

#define DIME_SOCKETS(bm, unit, last) \
  BENCHMARK(bm)->ArgName("socket")->DenseRange(kUnix, last)->Unit(benchmark::unit)->UseRealTime()
DIME_SOCKETS(BM_PushAndPullOfTheCensusNet, kMicrosecond, kTls);
DIME_SOCKETS(BM_RoundTrip, kMicrosecond, kTls);
DIME_SOCKETS(BM_SparsePull, kMillisecond, kTls);
DIME_SOCKETS(BM_SparsePush, kMillisecond, kTls);
DIME_SOCKETS(BM_10MiB, kMillisecond, kTls);
DIME_SOCKETS(BM_Stream, kMillisecond, kTcp);

}  // namespace
}  // namespace dime

BENCHMARK_MAIN();
