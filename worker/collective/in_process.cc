#include "worker/collective/in_process.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/base/check.h"

namespace dime::worker {
namespace {

using Clock = std::chrono::steady_clock;

// What ranks have laid out for each other.
struct Board {
  explicit Board(int size)
      : letters(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)),
        is_gone(static_cast<std::size_t>(size), false) {}

  std::mutex mutex;
  std::condition_variable changed;
  // [from * size + to]: not yet copied by the rank that it is for.
  std::vector<std::optional<std::span<const float>>> letters;
  std::vector<bool> is_gone;
};

class InProcessCollective final : public Collective {
 public:
  InProcessCollective(std::shared_ptr<Board> board, int rank, int size,
                      std::chrono::milliseconds patience)
      : board_(std::move(board)), rank_(rank), size_(size), patience_(patience) {}

  ~InProcessCollective() override { Leave(); }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  absl::Status Exchange(std::span<const std::span<const float>> outgoing,
                        std::span<const std::span<float>> incoming) override {
    DIME_CHECK(std::ssize(outgoing) == size_ && std::ssize(incoming) == size_);
    const absl::Status status = TryToExchange(outgoing, incoming);
    if (!status.ok()) Leave();
    return status;
  }

 private:
  absl::Status TryToExchange(std::span<const std::span<const float>> outgoing,
                             std::span<const std::span<float>> incoming) {
    const Clock::time_point deadline = Clock::now() + patience_;
    std::unique_lock lock(board_->mutex);
    if (board_->is_gone[At(rank_)]) {
      return base::FailedPrecondition("{} has failed before", RankName(rank_));
    }
    std::vector<int> senders;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) continue;
      if (!outgoing[At(r)].empty()) Letter(rank_, r) = outgoing[At(r)];
      if (!incoming[At(r)].empty()) senders.push_back(r);
    }
    board_->changed.notify_all();
    while (true) {
      DIME_RETURN_IF_ERROR(TakeWhatIsThere(&senders, incoming));
      // What was laid out may change only when it was taken.
      const std::vector<int> awaited = Awaited(senders);
      if (awaited.empty()) return absl::OkStatus();
      for (const int r : awaited) {
        if (!board_->is_gone[At(r)]) continue;
        return base::Unavailable("{} waits for {}, which is gone", RankName(rank_), RankName(r));
      }
      if (board_->changed.wait_until(lock, deadline) == std::cv_status::no_timeout) continue;
      return base::DeadlineExceeded("{} has waited {} ms for {}, which does not come",
                                    RankName(rank_), patience_.count(), RankName(awaited.front()));
    }
  }

  absl::Status TakeWhatIsThere(std::vector<int>* senders,
                               std::span<const std::span<float>> incoming) {
    absl::Status status;
    const auto is_taken = [&](int r) {
      if (!Letter(r, rank_).has_value()) return false;
      status.Update(Take(r, incoming[At(r)]));
      return true;
    };
    if (std::erase_if(*senders, is_taken) > 0) board_->changed.notify_all();
    return status;
  }

  // Those that owe values or have not taken theirs.
  std::vector<int> Awaited(std::span<const int> senders) {
    std::vector<int> awaited(senders.begin(), senders.end());
    for (int r = 0; r < size_; ++r) {
      if (Letter(rank_, r).has_value()) awaited.push_back(r);
    }
    return awaited;
  }

  absl::Status Take(int from, std::span<float> to) {
    std::optional<std::span<const float>>& letter = Letter(from, rank_);
    if (letter->size() != to.size()) {
      return base::Internal("{} has sent {} values to {} in place of {}", RankName(from),
                            letter->size(), RankName(rank_), to.size());
    }
    std::ranges::copy(*letter, to.begin());
    letter.reset();
    return absl::OkStatus();
  }

  // What it has laid out is no more to be read.
  void Leave() {
    const std::lock_guard lock(board_->mutex);
    board_->is_gone[At(rank_)] = true;
    for (int r = 0; r < size_; ++r) Letter(rank_, r).reset();
    board_->changed.notify_all();
  }

  static std::size_t At(int rank) { return static_cast<std::size_t>(rank); }
  std::optional<std::span<const float>>& Letter(int from, int to) {
    return board_->letters[At(from * size_ + to)];
  }

  const std::shared_ptr<Board> board_;
  const int rank_;
  const int size_;
  const std::chrono::milliseconds patience_;
};

}  // namespace

std::vector<std::unique_ptr<Collective>> MakeInProcessCollectives(
    int size, std::chrono::milliseconds patience) {
  const auto board = std::make_shared<Board>(size);
  std::vector<std::unique_ptr<Collective>> collectives;
  for (int r = 0; r < size; ++r) {
    collectives.push_back(std::make_unique<InProcessCollective>(board, r, size, patience));
  }
  return collectives;
}

}  // namespace dime::worker
