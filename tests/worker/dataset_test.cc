#include "worker/input/dataset.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "models/record_encoder.h"
#include "runtime/records/example.h"
#include "runtime/records/tfrecord.h"
#include "tests/support/gzip.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_model.h"

namespace dime::worker {
namespace {

using ::dime::testing::Gzip;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DatasetTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, std::string_view text) {
    const std::string path = dir_.File(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  absl::StatusOr<Dataset> Load(const std::vector<std::string>& patterns, int num_threads = 2) {
    base::ThreadPool pool(num_threads);
    return LoadDataset(patterns, description_, models::RecordEncoder(description_), options_, pool);
  }

  static const std::vector<float>& Sizes(const Dataset& dataset) {
    return dataset.examples.in_memory()->floats[0].values;
  }

  testing::TempDir dir_;
  models::ModelDescription description_ = testing::SmallDescription();
  DatasetOptions options_;
};

TEST_F(DatasetTest, KeepsTheOrderOfFilesAndRecords) {
  Write("part-2", "red,3,no\nblue,4,yes\n");
  Write("part-1", "red,1,no\r\nblue,2,yes");  // No line end at the end.
  const std::string last = Write("other", "red,5,no\n\n\nblue,6,yes\n");
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({dir_.File("part-*"), last}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(dataset.examples.in_memory()->labels, ElementsAre(0, 1, 0, 1, 0, 1));
  EXPECT_EQ(dataset.examples.size(), 6);
  EXPECT_EQ(dataset.examples.in_memory()->ids[0].ids[0], ops::HashBucket("red", 1000));
  EXPECT_EQ(dataset.size_bytes, 20u + 20u + 22u);
  EXPECT_EQ(dataset.num_bad_records, 0);
  EXPECT_THAT(dataset.bad_record_messages, IsEmpty());
}

TEST_F(DatasetTest, QuotedFieldsMayHoldLineEnds) {
  options_.max_bad_records = 1;
  const std::string path = Write("a", "\"re\nd\",1,no\n\"a\"\"b\",2,yes\nred,oops,no\nred,4,no\n");
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2, 4));
  EXPECT_EQ(dataset.examples.in_memory()->ids[0].ids[0], ops::HashBucket("re\nd", 1000));
  EXPECT_EQ(dataset.examples.in_memory()->ids[0].ids[1], ops::HashBucket("a\"b", 1000));
  EXPECT_THAT(dataset.bad_record_messages, ElementsAre(HasSubstr("a:4: field 2 ('size')")));
}

TEST_F(DatasetTest, EveryFilesHeaderIsSkipped) {
  description_.input.header_lines = 2;
  const std::string a = Write("a", "color,\"size\nand more\nred,1,no\nred,x,no\n");
  const std::string b = Write("b", "1\n2\nred,2,no\n");
  const std::string header_alone = Write("c", "1\n2");
  const std::string less = Write("d", "1");
  options_.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({a, b, header_alone, less}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2));
  EXPECT_THAT(dataset.bad_record_messages, ElementsAre(HasSubstr("a:4: field 2")));
}

TEST_F(DatasetTest, AHeaderThatNamesTheFieldsInAnotherOrderIsRefused) {
  description_.input.header_lines = 1;
  const char kRow[] = "red,1,no\n";
  EXPECT_THAT(Load({Write("a", std::string("size, \"color\",label\r\n") + kRow)}),
              StatusIs(absl::StatusCode::kOutOfRange,
                       AllOf(HasSubstr("line 1 of '" + dir_.File("a")),
                             HasSubstr("column 1 is 'size' there and 'color' here"))));
  for (const char* const header :
       {"color,size,label\n", "Colour,Size,Label\n", "color,size\n", "\n"}) {
    ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("b", std::string(header) + kRow)}));
    EXPECT_THAT(Sizes(dataset), ElementsAre(1)) << header;
  }
}

TEST_F(DatasetTest, AByteOrderMarkIsNoData) {
  ASSERT_OK_AND_ASSIGN(const Dataset marked,
                       Load({Write("a", "\xef\xbb\xbfred,1,no\nblue,2,yes\n")}));
  ASSERT_OK_AND_ASSIGN(const Dataset plain, Load({Write("b", "red,1,no\nblue,2,yes\n")}));
  EXPECT_EQ(marked.examples.size(), 2);
  EXPECT_EQ(marked.examples.in_memory()->ids.front().ids,
            plain.examples.in_memory()->ids.front().ids);
}

