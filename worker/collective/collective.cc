#include "worker/collective/collective.h"

#include <fmt/format.h>

#include <vector>

namespace dime::worker {

std::string RankName(int rank) {
  return rank == 0 ? "master-0 (rank 0)" : fmt::format("worker-{} (rank {})", rank - 1, rank);
}

absl::Status Broadcast(Collective& collective, std::span<float> values) {
  const auto size = static_cast<std::size_t>(collective.size());
  std::vector<std::span<const float>> outgoing(size);
  std::vector<std::span<float>> incoming(size);
  if (collective.rank() == 0) {
    outgoing.assign(size, values);
  } else {
    incoming[0] = values;
  }
  return collective.Exchange(outgoing, incoming);
}

}  // namespace dime::worker
