#include "cli/data/http_download.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "runtime/storage/file_system.h"

namespace dime::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr long kHttpOk = 200;
constexpr long kHttpPartialContent = 206;
constexpr long kHttpRangeNotSatisfiable = 416;
constexpr long kMaxRedirects = 5;
constexpr long kLowestBytesPerSecond = 100;
constexpr int kMaxBrokenConnections = 5;

// One request for the part of `url` that `path` does not have yet.
class Transfer {
 public:
  Transfer(const std::string& url, const std::string& path, const DownloadOptions& options)
      : url_(url), path_(path), options_(options), curl_(curl_easy_init(), curl_easy_cleanup) {}

  absl::Status Run() {
    if (curl_ == nullptr) return base::ResourceExhausted("libcurl could not be started");
    DIME_RETURN_IF_ERROR(FindStart());
    Configure();
    const CURLcode code = curl_easy_perform(curl_.get());
    absl::Status result = Explain(code);
    if (result.ok()) result = OpenFile();  // An empty file has not met Receive().
    // Closed also after a failure: what has arrived is where the next try goes on.
    if (file_ == nullptr) return result;
    absl::Status closed = file_->Close();
    return result.ok() ? closed : result;
  }

  [[nodiscard]] bool connection_broke() const { return connection_broke_; }
  [[nodiscard]] bool range_was_refused() const { return range_was_refused_; }
  [[nodiscard]] std::uint64_t num_received() const { return num_received_; }

 private:
  absl::Status FindStart() {
    const auto info = storage::LocalFileSystem().Stat(path_);
    if (absl::IsNotFound(info.status())) return absl::OkStatus();
    DIME_RETURN_IF_ERROR(info.status());
    size_bytes_ = start_ = info->size_bytes;
    return absl::OkStatus();
  }

  // Only when there is something to write: a server that does not answer leaves no empty file.
  absl::Status OpenFile() {
    if (file_ != nullptr) return absl::OkStatus();
    DIME_ASSIGN_OR_RETURN(file_, storage::LocalFileSystem().OpenForAppend(path_));
    return absl::OkStatus();
  }

  void Configure() {
    CURL* const curl = curl_.get();
    curl_easy_setopt(curl, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "dime");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);  // Else clean-up waits for the name look-up.
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, curl_message_);
    const auto patience_ms = static_cast<long>(options_.patience.count());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, patience_ms);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLowestBytesPerSecond);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, std::max(1L, patience_ms / 1000));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::OnBytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::OnTick);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    if (start_ > 0) {
      curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-", start_).c_str());
    }
  }

  static std::size_t OnBytes(char* bytes, std::size_t, std::size_t size, void* transfer) {
    auto* const self = static_cast<Transfer*>(transfer);
    self->failure_ = self->Receive(std::string_view(bytes, size));
    return self->failure_.ok() ? size : 0;  // 0 makes libcurl give up.
  }

  // Called at least once a second, whatever the connection does.
  static int OnTick(void* transfer, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
    auto* const self = static_cast<Transfer*>(transfer);
    return self->MayGoOn(static_cast<std::uint64_t>(total)) ? 0 : 1;
  }

  absl::Status Receive(std::string_view bytes) {
    if (num_received_ == 0) {
      DIME_RETURN_IF_ERROR(CheckStart());
      DIME_RETURN_IF_ERROR(OpenFile());
    }
    if (size_bytes_ + bytes.size() > options_.max_bytes) {
      return base::OutOfRange("{} is larger than the {} bytes that are expected at most", url_,
                              options_.max_bytes);
    }
    size_bytes_ += bytes.size();
    num_received_ += bytes.size();
    return file_->Append(bytes);
  }

  // The first bytes are here: they belong where the file ends, or they start the file anew.
  absl::Status CheckStart() {
    if (start_ == 0) return absl::OkStatus();
    long http_status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &http_status);
    if (http_status == kHttpPartialContent && ContentRangeStartsAtEnd()) return absl::OkStatus();
    if (http_status == kHttpPartialContent) {
      range_was_refused_ = true;
      return base::Unavailable("{} sent another part of the file than was asked for", url_);
    }
    start_ = size_bytes_ = 0;
    return storage::LocalFileSystem().DeleteFile(path_);
  }

  [[nodiscard]] bool ContentRangeStartsAtEnd() const {
    curl_header* header = nullptr;
    if (curl_easy_header(curl_.get(), "Content-Range", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
      return false;
    }
    return std::string_view(header->value).starts_with(fmt::format("bytes {}-", start_));
  }

  bool MayGoOn(std::uint64_t total) {
    if (options_.stop.stop_requested()) {
      failure_ = base::Cancelled("the download of {} was stopped", url_);
      return false;
    }
    if (num_received_ == 0 && Clock::now() - begin_ > options_.patience) {
      failure_ =
          base::Unavailable("{} did not answer within {} ms", url_, options_.patience.count());
      return false;
    }
    if (options_.on_progress && num_received_ > 0) {
      options_.on_progress(size_bytes_, total == 0 ? 0 : start_ + total);
    }
    return true;
  }

  absl::Status Explain(CURLcode code) {
    if (!failure_.ok()) return failure_;
    long http_status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &http_status);
    if (code == CURLE_OK) {
      // An answer without a body reaches no OnBytes().
      if (http_status == kHttpOk || http_status == kHttpPartialContent) return absl::OkStatus();
      return base::Unavailable("{} answered with HTTP status {}", url_, http_status);
    }
    if (code == CURLE_HTTP_RETURNED_ERROR) {
      range_was_refused_ = http_status == kHttpRangeNotSatisfiable;
      return base::Unavailable("{} answered with HTTP status {}", url_, http_status);
    }
    connection_broke_ =
        code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_OPERATION_TIMEDOUT;
    const std::string_view reason = *curl_message_ ? curl_message_ : curl_easy_strerror(code);
    return base::Unavailable("{}: {}", url_, reason);
  }

  const std::string& url_;
  const std::string& path_;
  const DownloadOptions& options_;
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl_;
  char curl_message_[CURL_ERROR_SIZE] = {};
  std::unique_ptr<storage::AppendableFile> file_;
  const Clock::time_point begin_ = Clock::now();
  std::uint64_t start_ = 0;       // Bytes that were there before.
  std::uint64_t size_bytes_ = 0;  // Bytes that are there now.
  std::uint64_t num_received_ = 0;
  absl::Status failure_;  // Why a callback told libcurl to give up.
  bool connection_broke_ = false;
  bool range_was_refused_ = false;
};

void InitialiseCurlOnce() {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);  // When it failed, curl_easy_init() fails as well.
}

}  // namespace

absl::Status Download(const std::string& url, const std::string& path,
                      const DownloadOptions& options) {
  InitialiseCurlOnce();
  bool refused_before = false;
  for (int num_broken = 0;;) {
    Transfer transfer(url, path, options);
    absl::Status result = transfer.Run();
    if (result.ok()) return result;
    if (transfer.range_was_refused() && !refused_before) {
      refused_before = true;  // What is there is no beginning of that file.
      DIME_RETURN_IF_ERROR(storage::LocalFileSystem().DeleteFile(path));
      continue;
    }
    // A connection that broke is worth another try as long as each brings something.
    const bool go_on = transfer.connection_broke() && transfer.num_received() > 0 &&
                       ++num_broken < kMaxBrokenConnections;
    if (!go_on) return result;
  }
}

}  // namespace dime::cli
