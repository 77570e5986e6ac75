// A parameter server that is sent any sequence of messages answers or refuses each, and stays
// whole: the version only grows, and by one a push.
//
// Input: messages, each a type, a length of two bytes, and so much payload.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "ps/server.h"
#include "runtime/base/check.h"

namespace {

using dime::ps::MessageType;
using dime::ps::Server;
using dime::ps::Sharding;
using dime::ps::Shards;

std::vector<dime::ops::TableSpec> Specs() {
  return {{.name = "dense", .shape = {5}, .num_rows = 1, .dim = 5, .dense = true},
          {.name = "rows",
           .shape = {200, 2},
           .num_rows = 200,
           .dim = 2,
           .optimizer = {.kind = dime::ops::OptimizerKind::kAdagrad}},
          {.name = "unbounded",
           .shape = {0, 1},
           .dim = 1,
           .unbounded = dime::ops::UnboundedRows{
               .admit_after = 2, .evict_after_steps = 3, .max_bytes = 1 << 20}}};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<dime::ops::TableSpec> specs = Specs();
  static const Sharding sharding(specs, 2);
  if (size == 0) return 0;
  const auto mode = static_cast<dime::cluster::Consistency::Kind>(data[0] % 3);
  int num_answers = 0;
  Server server(
      [mode](std::uint64_t seed) {
        return Shards::Create(
            specs, sharding, 0, seed,
            {.consistency = {mode, 1},
             .num_replicas = 2,
             .micro_batches = mode == dime::cluster::Consistency::Kind::kSync ? 2 : 1});
      },
      2, [&](auto, const auto&, auto) { ++num_answers; });
  server.OnConnected(1, {.index = 0});
  server.OnConnected(2, dime::ps::NameOfReplica(1));
  std::vector<std::uint64_t> payload;  // On a border of 8 bytes, as in a server's buffer.
  for (std::size_t at = 1; at + 3 <= size;) {
    const std::uint8_t type = data[at];
    const std::size_t bytes =
        std::min<std::size_t>(data[at + 1] | data[at + 2] << 8, size - at - 3);
    payload.resize((bytes + 7) / 8);
    if (bytes > 0) std::memcpy(payload.data(), data + at + 3, bytes);
    at += 3 + bytes;
    const auto message = static_cast<std::uint8_t>(16 + type % 23);
    // Nothing is written or read at a path that the input makes up.
    if (message == static_cast<std::uint8_t>(MessageType::kSave) ||
        message == static_cast<std::uint8_t>(MessageType::kLoad)) {
      continue;
    }
    (void)server.OnFrame(1 + type / 128, {.type = message},
                         std::as_bytes(std::span(payload)).first(bytes));
  }
  server.OnClosed(1);
  return 0;
}
