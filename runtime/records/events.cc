#include "runtime/records/events.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/records/parse_message.h"
#include "runtime/records/proto/event.pb.h"
#include "runtime/records/tfrecord.h"

namespace dime::records {
namespace {

constexpr char kFileVersion[] = "brain.Event:2";

double SecondsSince1970() {
  using std::chrono::system_clock;
  return std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
}

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

// TensorFlow's name for a new event file; with process and number added when that is taken.
std::string UnusedPath(storage::FileSystem& fs, const std::string& directory, double seconds) {
  const std::string path = storage::JoinPath(
      directory,
      fmt::format("events.out.tfevents.{:010}.{}", static_cast<std::int64_t>(seconds), HostName()));
  std::string candidate = path;
  for (int number = 0; fs.Exists(candidate); ++number) {
    candidate = fmt::format("{}.{}.{}", path, getpid(), number);
  }
  return candidate;
}

// TensorFlow's histogram limits: 1e-12 * 1.1^i below 1e20, their negatives, 0 and the largest
// doubles.
std::vector<double> DefaultBucketLimits() {
  std::vector<double> positive;
  for (double limit = 1e-12; limit < 1e20; limit *= 1.1) positive.push_back(limit);
  positive.push_back(std::numeric_limits<double>::max());

  std::vector<double> limits;
  for (auto limit = positive.rbegin(); limit != positive.rend(); ++limit) limits.push_back(-*limit);
  limits.push_back(0);
  limits.insert(limits.end(), positive.begin(), positive.end());
  return limits;
}

// Copies counts over `limits` to the histogram; a run of empty buckets becomes one.
void StoreBuckets(std::span<const double> limits, std::span<const double> counts,
                  Histogram* histogram) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const bool run_goes_on = counts[i] == 0 && i + 1 < limits.size() && counts[i + 1] == 0;
    if (run_goes_on) continue;
    histogram->bucket_limits.push_back(limits[i]);
    histogram->buckets.push_back(counts[i]);
  }
}

Event FromProto(const proto::Event& message) {
  Event event{.wall_time = message.wall_time(),
              .step = message.step(),
              .file_version = message.file_version(),
              .scalars = {},
              .histogram_tags = {}};
  for (const proto::Summary::Value& value : message.summary().value()) {
    if (value.has_simple_value()) event.scalars.push_back({value.tag(), value.simple_value()});
    if (value.has_histo()) event.histogram_tags.push_back(value.tag());
  }
  return event;
}

}  // namespace

Histogram MakeHistogram(std::span<const float> values) {
  static const std::vector<double>& limits = *new std::vector<double>(DefaultBucketLimits());
  std::vector<double> counts(limits.size());
  Histogram histogram;
  histogram.min = std::numeric_limits<double>::max();
  histogram.max = -std::numeric_limits<double>::max();
  for (const float value : values) {
    if (!std::isfinite(value)) continue;
    const double wide = value;
    ++counts[std::upper_bound(limits.begin(), limits.end(), wide) - limits.begin()];
    histogram.min = std::min(histogram.min, wide);
    histogram.max = std::max(histogram.max, wide);
    histogram.num += 1;
    histogram.sum += wide;
    histogram.sum_squares += wide * wide;
  }
  StoreBuckets(limits, counts, &histogram);
  return histogram;
}