TEST_F(DatasetTest, BadRecordsEndTheReadingUnlessTolerated) {
  const std::string path = Write("a", "red,1,no\nred,x,no\nred,2\nred,3,no\n");
  EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kOutOfRange,
                                     AllOf(HasSubstr("2 bad records"), HasSubstr("0 tolerated"),
                                           HasSubstr("--max-bad-records"),
                                           HasSubstr(path + ":2: field 2 ('size'): "))));
  options_.max_bad_records = 1;
  EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("1 tolerated")));
  options_.max_bad_records = 2;
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 3));
  EXPECT_EQ(dataset.num_bad_records, 2);
  EXPECT_THAT(dataset.bad_record_messages,
              ElementsAre(HasSubstr(path + ":2: "), HasSubstr(path + ":3: ")));
}

TEST_F(DatasetTest, OnlyTheFirstBadRecordsAreDescribed) {
  std::string text = "red,1,no\n";
  for (int i = 0; i < 100; ++i) text += "red,x,no\n";
  options_.max_bad_records = 100;
  options_.window_bytes = 64;
  options_.max_record_bytes = 20;
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("a", text)}));
  EXPECT_EQ(dataset.num_bad_records, 100);
  ASSERT_THAT(dataset.bad_record_messages, SizeIs(10));
  EXPECT_THAT(dataset.bad_record_messages.back(), HasSubstr("a:11: "));
}

TEST_F(DatasetTest, WhatIsQuotedFromARecordFitsATerminal) {
  const std::string text = "a\x1b[31m\xff" + std::string(1, '\0') + std::string(500, 'z') + "\n";
  const auto result = Load({Write("a", text)});
  ASSERT_THAT(result,
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("a\\x1b[31m\\xff\\x00zzz")));
  const std::string message(base::MessageOf(result.status()));
  EXPECT_THAT(message, EndsWith("zzz...'"));
  EXPECT_LT(message.size(), 300u + dir_.path().size());
}

TEST_F(DatasetTest, ALineTooLongIsOneBadRecord) {
  options_.max_record_bytes = 100;
  options_.window_bytes = 256;
  options_.max_bad_records = 2;
  const std::string path = Write("a", "red,1,no\n" + std::string(5000, 'x') + "\nred,2,no\n" +
                                          std::string(90, 'x') + "\nred,4,no\n");
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2, 4));
  EXPECT_THAT(dataset.bad_record_messages,
              ElementsAre(AllOf(HasSubstr(path + ":2: "), HasSubstr("100 bytes")),
                          HasSubstr(path + ":4: ")));
}

TEST_F(DatasetTest, AFileOfOneEndlessLineIsAnError) {
  options_.max_record_bytes = 100;
  options_.window_bytes = 256;
  const std::string path = Write("a", std::string(100'000, 'x'));
  EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(path + ":1: ")));
  options_.max_bad_records = 5;
  EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kOutOfRange,
                                     AllOf(HasSubstr("no records"), HasSubstr(path))));
}

// Records of all sorts: good, bad, long, quoted, with line ends inside, with quotes left open.
std::string RandomText(std::mt19937& random, bool with_quotes) {
  static const std::vector<std::string> kPlain = {"red,1,no\n",
                                                  "blue,2.5,yes\r\n",
                                                  "\n",
                                                  "green,x,no\n",
                                                  "too,few\n",
                                                  "a,3,maybe\n",
                                                  "red,4,no\n",
                                                  "red,5,yes\n",
                                                  std::string(35, 'y') + ",6,no\n",
                                                  std::string(60, 'y') + ",7,no\n",
                                                  std::string(400, 'y') + "\n"};
  static const std::vector<std::string> kQuoted = {
      "\"re\nd\",8,no\n",
      "\"a\r\nb\"\"c\",9,\"yes\"\r\n",
      "a\"b,10,no\n",
      "\"open,11,no\n",
      fmt::format("\"{}\",12,no\n", std::string(60, '\n')),
      "\"closed\"x,13,no\n",
      fmt::format("\"{}\",14,no\n", std::string(300, 'q')),
      "red,15,\"no\"\r"};
  std::string text;
  for (int i = 0; i < 60; ++i) {
    const bool quoted = with_quotes && random() % 4 == 0;
    const auto& choices = quoted ? kQuoted : kPlain;
    text += choices[random() % choices.size()];
  }
  return text + "red,16,no";
}

