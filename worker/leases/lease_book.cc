#include "worker/leases/lease_book.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/base/check.h"

namespace dime::worker {
namespace {

constexpr std::int64_t kFirstLease = 8;  // Of a replica whose speed is not known.
constexpr std::int64_t kShareOfTheRest = 64;
constexpr double kLongestLease = 1 << 20;  // [batches]

std::int64_t SizeOfLease(double batches_a_second, const std::optional<std::int64_t>& left) {
  std::int64_t size = kFirstLease;
  if (batches_a_second > 0) {
    size = static_cast<std::int64_t>(std::min(batches_a_second, kLongestLease));
  }
  if (left) size = std::min(size, *left / kShareOfTheRest);
  return std::max<std::int64_t>(size, 1);
}

// Keeps `ranges` ascending and apart.
void Add(const BatchRange& range, std::vector<BatchRange>& ranges) {
  const auto after = std::ranges::upper_bound(ranges, range.first, {}, &BatchRange::first);
  const auto at = ranges.insert(after, range);
  const bool joins_next = std::next(at) != ranges.end() && at->end >= std::next(at)->first;
  if (joins_next) {
    at->end = std::max(at->end, std::next(at)->end);
    ranges.erase(std::next(at));
  }
  if (at == ranges.begin() || std::prev(at)->end < at->first) return;
  std::prev(at)->end = std::max(at->end, std::prev(at)->end);
  ranges.erase(at);
}

}  // namespace

std::int64_t SizeOf(const std::vector<BatchRange>& ranges) {
  std::int64_t size = 0;
  for (const BatchRange& range : ranges) size += range.size();
  return size;
}

LeaseBook::LeaseBook(LeaseOptions options)
    : options_(std::move(options)),
      replicas_(static_cast<std::size_t>(options_.num_replicas)),
      done_(options_.done),
      left_(options_.num_batches),
      num_perhaps_pushed_(options_.num_perhaps_pushed) {
  DIME_CHECK(options_.num_replicas > 0 && options_.batch_size > 0);
}

std::optional<BatchRange> LeaseBook::Lease(int replica, double batches_a_second) {
  const std::lock_guard lock(mutex_);
  if (IsExhausted()) return std::nullopt;
  std::optional<std::int64_t> left = left_;
  if (left) *left += SizeOf(given_back_);
  const BatchRange range = Take(SizeOfLease(batches_a_second, left));
  replicas_[static_cast<std::size_t>(replica)].leases.push_back(range);
  return range;
}

// What was given back goes first, so that a stop comes to an end.
BatchRange LeaseBook::Take(std::int64_t size) {
  if (!given_back_.empty()) {
    BatchRange& rest = given_back_.front();
    const BatchRange range = {rest.first, std::min(rest.end, rest.first + size)};
    rest.first = range.end;
    if (rest.size() == 0) given_back_.erase(given_back_.begin());
    return range;
  }
  BatchRange range = {next_, next_ + size};
  for (const BatchRange& done : options_.done) {
    if (done.end <= range.first) continue;
    if (done.first <= range.first) {
      range = {done.end, done.end + size};
    } else {
      range.end = std::min(range.end, done.first);
    }
  }
  if (left_) {
    range.end = std::min(range.end, range.first + *left_);
    *left_ -= range.size();
  }
  next_ = range.end;
  num_due_ += RecordsIn(range);
  const std::int64_t perhaps_pushed = std::min(num_perhaps_pushed_, range.size());
  if (perhaps_pushed > 0) Add({range.first, range.first + perhaps_pushed}, repeated_);
  num_perhaps_pushed_ -= perhaps_pushed;
  return range;
}

absl::Status LeaseBook::Acknowledge(int replica, std::int64_t count) {
  const std::lock_guard lock(mutex_);
  Replica& state = replicas_[static_cast<std::size_t>(replica)];
  std::int64_t news = count - state.num_acknowledged;
  if (news <= 0) return absl::OkStatus();
  const std::int64_t num_leased = SizeOf({state.leases.begin(), state.leases.end()});
  if (news > num_leased) {
    return base::InvalidArgument("replica {} says that {} batches are done; it got {}", replica,
                                 count, state.num_acknowledged + num_leased);
  }
  state.num_acknowledged = count;
  while (news > 0) {
    BatchRange& lease = state.leases.front();
    const BatchRange done = {lease.first, std::min(lease.end, lease.first + news)};
    MarkDone(done);
    news -= done.size();
    lease.first = done.end;
    if (lease.size() == 0) state.leases.pop_front();
  }
  news_.notify_all();
  return absl::OkStatus();
}

void LeaseBook::MarkDone(const BatchRange& range) {
  num_done_ += RecordsIn(range);
  Add(range, done_);
}

void LeaseBook::GiveBack(int replica) {
  const std::lock_guard lock(mutex_);
  for (const BatchRange& lease : replicas_[static_cast<std::size_t>(replica)].leases) {
    Add(lease, repeated_);
    Add(lease, given_back_);
  }
  replicas_[static_cast<std::size_t>(replica)] = {};
  news_.notify_all();
}

void LeaseBook::StopGranting() {
  const std::lock_guard lock(mutex_);
  left_ = 0;
  news_.notify_all();
}

bool LeaseBook::IsExhausted() const { return given_back_.empty() && left_ == 0; }

bool LeaseBook::is_exhausted() const {
  const std::lock_guard lock(mutex_);
  return IsExhausted();
}

bool LeaseBook::is_done() const {
  const std::lock_guard lock(mutex_);
  return IsExhausted() &&
         std::ranges::all_of(replicas_, [](const Replica& r) { return r.leases.empty(); });
}

void LeaseBook::AwaitNews(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  news_.wait_until(lock, deadline);
}

std::vector<BatchRange> LeaseBook::Done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

std::int64_t LeaseBook::num_leased() const {
  const std::lock_guard lock(mutex_);
  std::int64_t size = 0;
  for (const Replica& replica : replicas_) {
    size += SizeOf({replica.leases.begin(), replica.leases.end()});
  }
  return size;
}

RecordUses LeaseBook::Uses() const {
  const std::lock_guard lock(mutex_);
  RecordUses uses{.due = num_due_};
  if (left_.value_or(0) > 0) {
    // As many as there would be without what earlier runs have done in between.
    uses.due += RecordsIn({next_, next_ + *left_});
  }
  uses.never = uses.due - num_done_;
  for (const BatchRange& range : repeated_) uses.repeated += RecordsIn(range);
  uses.repeated = std::min(uses.repeated, num_done_);
  uses.once = num_done_ - uses.repeated;
  return uses;
}

std::int64_t LeaseBook::RecordsIn(const BatchRange& range) const {
  const auto uses_below = [&](std::int64_t batch) {
    const std::int64_t uses = batch * options_.batch_size;
    return options_.num_uses ? std::min(uses, *options_.num_uses) : uses;
  };
  return uses_below(range.end) - uses_below(range.first);
}

}  // namespace dime::worker
