#include "runtime/base/text.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace dime::base {
namespace {

TEST(TrimmedTest, TakesWhiteSpaceFromBothEndsOnly) {
  EXPECT_EQ(Trimmed(" \t a b\r\n\v\f"), "a b");
  EXPECT_EQ(Trimmed(""), "");
  EXPECT_EQ(Trimmed(" \n "), "");
  EXPECT_EQ(Trimmed(std::string_view("\0 ", 2)), std::string_view("\0", 1));
}

// What TensorFlow's DecodeCSV takes and refuses.
TEST(ParseInt32Test, TakesWhatTensorFlowTakes) {
  std::int32_t value = 0;
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, std::int32_t>>{{"5", 5},
                                                         {" 5 ", 5},
                                                         {"\t5", 5},
                                                         {"-5", -5},
                                                         {"007", 7},
                                                         {"-0", 0},
                                                         {"2147483647", 2147483647},
                                                         {"-2147483648", -2147483647 - 1}}) {
    EXPECT_TRUE(ParseInt32(text, &value)) << text;
    EXPECT_EQ(value, expected) << text;
  }
  for (const char* text : {"", " ", "+5", "5.0", "- 5", "0x10", "2147483648", "-2147483649", "5a",
                           "5 6", "1e3", "--5", "99999999999999999999"}) {
    value = 42;
    EXPECT_FALSE(ParseInt32(text, &value)) << text;
    EXPECT_EQ(value, 42) << text;
  }
}

TEST(ParseFloatTest, TakesDecimalsInAnyForm) {
  float value = 0;
  for (const auto& [text, expected] : std::vector<std::pair<std::string, float>>{
           {"5", 5},
           {" -5.25\t", -5.25f},
           {"+.5", 0.5f},
           {"1e3", 1000},
           {"1E-3", 0.001f},
           {"0.1", 0.1f},
           {"1e-50", 0},
           {"1e-45", std::numeric_limits<float>::denorm_min()},
           {"-1e-50", 0},
           {"3.4028235e38", 3.4028235e38f},
           {"inf", INFINITY},
           {"-inf", -INFINITY}}) {
    EXPECT_TRUE(ParseFloat(text, &value)) << text;
    EXPECT_EQ(value, expected) << text;
  }
  EXPECT_TRUE(ParseFloat("nan", &value));
  EXPECT_TRUE(std::isnan(value));
  for (const char* text :
       {"", " ", "+", "+-5", "++5", "1e39", "-1e400", "5a", "0x10", "1,5", "e5"}) {
    value = 42;
    EXPECT_FALSE(ParseFloat(text, &value)) << text;
    EXPECT_EQ(value, 42) << text;
  }
}

TEST(PrintableTest, CutsAndEscapes) {
  EXPECT_EQ(Printable("a\x1b\nb", 10), "a\\x1b\\x0ab");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  EXPECT_EQ(Quoted(""), "''");
}

TEST(FindUnprintableTest, FindsControlBytesAndBrokenUtf8) {
  constexpr auto npos = std::string_view::npos;
  EXPECT_EQ(FindUnprintable(""), npos);
  EXPECT_EQ(FindUnprintable("a\tb\r\nc \xc2\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf"), npos);
  EXPECT_EQ(FindUnprintable("ab\x7f"), 2u);
  for (const char* bad :
       {"a\x80", "a\xc0\xaf", "a\xc1\xbf", "a\xe0\x9f\xbf", "a\xed\xa0\x80", "a\xf0\x8f\xbf\xbf",
        "a\xf4\x90\x80\x80", "a\xf5\x80\x80\x80", "a\xe2\x82", "a\xe2\x82z", "a\xc3"}) {
    EXPECT_EQ(FindUnprintable(bad), 1u);
  }
}

}  // namespace
}  // namespace dime::base
