// runtime/base/either_stop.h - a stop that is asked for when either of two is.
//
// Threads: whoever asks for one of the two. The token may outlive this object, which alone passes
// on what is asked for.
#pragma once

#include <functional>
#include <stop_token>
#include <utility>

namespace dime::base {

class EitherStop {
 public:
  EitherStop(std::stop_token first, std::stop_token second)
      : on_first_(std::move(first), [this] { source_.request_stop(); }),
        on_second_(std::move(second), [this] { source_.request_stop(); }) {}
  EitherStop(const EitherStop&) = delete;
  EitherStop& operator=(const EitherStop&) = delete;

  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_first_;
  std::stop_callback<std::function<void()>> on_second_;
};

}  // namespace dime::base