struct Summary {
  std::vector<float> sizes;
  std::vector<float> labels;
  std::vector<std::int64_t> ids;
  std::int64_t num_bad_records = 0;
  std::vector<std::string> bad_lines;

  friend bool operator==(const Summary&, const Summary&) = default;
};

Summary Summarize(const Dataset& dataset) {
  Summary summary{.sizes = dataset.examples.in_memory()->floats[0].values,
                  .labels = dataset.examples.in_memory()->labels,
                  .ids = dataset.examples.in_memory()->ids[0].ids,
                  .num_bad_records = dataset.num_bad_records,
                  .bad_lines = {}};
  for (const std::string& message : dataset.bad_record_messages) {
    summary.bad_lines.push_back(message.substr(0, message.find(": ")));
  }
  return summary;
}

TEST_F(DatasetTest, NeitherThreadsNorWindowsChangeTheResult) {
  options_.max_bad_records = 1000;
  options_.max_record_bytes = 50;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const std::string path = Write("a", RandomText(random, /*with_quotes=*/seed % 2 == 0));
    options_.window_bytes = std::size_t{1} << 20;
    ASSERT_OK_AND_ASSIGN(const Dataset whole, Load({path}, 1));
    for (const std::size_t window_bytes : {104, 105, 111, 150, 600, 2000}) {
      options_.window_bytes = window_bytes;
      ASSERT_OK_AND_ASSIGN(const Dataset pieces, Load({path}, 1 + static_cast<int>(seed) % 3));
      ASSERT_TRUE(Summarize(pieces) == Summarize(whole))
          << "seed " << seed << ", window " << window_bytes;
    }
  }
}

TEST_F(DatasetTest, ManyPiecesGiveWhatOneThreadGives) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) {
    text += i % 1000 == 999 ? "red,bad,no\n" : fmt::format("c{},1.5,yes\n", i);
  }
  options_.max_bad_records = 200;
  const std::string path = Write("a", text);
  ASSERT_OK_AND_ASSIGN(const Dataset one, Load({path}, 1));
  ASSERT_OK_AND_ASSIGN(const Dataset four, Load({path}, 4));
  EXPECT_EQ(one.examples.size(), 199'800);
  EXPECT_EQ(one.num_bad_records, 200);
  EXPECT_TRUE(Summarize(one) == Summarize(four));
}

TEST_F(DatasetTest, FilesThatCannotBeReadAreNamed) {
  const std::string missing = dir_.File("missing.csv");
  EXPECT_THAT(Load({missing}), StatusIs(absl::StatusCode::kNotFound, HasSubstr(missing)));
  EXPECT_THAT(Load({dir_.path()}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(dir_.path())));
  const std::string pipe = dir_.File("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(Load({pipe}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(pipe)));
}

TEST_F(DatasetTest, AGlobWithoutMatchesIsAnError) {
  const std::string good = Write("a", "red,1,no\n");
  const std::string glob = dir_.File("*.csv");
  EXPECT_THAT(Load({good, glob}), StatusIs(absl::StatusCode::kNotFound, HasSubstr(glob)));
}

TEST_F(DatasetTest, NoRecordsAreAnError) {
  const std::string empty = Write("empty.csv", "");
  EXPECT_THAT(Load({empty}), StatusIs(absl::StatusCode::kOutOfRange,
                                      AllOf(HasSubstr("no records"), HasSubstr(empty))));
  const std::string blank = Write("blank.csv", "\n\r\n\n");
  EXPECT_THAT(Load({blank}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(blank)));
  EXPECT_THAT(Load({}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("no records")));
  // An empty part among others is none.
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({empty, Write("b", "red,1,no\n")}));
  EXPECT_EQ(dataset.examples.size(), 1);
}

// --- Compressed files

