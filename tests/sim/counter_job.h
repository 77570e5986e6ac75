// tests/sim/counter_job.h - parameter servers and workers that count: integer gradients of 1 on a
// table of cells, learning rate 1, so that one push that is lost or applied twice shows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ps/client.h"
#include "ps/shards.h"
#include "tests/sim/workload.h"
#include "tests/sim/world.h"

namespace dime::sim {

class CounterJob {
 public:
  // How large, and in which mode: a function of the seed. `is_long`: many steps, async.
  CounterJob(World& world, const RunOptions& options, bool is_long = false);

  void StartServers();
  // They begin once Begin() was called.
  void StartWorkers();

  // In the master's fiber.
  void PrepareAndBegin();
  [[nodiscard]] bool HaveWorkersEnded() const;
  // Servers write down what they hold, and end.
  void StopServers() { servers_stop_ = true; }
  [[nodiscard]] std::unique_ptr<ps::Client> Connect(std::uint32_t replica, absl::Status* status);
  [[nodiscard]] ps::ClientOptions OptionsOf(std::uint32_t replica) const;

  // After the run: what was promised and not kept; "": nothing.
  [[nodiscard]] std::string CheckCounts() const;
  [[nodiscard]] std::string CheckWorkers() const;
  [[nodiscard]] std::string Describe() const;

  [[nodiscard]] const std::vector<std::vector<net::Address>>& addresses() const {
    return addresses_;
  }
  [[nodiscard]] bool HasServerCrashed() const;

  // Of each worker so far.
  [[nodiscard]] std::vector<std::int64_t> PushesAcknowledged() const;
  [[nodiscard]] std::vector<std::int64_t> PushesStarted() const;
  // Whether a bundle holds whole pushes, of each worker at least and at most so many; "": it does.
  [[nodiscard]] std::string CheckBundle(const std::string& prefix,
                                        const std::vector<std::int64_t>& least,
                                        const std::vector<std::int64_t>& most) const;

 private:
  struct Worker {
    Process* process = nullptr;
    std::vector<std::int64_t> acknowledged;  // By cell.
    std::vector<std::int64_t> in_doubt;
    std::int64_t num_acknowledged = 0;
    std::int64_t num_started = 0;
    std::vector<std::int64_t> marks;    // By server: the cell that its pushes alone count in.
    std::optional<absl::Status> ended;  // None: it did not say how.
  };
  struct Server {
    Process* process = nullptr;
    ps::Shards* shards = nullptr;
    std::vector<float> values;  // Of its rows, at its end.
    bool has_values = false;
  };
  class FaultyHandler;

  absl::Status Prepare();
  void Serve(int server);
  absl::Status Work(int worker);
  absl::Status DoSteps(int worker, ps::Client& client);
  [[nodiscard]] std::vector<std::int64_t> SomeCells(const Worker& worker) const;
  void PlaceMarks();
  // A bug of the product's, or of its simulation.
  void Expect(bool condition, const std::string& what);

  World& world_;
  const Plant plant_;
  bool is_long_;
  bool is_sync_;
  bool is_one_host_;
  int num_workers_;
  int num_servers_;
  std::int64_t num_steps_;
  std::vector<ops::TableSpec> specs_;
  std::unique_ptr<ps::Sharding> sharding_;
  std::vector<std::vector<net::Address>> addresses_;
  std::vector<Worker> workers_;
  std::vector<Server> servers_;
  bool has_begun_ = false;
  bool servers_stop_ = false;
};

}  // namespace dime::sim
