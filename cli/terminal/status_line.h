// cli/terminal/status_line.h - one line at the bottom of a terminal that is written over and over.
//
// Threads: any. While it lives it steps aside for every line of the log; there is one at a time.
#pragma once

#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace dime::cli {

// The width of the terminal at this moment; 80 where there is none to ask.
[[nodiscard]] int StderrColumns();

class StatusLine {
 public:
  // `out` must be a terminal; `columns` is asked before each drawing, as users resize windows.
  explicit StatusLine(std::FILE* out = stderr, std::function<int()> columns = StderrColumns);
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;
  ~StatusLine();  // Clears it.

  // Replaces the line. What does not fit is cut off, control characters are left out.
  void Show(std::string_view text);
  void Clear();

  [[nodiscard]] int columns() const { return columns_(); }

 private:
  void Draw();                        // With mutex_ held.
  void Erase();                       // With mutex_ held.
  void Write(std::string_view text);  // A terminal that has gone away is no reason to stop.

  std::FILE* const out_;
  const std::function<int()> columns_;
  std::mutex mutex_;
  std::string text_;
  std::size_t drawn_bytes_ = 0;  // On the screen; 0: nothing is.
};

// One on stderr; null where that is no terminal.
[[nodiscard]] std::unique_ptr<StatusLine> MakeStatusLine();

}  // namespace dime::cli