TEST_F(DatasetTest, ACompressedFileGivesWhatItHolds) {
  std::mt19937 random(1);
  options_.max_bad_records = 1000;
  options_.max_record_bytes = 50;
  for (const bool with_quotes : {false, true}) {
    const std::string text = RandomText(random, with_quotes);
    ASSERT_OK_AND_ASSIGN(const Dataset plain, Load({Write("a.csv", text)}));
    const std::string halves = Gzip(text.substr(0, 333)) + Gzip(text.substr(333));
    const std::string path = Write("a.csv", halves);  // The name says nothing.
    for (const std::size_t window_bytes : {104, 111, 600, 1 << 20}) {
      options_.window_bytes = window_bytes;
      ASSERT_OK_AND_ASSIGN(const Dataset compressed, Load({path}));
      EXPECT_TRUE(Summarize(compressed) == Summarize(plain)) << window_bytes;
      EXPECT_EQ(compressed.size_bytes, halves.size());
    }
  }
}

TEST_F(DatasetTest, ACompressedFileMayHaveHeadersAndAByteOrderMark) {
  description_.input.header_lines = 1;
  const std::string path = Write("a", Gzip("\xef\xbb\xbf"
                                           "color,size,label\nred,1,no\nblue,2,yes"));
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2));
}

TEST_F(DatasetTest, ADamagedCompressedFileIsNamedWithItsOffset) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += fmt::format("c{},{},no\n", i * 7919 % 1000, i);
  const std::string file = Gzip(text);
  const std::string path = Write("a.gz", file.substr(0, file.size() / 2));
  EXPECT_THAT(Load({path}),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr(path), HasSubstr(fmt::format("byte {}", file.size() / 2)))));
}

// --- tf.Examples

using Feature = records::ExampleFeature;
Feature Bytes(const std::string& text) { return std::vector<std::string>{text}; }
Feature Float(float value) { return std::vector<float>{value}; }
Feature Integer(std::int64_t value) { return std::vector<std::int64_t>{value}; }

std::string Framed(const std::vector<records::Example>& examples) {
  std::string file;
  for (const records::Example& example : examples) {
    records::AppendRecord(records::SerializeExample(example), &file);
  }
  return file;
}

records::Example Red(Feature size, const std::string& label = "no") {
  return {{"color", Bytes("red")}, {"size", std::move(size)}, {"label", Bytes(label)}};
}

TEST_F(DatasetTest, ExamplesGiveWhatCsvGives) {
  ASSERT_OK_AND_ASSIGN(const Dataset csv, Load({Write("csv", "red,1.5,no\nblue,2,yes\n,0,no\n")}));
  const std::string records = Framed(
      {Red(Float(1.5f)),
       {{"color", Bytes("blue")}, {"size", Integer(2)}, {"label", Bytes("yes")}, {"x", Float(1)}},
       {{"label", Bytes("no")}}});
  for (const std::string& file : {records, Gzip(records)}) {
    ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("records", file)}));
    EXPECT_TRUE(Summarize(dataset) == Summarize(csv));
  }
}

TEST_F(DatasetTest, FilesOfAllFormatsMayBeMixed) {
  const std::string records = Framed({Red(Float(3)), Red(Float(4))});
  ASSERT_OK_AND_ASSIGN(const Dataset dataset,
                       Load({Write("a", "red,1,no\n"), Write("b", Gzip("red,2,no\n")),
                             Write("c", records), Write("d", Gzip(records))}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2, 3, 4, 3, 4));
}

TEST_F(DatasetTest, AMissingFeatureIsTheFieldsDefault) {
  description_.input.fields[0].default_value = "blue";
  description_.input.fields[1].default_value = "2.5";
  ASSERT_OK_AND_ASSIGN(const Dataset dataset,
                       Load({Write("a", Framed({{{"label", Bytes("no")}}, Red(Float(1))}))}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(2.5, 1));
  EXPECT_EQ(dataset.examples.in_memory()->ids[0].ids[0], ops::HashBucket("blue", 1000));
}

TEST_F(DatasetTest, ABadExampleIsNamedWithNumberOffsetFeatureAndReason) {
  description_.input.fields[1].type = models::FieldType::kInteger;
  const Feature two = std::vector<std::int64_t>{1, 2};
  const std::vector<std::pair<records::Example, std::string>> bad = {
      {Red(two), "feature 'size': has 2 values; one is expected"},
      {Red(Float(1.5f)), "feature 'size': 1.5 is not an integer of 32 bits"},
      {Red(Integer(std::int64_t{1} << 31)), "feature 'size': 2147483648 is not an integer"},
      {Red(std::vector<float>{}), "feature 'size': has 0 values"},
      {Red(Bytes("x")), "feature 'size': is the string 'x'; a number is expected"},
      {{{"color", Integer(5)}, {"label", Bytes("no")}},
       "feature 'color': is the number 5; a string is expected"},
      {Red(Integer(1), "maybe"), "feature 'label': 'maybe' is no label"},
      {{{"size", Integer(1)}}, "feature 'label': '' is no label"},
  };
  for (const auto& [example, reason] : bad) {
    const std::string good = Framed({Red(Integer(7))});
    const std::string path = Write("a", good + Framed({example}) + good);
    const std::string where = fmt::format("{}: record 2 at byte {}: ", path, good.size());
    options_.max_bad_records = 0;
    EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kOutOfRange,
                                       AllOf(HasSubstr(where), HasSubstr(reason))));
    options_.max_bad_records = 1;
    ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
    EXPECT_THAT(Sizes(dataset), ElementsAre(7, 7));
    EXPECT_EQ(dataset.num_bad_records, 1);
  }
}

