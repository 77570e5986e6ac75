#include "worker/failed_saves.h"

#include <string_view>

#include "runtime/base/log.h"

namespace dime::worker {
namespace {

// Of peers that were lost others tell the cause; whatever file systems say is the disk's doing.
absl::StatusCode CodeFor(const absl::Status& saved) {
  return absl::IsUnavailable(saved) || absl::IsDeadlineExceeded(saved) || absl::IsAborted(saved)
             ? saved.code()
             : absl::StatusCode::kResourceExhausted;
}

std::string WhatStays(const std::string& newest) {
  return newest.empty() ? "there is no checkpoint" : "the last one stays, " + newest;
}

std::string WhereItGoesOn(const std::string& newest) {
  return newest.empty() ? std::string("there is no checkpoint to go on from")
                        : fmt::format("the same command goes on from {}", newest);
}

}  // namespace

absl::Status FailedSaves::Bear(const absl::Status& saved, std::int64_t step,
                               const std::string& newest) {
  if (saved.ok() || absl::IsFailedPrecondition(saved)) return saved;
  ++num_in_a_row_;
  if (most_ > 0 && num_in_a_row_ >= most_) {
    return absl::Status(
        CodeFor(saved),
        fmt::format(
            "{} checkpoints in a row could not be written (--max-failed-saves {}), the last "
            "one after step {}: {}",
            num_in_a_row_, most_, step, base::MessageOf(saved)));
  }
  base::Log(base::Severity::kError,
            "no checkpoint after step {}, {} in a row now: {}; {}; training goes on{}", step,
            num_in_a_row_, base::MessageOf(saved), WhatStays(newest),
            most_ > 0 ? fmt::format(", and ends when {} in a row fail", most_) : "");
  return absl::OkStatus();
}

absl::Status FatalSave(const absl::Status& saved, std::int64_t step, const std::string& newest) {
  if (saved.ok() || absl::IsFailedPrecondition(saved)) return saved;
  return absl::Status(CodeFor(saved), fmt::format("no checkpoint after step {}: {}; {}", step,
                                                  base::MessageOf(saved), WhereItGoesOn(newest)));
}

}  // namespace dime::worker
