#include "runtime/net/http_page.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "runtime/net/socket.h"
#include "tests/support/status_matchers.h"

namespace dime::net {
namespace {

using ::dime::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::chrono::seconds kLongest{30};

class HttpPageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto page = HttpPage::Open({.host = "127.0.0.1", .port = 0}, {},
                               [this] { return fmt::format("visits {}\n", ++visits_); });
    ASSERT_OK(page.status());
    page_ = *std::move(page);
  }

  Socket Connect() {
    auto socket = Socket::Connect(page_->address(), Clock::now() + kLongest);
    EXPECT_OK(socket.status());
    return *std::move(socket);
  }
  static void Send(Socket& socket, std::string text) {
    const iovec part = {text.data(), text.size()};
    // What does not go at once is of no interest to these tests.
    (void)socket.Send({&part, 1});
  }
  // All that comes until the page hangs up.
  static std::string ReadAll(Socket& socket) {
    std::string text;
    std::string buffer(4096, '\0');
    const iovec part = {buffer.data(), buffer.size()};
    while (socket.AwaitReadable(Clock::now() + kLongest).ok()) {
      const auto size = socket.Receive({&part, 1});
      if (!size.ok()) break;
      text.append(buffer, 0, *size);
    }
    return text;
  }
  std::string Ask(const std::string& request) {
    Socket socket = Connect();
    Send(socket, request);
    return ReadAll(socket);
  }

  std::atomic<int> visits_{0};
  std::unique_ptr<HttpPage> page_;
};

TEST_F(HttpPageTest, IsMadeAnewForEachVisitor) {
  EXPECT_NE(page_->address().port, 0);
  const std::string first = Ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(first, HasSubstr("\r\n\r\nvisits 1\n"));
  EXPECT_THAT(Ask("GET /metrics?a=b HTTP/1.0\r\n\r\n"), HasSubstr("\r\n\r\nvisits 2\n"));
}

TEST_F(HttpPageTest, AHeadRequestHasNoBody) {
  const std::string answer = Ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 9"));
  EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\n"));
}

TEST_F(HttpPageTest, NothingElseIsThere) {
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("GET /metrics/../x HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(visits_, 0);
}

TEST_F(HttpPageTest, WhatIsNoRequestIsAnsweredOrCutOff) {
  EXPECT_THAT(Ask("what?\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\nA: " + std::string(20'000, 'x')),
              StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask("GET /metrics HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpPageTest, SilentVisitorsAreLimitedAndDoNotKeepItFromEnding) {
  std::vector<Socket> silent;
  for (int i = 0; i < 32; ++i) silent.push_back(Connect());
  Socket one_too_many = Connect();
  EXPECT_EQ(ReadAll(one_too_many), "");
  Send(silent.front(), "GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(ReadAll(silent.front()), StartsWith("HTTP/1.1 200 "));
  page_.reset();
  EXPECT_EQ(ReadAll(silent.back()), "");
}

TEST(HttpPageOpenTest, SaysWhatIsWrongWithAnAddress) {
  const auto make = [] { return std::string(); };
  EXPECT_THAT(HttpPage::Open({.host = "no.number", .port = 0}, {}, make).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'no.number'")));
  const auto first = HttpPage::Open({.host = "127.0.0.1", .port = 0}, {}, make);
  ASSERT_OK(first.status());
  EXPECT_THAT(HttpPage::Open((*first)->address(), {}, make).status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot listen on 127.0.0.1:")));
}

}  // namespace
}  // namespace dime::net