TEST_F(DatasetTest, RecordsThatAreNoExamplesAreBad) {
  std::string file = Framed({Red(Float(1))});
  records::AppendRecord("\xff\xff no message", &file);
  file += Framed({Red(Float(2))});
  options_.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("a", file)}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2));
  EXPECT_THAT(dataset.bad_record_messages, ElementsAre(HasSubstr("are not a tf.Example")));
}

TEST_F(DatasetTest, ADamagedFrameEndsTheReadingWithItsOffset) {
  const std::string good = Framed({Red(Float(1))});
  options_.max_bad_records = 100;
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{20}, good.size() - 1}) {
    std::string file = good + good + good;
    file[good.size() + at] = static_cast<char>(file[good.size() + at] ^ 1);
    const std::string path = Write("a", file);
    EXPECT_THAT(Load({path}),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path), HasSubstr("damaged"),
                               HasSubstr(fmt::format("record at byte {}: ", good.size())))))
        << at;
  }
}

TEST_F(DatasetTest, ARecordThatIsCutOffIsNamedWithItsOffset) {
  const std::string good = Framed({Red(Float(1))});
  for (std::size_t size = good.size() + 1; size < 2 * good.size(); ++size) {
    const std::string path = Write("a", (good + good).substr(0, size));
    EXPECT_THAT(Load({path}),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path), HasSubstr("cut off"),
                               HasSubstr(fmt::format("record at byte {}: ", good.size())))))
        << size;
  }
}

TEST_F(DatasetTest, ARecordTooLongIsOneBadRecord) {
  options_.max_record_bytes = 100;
  options_.window_bytes = 256;
  options_.max_bad_records = 1;
  const std::string long_one = Framed({Red(Bytes(std::string(5000, 'x')))});
  const std::string good = Framed({Red(Float(1))});
  const std::string path = Write("a", good + long_one + good);
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 1));
  EXPECT_THAT(dataset.bad_record_messages,
              ElementsAre(AllOf(HasSubstr("record 2 at byte"), HasSubstr("more than the 100"))));
  const std::string cut = Write("b", good + long_one.substr(0, 3000));
  EXPECT_THAT(Load({cut}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("within a record")));
}

