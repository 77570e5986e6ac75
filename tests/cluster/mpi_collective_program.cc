// One rank of an MPI program that tests dime's MPI plug-in; see mpi_collective_test.sh.
// Usage: mpi_collective_program sums | missing | dies | server
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "worker/collective/mpi_collective.h"
#include "worker/collective/ordered_sum.h"

namespace dime::worker {
namespace {

float Value(std::size_t i, int micro_batch) {
  return 1.0f / static_cast<float>(3 + i * 7 + static_cast<std::size_t>(micro_batch) * 13);
}

// Whether the sum of this many micro-batches is that of a plain loop, bit by bit.
absl::Status CheckSums(Collective& collective, std::size_t num_values, int micro_batches) {
  OrderedSum sum(collective, static_cast<std::int64_t>(num_values), micro_batches, false);
  std::vector<float> values(num_values);
  for (int m = collective.rank(); m < micro_batches; m += collective.size()) {
    for (std::size_t i = 0; i < num_values; ++i) values[i] = Value(i, m);
    const std::span<const float> parts[] = {values};
    sum.Add(parts);
  }
  DIME_ASSIGN_OR_RETURN(const std::span<const float> sums, sum.Finish());
  for (std::size_t i = 0; i < num_values; ++i) {
    float expected = Value(i, 0);
    for (int m = 1; m < micro_batches; ++m) expected += Value(i, m);
    if (std::memcmp(&expected, &sums[i], sizeof(float)) == 0) continue;
    return base::Internal("value {} of {} is {} in place of {}", i, num_values, sums[i], expected);
  }
  return absl::OkStatus();
}

absl::Status CheckAllSums(Collective& collective) {
  for (const std::size_t num_values : {0, 1, 2, 100, 18'930, 1'000'000}) {
    for (const int micro_batches : {1, 2, 3, 7}) {
      DIME_RETURN_IF_ERROR(CheckSums(collective, num_values, micro_batches));
    }
  }
  std::vector<float> values(1000, static_cast<float>(collective.rank()) + 7);
  DIME_RETURN_IF_ERROR(Broadcast(collective, values));
  return values.back() == 7 ? absl::OkStatus() : base::Internal("broadcast gave {}", values.back());
}

absl::Status Run(std::string_view what, int rank, int size) {
  const bool has_server = what == "server";  // The last rank.
  const bool is_member = !has_server || rank + 1 < size;
  DIME_ASSIGN_OR_RETURN(
      const std::unique_ptr<Collective> collective,
      StartMpi({.is_member = is_member,
                .rank = is_member ? rank : 0,
                .num_members = has_server ? size - 1 : size,
                .patience = std::chrono::milliseconds(what == "missing" ? 200 : 60'000)}));
  if (rank + 1 == size && what == "missing") pause();
  if (rank + 1 == size && what == "dies") raise(SIGKILL);
  if (is_member) DIME_RETURN_IF_ERROR(CheckAllSums(*collective));
  return collective->Finish();
}

}  // namespace
}  // namespace dime::worker

int main(int argc, char** argv) {
  const char* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const char* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  if (argc != 2 || rank == nullptr || size == nullptr) return 64;
  const absl::Status status = dime::worker::Run(argv[1], std::atoi(rank), std::atoi(size));
  if (status.ok()) return 0;
  fmt::print(stderr, "FAILED: {}\n", dime::base::MessageOf(status));
  return 3;
}
