// What a checkpoint costs those who train meanwhile: a worker exchanges rows with a parameter
// server, one after another, without a checkpoint and while one is written; in turn, in one run.
//
// save_bench DIRECTORY [ROWS [KEYS [ROUNDS [unbounded]]]]: rows of 8 floats with Adagrad's slots,
// 10^7 of them; KEYS of them, anywhere in the table, an exchange. `unbounded`: of a table without a
// bound on its ids; and then what a checkpoint costs that holds what has changed since the one
// before, a hundredth of the rows, beside whole ones.
#include <fmt/format.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/one_server.h"
#include "ops/table.h"
#include "ps/server_checkpointer.h"
#include "runtime/base/check.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/storage/file_system.h"

namespace dime {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Options {
  std::string directory;
  std::int64_t num_rows = 10'000'000;
  std::int64_t num_keys = 400;
  int num_rounds = 3;
  bool is_unbounded = false;
};

std::vector<ops::TableSpec> OneTable(const Options& options) {
  ops::TableSpec spec = {.name = "embedding",
                         .shape = {options.num_rows, 8},
                         .num_rows = options.num_rows,
                         .dim = 8,
                         .optimizer = {.kind = ops::OptimizerKind::kAdagrad}};
  if (options.is_unbounded) {
    spec.num_rows = 0;
    spec.shape = {0, 8};
    constexpr std::int64_t kMostRowBytes = 128;  // Its part of the index included.
    spec.unbounded = {.max_bytes =
                          std::max<std::int64_t>(options.num_rows * kMostRowBytes, 8 << 20)};
  }
  return {spec};
}

class Pair {
 public:
  explicit Pair(const Options& options)
      : options_(options),
        server_(OneTable(options),
                {.kind = net::Address::Kind::kUnix, .host = options.directory + "/ps-0"}),
        checkpointer_(server_.addresses, OneServer::Options(), /*hold_to_cut=*/true) {
    lookups_.tables.resize(1);
    gradients_.tables.resize(1);
    if (options.is_unbounded) MakeRows();
  }

  // Seconds of one push and pull.
  double Exchange() { return ExchangeSome(options_.num_keys); }
  double ExchangeSome(std::int64_t num_keys) {
    auto& ids = lookups_.tables[0].ids;
    ids.clear();
    // One from each of as many parts of the table: distinct, and anywhere.
    const std::int64_t part_rows = options_.num_rows / num_keys;
    for (std::int64_t i = 0; i < num_keys; ++i) {
      ids.push_back(IdOf(i * part_rows + static_cast<std::int64_t>(random_() % part_rows)));
    }
    return Exchange(ids);
  }

  [[nodiscard]] ps::ServerCheckpointer& checkpointer() { return checkpointer_; }

 private:
  // Hashes are anywhere among the numbers.
  [[nodiscard]] std::int64_t IdOf(std::int64_t row) const {
    constexpr std::uint64_t kMask = (std::uint64_t{1} << 62) - 1;
    if (!options_.is_unbounded) return row;
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(row) * 0x51234567891 & kMask);
  }

  // Those of an unbounded table come with their first gradients.
  void MakeRows() {
    constexpr std::int64_t kRowsAtOnce = 100'000;
    auto& ids = lookups_.tables[0].ids;
    for (std::int64_t first = 0; first < options_.num_rows + kRowsAtOnce; first += kRowsAtOnce) {
      ids.clear();
      const std::int64_t end = std::min(first + kRowsAtOnce, options_.num_rows);
      for (std::int64_t row = first; row < end; ++row) ids.push_back(IdOf(row));
      Exchange(ids);  // Pushes the gradients of those before.
    }
  }

  double Exchange(const std::vector<std::int64_t>& ids) {
    const Clock::time_point start = Clock::now();
    ps::Client& client = *server_.client;
    const ps::Client::Push push = {.gradients = &gradients_, .pull = client.PullNumber()};
    const ps::Client::Pull pull = {.lookups = &lookups_};
    DIME_CHECK(client.StartExchange(client.PullNumber() > 0 ? &push : nullptr, &pull).ok());
    DIME_CHECK(client.FinishExchange().ok());
    const double seconds = SecondsSince(start);
    gradients_.tables[0].assign(ids.size() * 8, 0.01f);  // To be pushed next.
    return seconds;
  }

  const Options options_;
  OneServer server_;
  ps::ServerCheckpointer checkpointer_;
  std::mt19937_64 random_{1};
  ops::Lookups lookups_;
  ops::Gradients gradients_;
};

void Report(const std::string& what, std::vector<double> seconds) {
  std::ranges::sort(seconds);
  const auto at = [&](double part) {
    return 1e3 * seconds[static_cast<std::size_t>(part * static_cast<double>(seconds.size() - 1))];
  };
  fmt::print("{:24} {:8} exchanges: median {:.3f} ms, 99 % {:.3f}, 99.9 % {:.3f}, longest {:.3f}\n",
             what, seconds.size(), at(0.5), at(0.99), at(0.999), at(1));
}