TEST_F(DatasetTest, NeitherThreadsNorWindowsChangeWhatExamplesGive) {
  std::mt19937 random(3);
  std::vector<records::Example> examples;
  for (int i = 0; i < 300; ++i) {
    const Feature size = random() % 10 == 0 ? Bytes("bad") : Float(static_cast<float>(i));
    examples.push_back(Red(size, random() % 2 == 0 ? "no" : "yes"));
  }
  const std::string path = Write("a", Framed(examples));
  options_.max_bad_records = 300;
  options_.max_record_bytes = 100;
  ASSERT_OK_AND_ASSIGN(const Dataset whole, Load({path}, 1));
  EXPECT_GT(whole.num_bad_records, 0);
  for (const std::size_t window_bytes : {116, 150, 1000, 10'000}) {
    options_.window_bytes = window_bytes;
    ASSERT_OK_AND_ASSIGN(const Dataset pieces, Load({path}, 3));
    EXPECT_TRUE(Summarize(pieces) == Summarize(whole)) << window_bytes;
    EXPECT_EQ(pieces.bad_record_messages, whole.bad_record_messages);
  }
}

// --- Dialects

TEST_F(DatasetTest, WithoutQuotingEveryLineIsARecord) {
  description_.input.quoting = models::Quoting::kNone;
  description_.input.separator = '\t';
  const std::string path = Write("a", "\"red\t1\tno\nb\"lue\t2\tyes\n\"\t3\tno");
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({path}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(1, 2, 3));
  EXPECT_EQ(dataset.examples.in_memory()->ids[0].ids[0], ops::HashBucket("\"red", 1000));
}

TEST_F(DatasetTest, AStrayQuoteHintsAtFilesThatDoNotQuote) {
  EXPECT_THAT(Load({Write("a", "r\"ed,1,no\n")}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr("`quoting: none`")));
}

TEST_F(DatasetTest, MissingValuesAreEmptyFields) {
  description_.input.missing_values = {"NA", "\\N"};
  description_.input.fields[1].default_value = "7";
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("a", "\\N,NA,no\n,\"\\N\",no\n")}));
  EXPECT_THAT(Sizes(dataset), ElementsAre(7, 7));
  EXPECT_THAT(dataset.examples.in_memory()->ids[0].ids, ElementsAre(-1, -1));
}

// Blocks of rows have ways of their own.
TEST_F(DatasetTest, ManyRowsHaveMissingValuesAndQuotesAsOneHas) {
  description_.input.quoting = models::Quoting::kNone;
  description_.input.separator = '\t';
  description_.input.missing_values = {"NA", "999", "\\N"};
  description_.input.fields[1].default_value = "7.5";
  const char* const kColors[] = {"red", "NA", "\"red\"", "", "999", "b\"lue", "green"};
  const char* const kSizes[] = {"1", "999", "NA", "1999", "\\N", ""};
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += fmt::format("{}\t{}\tno\n", kColors[i % 7], kSizes[i % 6]);
  }
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("a", text)}));
  const models::Batch& examples = *dataset.examples.in_memory();
  ASSERT_EQ(examples.num_examples, 5000);
  for (std::size_t i = 0; i < 5000; ++i) {
    const std::string color = kColors[i % 7];
    const bool has_color = i % 7 != 1 && i % 7 != 3 && i % 7 != 4;
    EXPECT_EQ(examples.ids[0].ids[i], has_color ? ops::HashBucket(color, 1000) : -1) << i;
    const float size = i % 6 == 0 ? 1.0f : i % 6 == 3 ? 1999.0f : 7.5f;
    EXPECT_EQ(examples.floats[0].values[i], size) << i;
  }
}

TEST_F(DatasetTest, AMissingValueOfAListIsTheWholeField) {
  description_.input.fields[0].num_values = 0;
  description_.input.missing_values = {"NA"};
  ASSERT_OK_AND_ASSIGN(const Dataset dataset, Load({Write("a", "NA,1,no\nred|NA,2,no\n,3,yes\n")}));
  const models::IdColumn& colors = dataset.examples.in_memory()->ids[0];
  EXPECT_THAT(colors.offsets, ElementsAre(0, 0, 2, 2));
  EXPECT_EQ(colors.ids[1], ops::HashBucket("NA", 1000));
}

TEST_F(DatasetTest, TheFormatMayBeSaid) {
  const std::string csv = Write("csv", "red,1,no\n");
  const std::string records = Write("records", Framed({Red(Float(1))}));
  description_.input.file_format = models::FileFormat::kTfRecord;
  EXPECT_OK(Load({records}));
  EXPECT_THAT(Load({csv}), StatusIs(absl::StatusCode::kDataLoss,
                                    AllOf(HasSubstr(csv), HasSubstr("no TFRecord file"))));
  description_.input.file_format = models::FileFormat::kCsv;
  EXPECT_OK(Load({csv}));
  EXPECT_THAT(Load({records}),
              StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(records + ":1: ")));
}

TEST_F(DatasetTest, AStoppedReadingIsCancelled) {
  std::stop_source source;
  options_.stop = source.get_token();
  const std::string path = Write("a", "red,1,no\n");
  EXPECT_OK(Load({path}));
  source.request_stop();
  EXPECT_THAT(Load({path}), StatusIs(absl::StatusCode::kCancelled, HasSubstr(path)));
}

}  // namespace
}  // namespace dime::worker
