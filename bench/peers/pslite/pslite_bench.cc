// ps-lite at the work of bench/ps_bench.cc: one process as scheduler, one as server, one as worker.
// The server keeps flat arrays and applies Adagrad, as dime's does; ps-lite gives keys, values, and
// their way. The worker prints one line of JSON.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ps/ps.h"

namespace {

constexpr int kDim = 8;
constexpr int kKeys = 400'000;
constexpr int kNumRows = 4 * kKeys;
constexpr int kLargeFloats = (10 << 20) / 4;
// Tables by command: rows by key; one array for key 0.
enum Table { kRows, kNet, kLarge, kSmall };

// The kernels and biases of 66-100-70-48-34-1.
std::vector<int> NetSizes() {
  const int sizes[] = {66, 100, 70, 48, 34, 1};
  std::vector<int> all;
  for (int i = 0; i < 5; ++i) {
    all.push_back(sizes[i] * sizes[i + 1]);
    all.push_back(sizes[i + 1]);
  }
  return all;
}

class Server {
 public:
  Server() : records_(std::size_t{kNumRows} * 2 * kDim, 0.1f) {
    for (const int size : NetSizes()) net_.emplace_back(2 * size, 0.1f);
    large_.emplace_back(2 * kLargeFloats, 0.1f);
    small_.emplace_back(4, 0.1f);
  }

  void operator()(const ps::KVMeta& meta, const ps::KVPairs<float>& data,
                  ps::KVServer<float>* server) {
    ps::KVPairs<float> answer;
    if (meta.cmd == kRows) {
      if (meta.push) PushRows(data);
      if (meta.pull) PullRows(data, &answer);
    } else {
      auto& variables = meta.cmd == kNet ? net_ : meta.cmd == kLarge ? large_ : small_;
      if (meta.push) PushAll(data, &variables);
      if (meta.pull) PullAll(data, variables, &answer);
    }
    server->Response(meta, answer);
  }

 private:
  static void Adagrad(float* values, float* sums, const float* gradients, int count) {
    for (int i = 0; i < count; ++i) {
      sums[i] += gradients[i] * gradients[i];
      values[i] -= 0.05f * gradients[i] / std::sqrt(sums[i]);
    }
  }
  void PushRows(const ps::KVPairs<float>& data) {
    for (std::size_t i = 0; i < data.keys.size(); ++i) {
      float* const record = records_.data() + data.keys[i] * 2 * kDim;
      Adagrad(record, record + kDim, data.vals.data() + i * kDim, kDim);
    }
  }
  void PullRows(const ps::KVPairs<float>& data, ps::KVPairs<float>* answer) {
    answer->keys = data.keys;
    answer->vals.resize(data.keys.size() * kDim);
    for (std::size_t i = 0; i < data.keys.size(); ++i) {
      std::copy_n(records_.data() + data.keys[i] * 2 * kDim, kDim, answer->vals.data() + i * kDim);
    }
  }
  // A variable's values, then its sums.
  void PushAll(const ps::KVPairs<float>& data, std::vector<std::vector<float>>* variables) {
    const float* gradients = data.vals.data();
    for (auto& variable : *variables) {
      const int size = static_cast<int>(variable.size() / 2);
      Adagrad(variable.data(), variable.data() + size, gradients, size);
      gradients += size;
    }
  }
  void PullAll(const ps::KVPairs<float>& data, const std::vector<std::vector<float>>& variables,
               ps::KVPairs<float>* answer) {
    answer->keys = data.keys;
    std::size_t total = 0;
    for (const auto& variable : variables) total += variable.size() / 2;
    answer->vals.resize(total);
    answer->lens.resize(variables.size());
    float* to = answer->vals.data();
    for (std::size_t v = 0; v < variables.size(); ++v) {
      const std::size_t size = variables[v].size() / 2;
      to = std::copy_n(variables[v].data(), size, to);
      answer->lens[v] = static_cast<int>(size);
    }
  }

  std::vector<float> records_;
  std::vector<std::vector<float>> net_, large_, small_;
};

// Median microseconds of a call.
double Time(int rounds, const std::function<void()>& call) {
  std::vector<double> times;
  for (int i = 0; i < rounds + rounds / 10 + 1; ++i) {
    const auto start = std::chrono::steady_clock::now();
    call();
    times.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
  }
  times.erase(times.begin(), times.begin() + rounds / 10 + 1);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

double TimePushPull(ps::KVWorker<float>& worker, Table table, const std::vector<int>& sizes,
                    int rounds) {
  ps::SArray<ps::Key> keys(sizes.size());
  ps::SArray<int> lens(sizes.size());
  int total = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    keys[i] = i;
    lens[i] = sizes[i];
    total += sizes[i];
  }
  ps::SArray<float> values(total, 1e-3f), out(total, 0);
  return Time(rounds, [&] { worker.Wait(worker.ZPushPull(keys, values, &out, &lens, table)); });
}

void RunWorker() {
  ps::KVWorker<float> worker(0, 0);
  const double net = TimePushPull(worker, kNet, NetSizes(), 5000);
  const double small = TimePushPull(worker, kSmall, {2}, 5000);

  std::vector<ps::Key> sorted;
  for (std::int64_t i = 0; i < kKeys; ++i) sorted.push_back(i * 7919 % kNumRows);
  std::sort(sorted.begin(), sorted.end());  // As ps-lite wants them.
  ps::SArray<ps::Key> keys(sorted);
  ps::SArray<float> values(kKeys * kDim, 1e-3f), out(kKeys * kDim, 0);
  const double push = Time(40, [&] { worker.Wait(worker.ZPush(keys, values, {}, kRows)); });
  const double pull = Time(40, [&] { worker.Wait(worker.ZPull(keys, &out, nullptr, kRows)); });

  ps::SArray<ps::Key> one(1, 0);
  ps::SArray<int> lens(1, kLargeFloats);
  ps::SArray<float> large(kLargeFloats, 0);
  const double mib = Time(40, [&] { worker.Wait(worker.ZPull(one, &large, &lens, kLarge)); });
  std::printf(
      "{\"net_us\": %.1f, \"small_us\": %.1f, \"push_us\": %.1f, \"pull_us\": %.1f, \"large_us\": "
      "%.1f}\n",
      net, small, push, pull, mib);
}

}  // namespace

int main() {
  // A request that comes before the handle is set ends ps-lite: hence the barrier, too.
  const bool is_server = std::getenv("DMLC_ROLE") == std::string("server");
  const auto tables = is_server ? std::make_shared<Server>() : nullptr;
  ps::Start(0);
  if (ps::IsServer()) {
    auto* const server = new ps::KVServer<float>(0);
    server->set_request_handle(
        [tables](const auto& meta, const auto& data, auto* to) { (*tables)(meta, data, to); });
    ps::RegisterExitCallback([server] { delete server; });
  }
  if (!ps::IsScheduler()) {
    ps::Postoffice::Get()->Barrier(0, ps::kServerGroup + ps::kWorkerGroup);
  }
  if (ps::IsWorker()) RunWorker();
  ps::Finalize(0, true);
}
