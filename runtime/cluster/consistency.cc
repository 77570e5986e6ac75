#include "runtime/cluster/consistency.h"

#include <charconv>
#include <system_error>
#include <vector>

#include "runtime/base/suggest.h"
#include "runtime/base/text.h"

namespace dime::cluster {
namespace {

constexpr std::int64_t kMaxLead = 1'000'000;
constexpr std::string_view kBoundedPrefix = "bounded:";

}  // namespace

absl::StatusOr<Consistency> ParseConsistency(std::string_view text) {
  if (text == "async") return Consistency{Consistency::Kind::kAsync};
  if (text == "sync") return Consistency{Consistency::Kind::kSync};
  if (text.starts_with(kBoundedPrefix)) {
    const std::string_view digits = text.substr(kBoundedPrefix.size());
    Consistency bounded = {.kind = Consistency::Kind::kBounded};
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), bounded.max_lead);
    const bool is_number = error == std::errc() && end == digits.data() + digits.size();
    if (is_number && bounded.max_lead >= 1 && bounded.max_lead <= kMaxLead) return bounded;
    return base::InvalidArgument("{}: the K of bounded:K is a whole number of steps from 1 to {}",
                                 base::Quoted(text), kMaxLead);
  }
  const std::vector<std::string> known = {"async", "bounded:K", "sync"};
  return base::InvalidArgument("{} is none of {}{}", base::Quoted(text), fmt::join(known, ", "),
                               base::DidYouMean(text, known));
}

std::string FormatConsistency(const Consistency& consistency) {
  switch (consistency.kind) {
    case Consistency::Kind::kAsync:
      return "async";
    case Consistency::Kind::kBounded:
      return fmt::format("{}{}", kBoundedPrefix, consistency.max_lead);
    case Consistency::Kind::kSync:
      return "sync";
  }
  return "";
}

absl::StatusOr<DenseRows> ParseDenseRows(std::string_view text) {
  if (text == "servers") return DenseRows::kServers;
  if (text == "allreduce") return DenseRows::kAllReduce;
  const std::vector<std::string> known = {"servers", "allreduce"};
  return base::InvalidArgument("{} is none of {}{}", base::Quoted(text), fmt::join(known, ", "),
                               base::DidYouMean(text, known));
}

absl::Status CheckDenseRows(DenseRows dense, const Consistency& consistency) {
  if (dense == DenseRows::kServers || consistency.is_sync()) return absl::OkStatus();
  return base::InvalidArgument(
      "allreduce sums the gradients of steps that all replicas take in common: the consistency has "
      "to be sync, not {}",
      FormatConsistency(consistency));
}

absl::Status CheckPullAhead(bool pull_ahead, const Consistency& consistency) {
  if (!pull_ahead || !consistency.is_sync()) return absl::OkStatus();
  return base::InvalidArgument(
      "a step that all replicas take in common has no rows before the one before is whole: rows "
      "are pulled ahead with parameter servers in async or bounded, not in sync");
}

Consistency DefaultConsistency(bool has_servers, DenseRows dense) {
  const bool may_be_async = has_servers && dense == DenseRows::kServers;
  return {.kind = may_be_async ? Consistency::Kind::kAsync : Consistency::Kind::kSync};
}

absl::StatusOr<WirePrecision> ParseWirePrecision(std::string_view text) {
  if (text == "float32") return WirePrecision::kFloat32;
  if (text == "bfloat16") return WirePrecision::kBfloat16;
  if (text == "float16") return WirePrecision::kFloat16;
  const std::vector<std::string> known = {"float32", "bfloat16", "float16"};
  return base::InvalidArgument("{} is none of {}{}", base::Quoted(text), fmt::join(known, ", "),
                               base::DidYouMean(text, known));
}

}  // namespace dime::cluster
