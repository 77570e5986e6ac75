#include "runtime/net/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace dime::net {
namespace {

TEST(AddressTest, ItsTextIsReadBack) {
  for (const char* const text :
       {"localhost:0", "10.1.2.3:65535", "[::1]:2222", "unix:/tmp/ps-0", "unix:@ps-0"}) {
    const auto address = ParseAddress(text);
    ASSERT_OK(address);
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(AddressTest, WhatIsNoneIsNamed) {
  for (const std::string text :
       {"", "host", ":80", "host:", "host:65536", "host:-1", "host:1x", "::1:80", "a b:80",
        "a/b:80", "unix:", "unix:relative", "unix:@", "[]:80"}) {
    const auto address = ParseAddress(text);
    EXPECT_TRUE(absl::IsInvalidArgument(address.status())) << text;
    EXPECT_THAT(std::string(base::MessageOf(address.status())),
                ::testing::HasSubstr("'" + text + "'"));
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ParseAddress("unix:/" + std::string(200, 'x')).status()));
}

}  // namespace
}  // namespace dime::net
