// ps/server_checkpointer.h - the master's end of checkpoints that parameter servers write and load,
// all of them at the same time.
//
// It has connections of its own, so that it can be asked while a step's exchange is under way.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ps/checkpointer.h"
#include "ps/internal/server_links.h"
#include "runtime/base/status.h"
#include "runtime/net/address.h"

namespace dime::ps {

class ServerCheckpointer final : public Checkpointer {
 public:
  // servers[s]: where server s listens. `hold_to_cut`: replicas push whenever they like, so that
  // servers must agree on a moment. If not, the caller sees to it that nobody changes rows during
  // Cut(). `own_tables`: rows that are in this process and on no server, one part more.
  ServerCheckpointer(std::vector<std::vector<net::Address>> servers, ClientOptions options,
                     bool hold_to_cut, std::vector<Table*> own_tables = {});
  ~ServerCheckpointer() override;

  absl::StatusOr<std::int64_t> Load(const std::string& prefix) override;
  absl::StatusOr<std::int64_t> Cut() override;
  absl::StatusOr<bool> IsWritten() override;
  void GiveUp() override;

  // What copies of blocks took at most on any server, in the last checkpoint.
  [[nodiscard]] std::uint64_t peak_copy_bytes() const { return peak_copy_bytes_; }

 private:
  // What each server answers to the same request, or what one of them has against it.
  using Answers = std::vector<std::vector<std::byte>>;
  absl::StatusOr<Answers> Ask(MessageType request, std::span<const iovec> payload,
                              MessageType answer, std::chrono::milliseconds time);
  absl::StatusOr<std::vector<std::byte>> Receive(std::size_t server, MessageType answer,
                                                 net::Deadline deadline);
  absl::Status Connect();
  // All servers' pushes that are to be in the cut, by replica.
  absl::StatusOr<std::vector<std::uint64_t>> Hold();
  absl::StatusOr<std::int64_t> TryToCut();
  absl::StatusOr<bool> LookAtAll();
  absl::Status LoadOwn(const std::string& prefix);
  absl::Status StartOwn();
  absl::Status StartWritingFrom(std::optional<std::int64_t> base_step,
                                const std::string& prefix) override;
  [[nodiscard]] std::string Awaited() const override;

  const std::vector<std::vector<net::Address>> servers_;
  const ClientOptions options_;
  const bool hold_to_cut_;
  const std::vector<Table*> own_tables_;
  std::unique_ptr<PartSave> own_save_;            // Null: there are no such rows, or no cut.
  std::unique_ptr<internal::ServerLinks> links_;  // Null: not connected, or no more.
  std::string prefix_;
  std::uint64_t step_ = 0;
  std::uint64_t peak_copy_bytes_ = 0;
  std::vector<std::optional<std::string>> entries_;  // By server: none before it has written.
};

}  // namespace dime::ps
