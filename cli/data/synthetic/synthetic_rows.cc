#include "cli/data/synthetic/synthetic_rows.h"

#include <charconv>
#include <map>

#include "runtime/base/random.h"
#include "runtime/base/suggest.h"

namespace dime::cli {
namespace {

// What a setting may be, and where its value goes.
struct Setting {
  double least = 0;
  double most = 0;
  double* value = nullptr;
};
using Settings = std::map<std::string, Setting>;

constexpr double kLeastShare = 0.0001;

absl::Status ReadSetting(std::string_view text, const Settings& settings) {
  const std::size_t equals = text.find('=');
  const std::string name(text.substr(0, equals));
  const auto found = settings.find(name);
  if (found == settings.end()) {
    std::vector<std::string> known;
    for (const auto& [known_name, setting] : settings) known.push_back(known_name);
    return base::InvalidArgument("no setting '{}', but {}{}", name, fmt::join(known, ", "),
                                 base::DidYouMean(name, known));
  }
  const Setting& setting = found->second;
  const std::string_view number = equals == text.npos ? "" : text.substr(equals + 1);
  const char* const last = number.data() + number.size();
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), last, value);
  if (end != last || error != std::errc() || !(value >= setting.least && value <= setting.most)) {
    return base::InvalidArgument("{}: '{}' is no number from {} to {}", name, number, setting.least,
                                 setting.most);
  }
  *setting.value = value;
  return absl::OkStatus();
}

// `text`: "zipf=1.2,positives=0.03".
absl::Status ReadSettings(std::string_view text, const Settings& settings) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    DIME_RETURN_IF_ERROR(ReadSetting(text.substr(0, comma), settings));
    text = comma == text.npos ? "" : text.substr(comma + 1);
  }
  return absl::OkStatus();
}

}  // namespace

// The row's number is the counter's other half, which no row reaches.
std::uint64_t KeyOfSeed(std::uint64_t seed) {
  const auto bits = base::Philox(seed, ~std::uint64_t{0}, ~std::uint64_t{0});
  return std::uint64_t{bits[1]} << 32 | bits[0];
}

absl::StatusOr<std::unique_ptr<const SyntheticRows>> MakeSyntheticRows(std::string_view spec) {
  const std::size_t comma = spec.find(',');
  const std::string name(spec.substr(0, comma));
  const std::string_view settings = comma == spec.npos ? "" : spec.substr(comma + 1);
  if (name == "census") {
    CensusSpec census;
    DIME_RETURN_IF_ERROR(
        ReadSettings(settings, {{"positives", {kLeastShare, 1 - kLeastShare, &census.positives}}}));
    return MakeCensusRows(census);
  }
  if (name == "clicks") {
    constexpr double kMostSkewed = 4;
    ClicksSpec clicks;
    DIME_RETURN_IF_ERROR(
        ReadSettings(settings, {{"positives", {kLeastShare, 1 - kLeastShare, &clicks.positives}},
                                {"zipf", {0, kMostSkewed, &clicks.zipf}}}));
    return MakeClickRows(clicks);
  }
  const std::vector<std::string> names = {"census", "clicks"};
  return base::InvalidArgument("'{}' is none of {}{}", name, fmt::join(names, ", "),
                               base::DidYouMean(name, names));
}

}  // namespace dime::cli
