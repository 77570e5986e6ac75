#include "cli/terminal/status_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "runtime/base/log.h"

namespace dime::cli {

int StderrColumns() {
  constexpr int kUnknown = 80;
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUnknown;
  return size.ws_col;
}

StatusLine::StatusLine(std::FILE* out, std::function<int()> columns)
    : out_(out), columns_(std::move(columns)) {
  base::SetLogHooks(
      [this] {
        const std::lock_guard lock(mutex_);
        Erase();
      },
      [this] {
        const std::lock_guard lock(mutex_);
        Draw();
      });
}

StatusLine::~StatusLine() {
  base::SetLogHooks(nullptr, nullptr);
  Clear();
}

void StatusLine::Show(std::string_view text) {
  const std::lock_guard lock(mutex_);
  text_ = text;
  std::erase_if(text_, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
  Erase();
  Draw();
}

void StatusLine::Clear() {
  const std::lock_guard lock(mutex_);
  text_.clear();
  Erase();
}

void StatusLine::Draw() {
  // The last column stays free: a terminal that has been written full may start a new line.
  const auto room = static_cast<std::size_t>(std::max(columns_() - 1, 0));
  const std::string_view visible = std::string_view(text_).substr(0, room);
  if (visible.empty()) return;
  Write(visible);
  drawn_bytes_ = visible.size();
}

void StatusLine::Erase() {
  if (drawn_bytes_ == 0) return;
  // A window made narrower since has broken the line into several.
  const auto columns = static_cast<std::size_t>(std::max(columns_(), 1));
  const std::size_t rows_above = (drawn_bytes_ - 1) / columns;
  const std::string up = rows_above > 0 ? fmt::format("\033[{}A", rows_above) : "";
  Write(fmt::format("\r{}\033[J", up));
  drawn_bytes_ = 0;
}

void StatusLine::Write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

std::unique_ptr<StatusLine> MakeStatusLine() {
  const char* const kind = std::getenv("TERM");
  const bool can_move_its_cursor =
      kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
  if (::isatty(STDERR_FILENO) != 1 || !can_move_its_cursor) return nullptr;
  return std::make_unique<StatusLine>();
}

}  // namespace dime::cli
