// tests/support/text_file.h - a file whose content is a string.
#pragma once

#include <string>
#include <string_view>

#include "runtime/storage/file_system.h"

namespace dime::testing {

class TextFile : public storage::AtomicFile {
 public:
  explicit TextFile(std::string* text) : text_(*text) {}
  absl::Status Append(std::string_view data) override {
    text_ += data;
    return absl::OkStatus();
  }
  absl::Status Commit() override { return absl::OkStatus(); }

 private:
  std::string& text_;
};

}  // namespace dime::testing