class EventWriter::Impl {
 public:
  Impl(std::string path, std::unique_ptr<storage::AppendableFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  absl::Status Write(std::int64_t step, proto::Event* event) {
    event->set_wall_time(SecondsSince1970());
    event->set_step(step);
    std::string record;
    AppendRecord(event->SerializeAsString(), &record);
    return file_->Append(record);
  }

  absl::Status Flush() { return file_->Flush(); }
  absl::Status Close() { return file_->Close(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<storage::AppendableFile> file_;
};

EventWriter::EventWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventWriter::~EventWriter() = default;

absl::StatusOr<std::unique_ptr<EventWriter>> EventWriter::Create(storage::FileSystem& fs,
                                                                 const std::string& directory) {
  DIME_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  std::string path = UnusedPath(fs, directory, SecondsSince1970());
  DIME_ASSIGN_OR_RETURN(auto file, fs.OpenForAppend(path));
  auto impl = std::make_unique<Impl>(std::move(path), std::move(file));

  proto::Event version;
  version.set_file_version(kFileVersion);
  DIME_RETURN_IF_ERROR(impl->Write(0, &version));
  DIME_RETURN_IF_ERROR(impl->Flush());
  return std::unique_ptr<EventWriter>(new EventWriter(std::move(impl)));
}

absl::Status EventWriter::AddScalars(std::int64_t step, std::span<const Scalar> scalars) {
  proto::Event event;
  for (const Scalar& scalar : scalars) {
    proto::Summary::Value& value = *event.mutable_summary()->add_value();
    value.set_tag(scalar.tag);
    value.set_simple_value(scalar.value);
  }
  return impl_->Write(step, &event);
}

absl::Status EventWriter::AddHistogram(std::int64_t step, const std::string& tag,
                                       const Histogram& histogram) {
  if (histogram.bucket_limits.size() != histogram.buckets.size()) {
    return base::InvalidArgument("histogram '{}' has {} bucket limits for {} buckets", tag,
                                 histogram.bucket_limits.size(), histogram.buckets.size());
  }
  proto::Event event;
  proto::Summary::Value& value = *event.mutable_summary()->add_value();
  value.set_tag(tag);
  proto::HistogramProto& message = *value.mutable_histo();
  message.set_min(histogram.min);
  message.set_max(histogram.max);
  message.set_num(histogram.num);
  message.set_sum(histogram.sum);
  message.set_sum_squares(histogram.sum_squares);
  message.mutable_bucket_limit()->Add(histogram.bucket_limits.begin(),
                                      histogram.bucket_limits.end());
  message.mutable_bucket()->Add(histogram.buckets.begin(), histogram.buckets.end());
  return impl_->Write(step, &event);
}

absl::Status EventWriter::AddText(std::int64_t step, const std::string& tag,
                                  const std::string& text) {
  proto::Event event;
  proto::Summary::Value& value = *event.mutable_summary()->add_value();
  value.set_tag(tag);
  value.mutable_tensor()->set_dtype(proto::DT_STRING);
  value.mutable_tensor()->mutable_tensor_shape();  // Present and empty: a scalar.
  value.mutable_tensor()->add_string_val(text);
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  return impl_->Write(step, &event);
}

absl::Status EventWriter::AddSessionStatus(std::int64_t step, SessionStatus status,
                                           const std::string& checkpoint_path) {
  proto::Event event;
  event.mutable_session_log()->set_status(
      static_cast<proto::SessionLog::SessionStatus>(static_cast<int>(status)));
  // A path need not be UTF-8, which the field has to be; nobody reads it back.
  const bool is_ascii =
      std::ranges::all_of(checkpoint_path, [](char c) { return (c & 0x80) == 0; });
  event.mutable_session_log()->set_checkpoint_path(is_ascii ? checkpoint_path
                                                            : absl::CHexEscape(checkpoint_path));
  return impl_->Write(step, &event);
}

absl::Status EventWriter::Flush() { return impl_->Flush(); }
absl::Status EventWriter::Close() { return impl_->Close(); }
const std::string& EventWriter::path() const { return impl_->path(); }

absl::StatusOr<std::vector<Event>> ReadEvents(std::string_view file) {
  DIME_ASSIGN_OR_RETURN(const std::vector<std::string_view> records, SplitRecords(file));
  std::vector<Event> events;
  for (const std::string_view record : records) {
    proto::Event message;
    if (!ParseMessage(record, &message)) {
      return base::DataLoss("record at byte {} is no event", record.data() - file.data());
    }
    events.push_back(FromProto(message));
  }
  return events;
}

}  // namespace dime::records
