#include "ps/server_checkpointer.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "ps/snapshot.h"
#include "ps/wire.h"
#include "runtime/base/log.h"
#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/bundle_part.h"
#include "runtime/storage/file_system.h"

namespace dime::ps {
namespace {

using net::PartOf;
using std::chrono::milliseconds;

constexpr milliseconds kAnswerTime{30'000};
// Longer than a server holds exchanges.
constexpr milliseconds kHoldTime{10'000};
constexpr milliseconds kBusyTime{60'000};
constexpr milliseconds kBetweenTries{10};
// A large bundle from a slow disk.
constexpr milliseconds kLoadTime{3'600'000};

template <typename T>
absl::StatusOr<T> Decode(const std::vector<std::byte>& bytes) {
  PayloadReader reader(bytes);
  DIME_ASSIGN_OR_RETURN(const auto values, reader.Take<T>(1));
  DIME_RETURN_IF_ERROR(reader.ExpectEnd());
  return values.front();
}

// What all servers answered; they must agree.
absl::StatusOr<std::int64_t> CommonVersion(const std::vector<std::vector<std::byte>>& answers) {
  std::optional<std::uint64_t> common;
  for (const std::vector<std::byte>& answer : answers) {
    DIME_ASSIGN_OR_RETURN(const VersionReply reply, Decode<VersionReply>(answer));
    if (common.value_or(reply.version) != reply.version) {
      return base::Aborted("the servers' rows hold {} steps and {}", *common, reply.version);
    }
    common = reply.version;
  }
  return static_cast<std::int64_t>(common.value_or(0));
}

// A replica that is gone may have pushed to some servers and not to others: the one that holds the
// most steps has all that any holds.
absl::StatusOr<std::int64_t> HighestVersion(const std::vector<std::vector<std::byte>>& answers) {
  std::uint64_t highest = 0;
  for (const std::vector<std::byte>& answer : answers) {
    DIME_ASSIGN_OR_RETURN(const VersionReply reply, Decode<VersionReply>(answer));
    highest = std::max(highest, reply.version);
  }
  return static_cast<std::int64_t>(highest);
}

}  // namespace

ServerCheckpointer::ServerCheckpointer(std::vector<std::vector<net::Address>> servers,
                                       ClientOptions options, bool hold_to_cut,
                                       std::vector<Table*> own_tables)
    : servers_(std::move(servers)),
      options_(std::move(options)),
      hold_to_cut_(hold_to_cut),
      own_tables_(std::move(own_tables)) {}

ServerCheckpointer::~ServerCheckpointer() = default;

absl::Status ServerCheckpointer::Connect() {
  if (links_ != nullptr) return absl::OkStatus();
  auto links = std::make_unique<internal::ServerLinks>(options_);
  DIME_RETURN_IF_ERROR(links->Connect(servers_));
  links_ = std::move(links);
  return absl::OkStatus();
}

absl::StatusOr<ServerCheckpointer::Answers> ServerCheckpointer::Ask(MessageType request,
                                                                    std::span<const iovec> payload,
                                                                    MessageType answer,
                                                                    milliseconds time) {
  DIME_RETURN_IF_ERROR(Connect());
  const net::Deadline deadline = links_->BeginWithin(time);
  for (std::size_t s = 0; s < links_->size(); ++s) {
    const absl::Status sent = links_->Send(s, request, payload, deadline);
    if (sent.ok()) continue;
    links_.reset();
    return sent;
  }
  Answers answers(servers_.size());
  absl::Status refused;
  for (std::size_t s = 0; s < answers.size(); ++s) {
    absl::StatusOr<std::vector<std::byte>> received = Receive(s, answer, deadline);
    if (links_ == nullptr) return received.status();
    refused.Update(received.status());  // The other servers' answers are on their way all the same.
    if (received.ok()) answers[s] = *std::move(received);
  }
  if (!refused.ok()) return refused;
  return answers;
}

// Whatever is no refusal ends the connections.
absl::StatusOr<std::vector<std::byte>> ServerCheckpointer::Receive(std::size_t server,
                                                                   MessageType answer,
                                                                   net::Deadline deadline) {
  const auto header = links_->ReceiveHeader(server, answer, deadline);
  absl::Status status = header.status();
  std::vector<std::byte> payload;
  bool is_whole = links_->is_whole();
  if (header.ok()) {
    const auto bytes = links_->channel(server).ReceivePayload(deadline);
    status = bytes.status();
    is_whole = bytes.ok();
    if (is_whole) payload.assign(bytes->begin(), bytes->end());
  }
  if (!is_whole) links_.reset();
  if (!status.ok()) return status;
  return payload;
}

absl::StatusOr<std::int64_t> ServerCheckpointer::Load(const std::string& prefix) {
  const iovec path = PartOf(prefix.data(), prefix.size());
  DIME_ASSIGN_OR_RETURN(const Answers answers,
                        Ask(MessageType::kLoad, {&path, 1}, MessageType::kVersion, kLoadTime));
  if (!own_tables_.empty()) DIME_RETURN_IF_ERROR(LoadOwn(prefix));
  return CommonVersion(answers);
}

absl::Status ServerCheckpointer::LoadOwn(const std::string& prefix) {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const files, storage::FileSystemFor(prefix));
  DIME_ASSIGN_OR_RETURN(const auto bundle, checkpoint::BundleReader::Open(*files, prefix));
  return ReadSnapshot(*bundle, SnapshotParts::kWeightsAndSlots, own_tables_).status();
}

absl::StatusOr<std::int64_t> ServerCheckpointer::Cut() {
  const net::Deadline deadline = net::Clock::now() + kBusyTime;
  while (true) {
    const absl::StatusOr<std::int64_t> step = TryToCut();
    if (step.ok()) {
      step_ = static_cast<std::uint64_t>(*step);
      own_save_.reset();
      if (!own_tables_.empty()) {
        own_save_ = std::make_unique<PartSave>(own_tables_, PartSave::Layout::kShards);
      }
      return step;
    }
    GiveUp();
    // A server may be busy with a checkpoint that was given up.
    if (!absl::IsResourceExhausted(step.status()) || net::Clock::now() >= deadline) {
      return step.status();
    }
    std::this_thread::sleep_for(kBetweenTries);
  }
}

absl::StatusOr<std::int64_t> ServerCheckpointer::TryToCut() {
  std::vector<std::uint64_t> last_pushes;
  if (hold_to_cut_) {
    DIME_ASSIGN_OR_RETURN(last_pushes, Hold());
  }
  const iovec part = PartOf(last_pushes);
  DIME_ASSIGN_OR_RETURN(const Answers answers,
                        Ask(MessageType::kCut, {&part, 1}, MessageType::kVersion, kAnswerTime));
  return hold_to_cut_ ? HighestVersion(answers) : CommonVersion(answers);
}

absl::StatusOr<std::vector<std::uint64_t>> ServerCheckpointer::Hold() {
  DIME_ASSIGN_OR_RETURN(const Answers answers,
                        Ask(MessageType::kHold, {}, MessageType::kHeld, kHoldTime));
  std::vector<std::uint64_t> last_pushes;
  for (const std::vector<std::byte>& answer : answers) {
    PayloadReader reader(answer);
    DIME_RETURN_IF_ERROR(reader.Take<VersionReply>(1).status());
    DIME_ASSIGN_OR_RETURN(
        const auto numbers,
        reader.Take<std::uint64_t>((answer.size() - sizeof(VersionReply)) / sizeof(std::uint64_t)));
    last_pushes.resize(numbers.size());
    for (std::size_t r = 0; r < numbers.size(); ++r) {
      last_pushes[r] = std::max(last_pushes[r], numbers[r]);
    }
  }
  return last_pushes;
}

absl::Status ServerCheckpointer::StartWritingFrom(std::optional<std::int64_t> base_step,
                                                  const std::string& prefix) {
  prefix_ = prefix;
  entries_.assign(servers_.size(), std::nullopt);
  const std::size_t num_parts = servers_.size() + (own_save_ != nullptr ? 1 : 0);
  peak_copy_bytes_ = 0;
  const auto start = [&]() -> absl::Status {
    DIME_RETURN_IF_ERROR(Connect());
    const net::Deadline deadline = links_->BeginWithin(kAnswerTime);
    for (std::size_t s = 0; s < servers_.size(); ++s) {
      const SaveRequest request = {
          .global_step = step_,
          .part = static_cast<std::uint32_t>(s),
          .num_parts = static_cast<std::uint32_t>(num_parts),
          .base_step = base_step ? static_cast<std::uint64_t>(*base_step) : kNoBaseStep};
      const iovec parts[] = {PartOf(&request, sizeof(request)),
                             PartOf(prefix.data(), prefix.size())};
      DIME_RETURN_IF_ERROR(links_->Send(s, MessageType::kSave, parts, deadline));
    }
    absl::Status refused;
    for (std::size_t s = 0; s < servers_.size(); ++s) {
      const auto answer = Receive(s, MessageType::kDone, deadline);
      if (links_ == nullptr) return answer.status();
      refused.Update(answer.status());
    }
    if (own_save_ != nullptr) refused.Update(StartOwn());
    return refused;
  };
  const absl::Status started = start();
  if (!started.ok()) GiveUp();
  return started;
}

absl::Status ServerCheckpointer::StartOwn() {
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const files, storage::FileSystemFor(prefix_));
  const auto part = static_cast<int>(servers_.size());
  DIME_RETURN_IF_ERROR(own_save_->Begin({.files = files,
                                         .prefix = prefix_,
                                         .part = part,
                                         .num_parts = part + 1,
                                         .global_step = static_cast<std::int64_t>(step_)}));
  own_save_->StartThread();
  return absl::OkStatus();
}

absl::StatusOr<bool> ServerCheckpointer::IsWritten() {
  absl::StatusOr<bool> written = LookAtAll();
  if (!written.ok()) GiveUp();
  if (!written.ok() || !*written) return written;
  std::vector<std::string> entries;
  for (std::optional<std::string>& part : entries_) entries.push_back(*std::move(part));
  entries_.clear();
  if (own_save_ != nullptr) entries.push_back(*own_save_->entries());
  own_save_.reset();
  DIME_ASSIGN_OR_RETURN(storage::FileSystem* const files, storage::FileSystemFor(prefix_));
  DIME_RETURN_IF_ERROR(checkpoint::WriteBundleIndex(*files, prefix_, entries));
  return true;
}

absl::StatusOr<bool> ServerCheckpointer::LookAtAll() {
  if (links_ == nullptr || entries_.empty()) {
    return base::Aborted("no checkpoint is being written");
  }
  bool all = true;
  for (std::size_t s = 0; s < servers_.size(); ++s) {
    if (entries_[s].has_value()) continue;
    const net::Deadline deadline = links_->BeginWithin(kAnswerTime);
    DIME_RETURN_IF_ERROR(links_->Send(s, MessageType::kSaveState, {}, deadline));
    DIME_ASSIGN_OR_RETURN(const auto answer, Receive(s, MessageType::kSaved, deadline));
    PayloadReader reader(answer);
    DIME_ASSIGN_OR_RETURN(const auto state, reader.Take<SaveStateReply>(1));
    all = all && state.front().is_written != 0;
    if (state.front().is_written == 0) continue;
    peak_copy_bytes_ = std::max(peak_copy_bytes_, state.front().peak_copy_bytes);
    DIME_ASSIGN_OR_RETURN(const auto bytes,
                          reader.Take<char>(answer.size() - sizeof(SaveStateReply)));
    entries_[s].emplace(bytes.begin(), bytes.end());
  }
  if (own_save_ == nullptr) return all;
  if (!own_save_->is_over()) return false;
  DIME_RETURN_IF_ERROR(own_save_->entries().status());
  return all;
}

std::string ServerCheckpointer::Awaited() const {
  std::vector<std::string> names;
  for (std::size_t s = 0; s < entries_.size(); ++s) {
    if (!entries_[s].has_value()) names.push_back(fmt::format("ps-{}", s));
  }
  if (own_save_ != nullptr && !own_save_->is_over()) names.emplace_back("this process");
  return fmt::format("{}", fmt::join(names, ", "));
}

void ServerCheckpointer::GiveUp() {
  entries_.clear();
  own_save_.reset();
  // Servers drop what they have for a connection that ends.
  if (links_ == nullptr) return;
  const auto answers = Ask(MessageType::kGiveUpSave, {}, MessageType::kDone, kAnswerTime);
  if (!answers.ok()) {
    base::Log(base::Severity::kWarning, "a checkpoint was given up, which not all servers know: {}",
              base::MessageOf(answers.status()));
    links_.reset();
  }
}

}  // namespace dime::ps