void Round(Pair& pair, const Options& options, std::vector<double>* without,
           std::vector<double>* with) {
  const std::string prefix = options.directory + "/model.ckpt-1";
  std::jthread saver;
  for (int i = 0; i < 2000; ++i) without->push_back(pair.Exchange());
  std::atomic<bool> is_over = false;
  double cut_seconds = 0;
  const Clock::time_point start = Clock::now();
  saver = std::jthread([&] {
    ps::ServerCheckpointer& checkpointer = pair.checkpointer();
    DIME_CHECK(checkpointer.Cut().ok());
    cut_seconds = SecondsSince(start);
    DIME_CHECK(checkpointer.StartWriting(prefix).ok());
    DIME_CHECK(checkpointer.AwaitWritten().ok());
    is_over = true;
  });
  while (!is_over) with->push_back(pair.Exchange());
  saver.join();
  fmt::print("cut {:.2f} ms, written after {:.2f} s; copies took {:.1f} MiB at most\n",
             1e3 * cut_seconds, SecondsSince(start),
             static_cast<double>(pair.checkpointer().peak_copy_bytes()) / (1 << 20));
  DIME_CHECK(checkpoint::DeleteBundle(storage::LocalFileSystem(), prefix).ok());
}

struct Saved {
  std::string prefix;
  std::int64_t step = 0;
  double seconds = 0;  // From before the cut to when all is on disk.
  double mib = 0;
};

Saved Save(Pair& pair, const Options& options, std::optional<std::int64_t> base_step) {
  ps::ServerCheckpointer& checkpointer = pair.checkpointer();
  Saved saved;
  const Clock::time_point start = Clock::now();
  saved.step = *checkpointer.Cut();
  saved.prefix = fmt::format("{}/model.ckpt-{}", options.directory, saved.step);
  DIME_CHECK(checkpointer.StartWriting(saved.prefix, base_step).ok());
  DIME_CHECK(checkpointer.AwaitWritten().ok());
  saved.seconds = SecondsSince(start);
  for (const std::string& file : checkpoint::BundleFiles(saved.prefix)) {
    const auto size = static_cast<double>(storage::LocalFileSystem().Stat(file)->size_bytes);
    saved.mib += size / (1 << 20);
  }
  return saved;
}

double MedianOf(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

// A whole checkpoint, and one that builds on it, with a hundredth of the rows changed in between;
// in turn.
void CompareWithChanges(Pair& pair, const Options& options) {
  std::vector<double> whole_seconds;
  std::vector<double> changes_seconds;
  Saved whole;
  Saved changes;
  for (int i = 0; i < options.num_rounds; ++i) {
    whole = Save(pair, options, {});
    pair.ExchangeSome(options.num_rows / 100);
    pair.ExchangeSome(1);  // Pushes what was pulled before.
    changes = Save(pair, options, whole.step);
    whole_seconds.push_back(whole.seconds);
    changes_seconds.push_back(changes.seconds);
    for (const Saved* const saved : {&whole, &changes}) {
      DIME_CHECK(checkpoint::DeleteBundle(storage::LocalFileSystem(), saved->prefix).ok());
    }
  }
  fmt::print(
      "{} rows, of which 1 % change: whole {:.1f} MiB in {:.3f} s, changes {:.1f} MiB in {:.3f} s: "
      "{:.0f}x fewer bytes, {:.1f}x as fast\n",
      options.num_rows, whole.mib, MedianOf(whole_seconds), changes.mib, MedianOf(changes_seconds),
      whole.mib / changes.mib, MedianOf(whole_seconds) / MedianOf(changes_seconds));
}

}  // namespace
}  // namespace dime

int main(int argc, char** argv) {
  dime::Options options;
  std::string directory = argc > 1 ? std::string(argv[1]) + "/dime-bench-XXXXXX"
                                   : std::string("/tmp/dime-bench-XXXXXX");
  DIME_CHECK(mkdtemp(directory.data()) != nullptr);
  options.directory = directory;
  if (argc > 2) options.num_rows = std::stoll(argv[2]);
  if (argc > 3) options.num_keys = std::stoll(argv[3]);
  if (argc > 4) options.num_rounds = std::stoi(argv[4]);
  options.is_unbounded = argc > 5 && std::string(argv[5]) == "unbounded";
  {
    dime::Pair pair(options);
    std::vector<double> without;
    std::vector<double> with;
    for (int i = 0; i < options.num_rounds; ++i) dime::Round(pair, options, &without, &with);
    dime::Report("without a checkpoint", std::move(without));
    dime::Report("while one is written", std::move(with));
    if (options.is_unbounded) dime::CompareWithChanges(pair, options);
  }
  DIME_CHECK(dime::storage::LocalFileSystem().DeleteTree(directory).ok());
}
