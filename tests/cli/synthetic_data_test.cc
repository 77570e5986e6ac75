#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "cli/data/synthetic/portable_math.h"
#include "cli/data/synthetic/sampler.h"
#include "cli/data/synthetic/synthetic_rows.h"
#include "cli/data/synthetic/write_rows.h"
#include "runtime/base/random.h"
#include "runtime/base/sha256.h"
#include "runtime/base/thread_pool.h"
#include "runtime/records/csv.h"
#include "runtime/records/example.h"
#include "runtime/records/tfrecord.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/support/text_file.h"
#include "worker/input/dataset.h"

namespace dime::cli {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::dime::testing::TextFile;
using ::testing::AllOf;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Written {
  std::vector<std::string> files;
  WriteRowsResult result;
};

Written Write(const SyntheticRows& rows, const WriteRowsOptions& options,
              std::size_t num_files = 1) {
  Written written;
  written.files.resize(num_files);
  std::vector<std::unique_ptr<storage::AtomicFile>> files;
  for (std::string& text : written.files) files.push_back(std::make_unique<TextFile>(&text));
  absl::StatusOr<WriteRowsResult> result = WriteRows(rows, options, files);
  EXPECT_OK(result);
  if (result.ok()) written.result = *result;
  return written;
}

std::string Gunzip(const std::string& bytes) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, kGzipOnly), Z_OK);
  std::string text(200 * bytes.size() + 1024, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END) << "also checks length and CRC";
  EXPECT_EQ(stream.avail_in, 0u);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

// The columns of rows, by name.
using Table = std::map<std::string, std::vector<std::string>>;
Table ReadTable(const SyntheticRows& rows, std::string_view text) {
  Table table;
  records::CsvReader reader(text, {.separator = rows.separator()[0]});
  while (reader.Next()) {
    EXPECT_EQ(reader.fields().size(), rows.columns().size()) << reader.record();
    for (std::size_t i = 0; i < rows.columns().size(); ++i) {
      table[rows.columns()[i]].emplace_back(reader.fields()[i]);
    }
  }
  return table;
}

double ShareOf(const std::vector<std::string>& values, std::string_view value) {
  return static_cast<double>(std::ranges::count(values, value)) /
         static_cast<double>(values.size());
}

class SpecTest : public ::testing::TestWithParam<const char*> {
 protected:
  const std::unique_ptr<const SyntheticRows> rows_ = *MakeSyntheticRows(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Specs, SpecTest, ::testing::Values("census", "clicks"));

TEST_P(SpecTest, TheBytesDoNotDependOnTheNumberOfThreads) {
  for (const RecordFormat format : {RecordFormat::kCsv, RecordFormat::kTfRecord}) {
    for (const bool gzip : {false, true}) {
      WriteRowsOptions options = {
          .num_rows = 50'001, .format = format, .gzip = gzip, .num_threads = 1};
      const Written alone = Write(*rows_, options);
      options.num_threads = 3;
      const Written together = Write(*rows_, options);
      EXPECT_EQ(together.files, alone.files);
      EXPECT_EQ(together.result.num_positives, alone.result.num_positives);
      EXPECT_EQ(together.result.planted_auc, alone.result.planted_auc);
      EXPECT_EQ(together.result.num_bytes, alone.files[0].size());
    }
  }
}

TEST(SyntheticDataTest, TheBytesAreTheSameOnEveryMachine) {
  const std::string census = SyntheticCsv(*MakeCensusRows({}), 20'000, 1);
  const std::string clicks = SyntheticCsv(*MakeClickRows({}), 20'000, 1);
  EXPECT_EQ(base::Sha256Hex(census),
            "8aa45786f87388afdcb14adf51f6ebd685c08cea669e3f0dff1151fad219d216");
  EXPECT_EQ(base::Sha256Hex(clicks),
            "d172c1711cfb800513257a5fe7b6860c6127c0876fdc46d3415ef6d9d1c14b0b");
}

TEST_P(SpecTest, ARowDependsOnItsNumberAndTheSeedAlone) {
  const std::string rows = SyntheticCsv(*rows_, 1000, 7);
  EXPECT_THAT(rows, StartsWith(SyntheticCsv(*rows_, 10, 7)));
  EXPECT_EQ(Write(*rows_, {.num_rows = 1000, .seed = 7}).files[0], rows);
  EXPECT_NE(SyntheticCsv(*rows_, 1000, 8), rows);
}

TEST_P(SpecTest, ShardsTogetherAreTheUnshardedRows) {
  for (const RecordFormat format : {RecordFormat::kCsv, RecordFormat::kTfRecord}) {
    const WriteRowsOptions options = {.num_rows = 20'003, .format = format};
    const Written sharded = Write(*rows_, options, 4);
    std::string all;
    for (const std::string& file : sharded.files) all += file;
    EXPECT_EQ(all, Write(*rows_, options).files[0]);
    if (format == RecordFormat::kTfRecord) continue;
    std::vector<std::ptrdiff_t> num_rows;
    for (const std::string& file : sharded.files)
      num_rows.push_back(std::ranges::count(file, '\n'));
    EXPECT_THAT(num_rows, ElementsAre(5001, 5001, 5001, 5000));
  }
}

TEST_P(SpecTest, GzipHoldsTheSameBytes) {
  WriteRowsOptions options = {.num_rows = 30'000};
  const Written plain = Write(*rows_, options, 2);
  options.gzip = true;
  const Written packed = Write(*rows_, options, 2);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_LT(packed.files[i].size(), plain.files[i].size() * 7 / 10);
    EXPECT_EQ(Gunzip(packed.files[i]), plain.files[i]);
  }
}

TEST_P(SpecTest, TfRecordsHoldWhatTheCsvHolds) {
  constexpr std::int64_t kNumRows = 500;
  const Table table = ReadTable(*rows_, SyntheticCsv(*rows_, kNumRows, 1));
  const std::string file =
      Write(*rows_, {.num_rows = kNumRows, .format = RecordFormat::kTfRecord}).files[0];
  ASSERT_OK_AND_ASSIGN(const auto records, records::SplitRecords(file));
  ASSERT_EQ(records.size(), static_cast<std::size_t>(kNumRows));
  for (std::size_t row = 0; row < records.size(); ++row) {
    ASSERT_OK_AND_ASSIGN(const records::Example example, records::ParseExample(records[row]));
    EXPECT_EQ(records::SerializeExample(example), records[row]);
    for (const auto& [name, values] : table) {
      const auto feature = example.find(name);
      if (feature == example.end()) {
        EXPECT_EQ(values[row], "");
      } else if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&feature->second)) {
        ASSERT_EQ(numbers->size(), 1u);
        EXPECT_EQ(std::stoll(values[row]), numbers->front()) << name;
      } else {
        EXPECT_THAT(std::get<std::vector<std::string>>(feature->second), ElementsAre(values[row]));
      }
    }
  }
}

// The definition, by brute force: the share of pairs that the scores order.
TEST_P(SpecTest, ThePlantedAucIsThatOfTheScoresAgainstTheLabels) {
  constexpr std::int64_t kNumRows = 4000;
  std::vector<Cell> cells(rows_->columns().size());
  std::vector<int> scores[2];
  for (std::uint64_t row = 0; row < kNumRows; ++row) {
    const RowTruth truth = rows_->Draw(KeyOfSeed(1), row, cells);
    scores[truth.is_positive].push_back(truth.score);
  }
  double ordered = 0;
  for (const int positive : scores[1]) {
    for (const int negative : scores[0]) {
      ordered += positive > negative ? 1 : positive == negative ? 0.5 : 0;
    }
  }
  const WriteRowsResult result = Write(*rows_, {.num_rows = kNumRows}).result;
  EXPECT_DOUBLE_EQ(result.planted_auc, ordered / static_cast<double>(scores[0].size()) /
                                           static_cast<double>(scores[1].size()));
  EXPECT_EQ(result.num_positives, static_cast<std::int64_t>(scores[1].size()));
}

// What the score says of the odds is so: no scoring of the rows can be better, but by luck.
TEST_P(SpecTest, LabelsAreDrawnWithTheProbabilityThatTheScoreSays) {
  constexpr std::uint64_t kNumRows = 200'000;
  constexpr int kBand = kScoreUnit / 2;
  std::vector<Cell> cells(rows_->columns().size());
  struct Sums {
    double expected = 0, variance = 0, positives = 0;
  };
  std::map<int, Sums> bands;
  for (std::uint64_t row = 0; row < kNumRows; ++row) {
    const RowTruth truth = rows_->Draw(KeyOfSeed(3), row, cells);
    const double probability = 1 / (1 + std::exp(-static_cast<double>(truth.score) / kScoreUnit));
    Sums& sums = bands[(truth.score + kMaxScore) / kBand];
    sums.expected += probability;
    sums.variance += probability * (1 - probability);
    sums.positives += truth.is_positive;
  }
  EXPECT_GT(bands.size(), 8u);
  for (const auto& [band, sums] : bands) {
    EXPECT_NEAR(sums.positives, sums.expected, 4.5 * std::sqrt(sums.variance) + 1) << band;
  }
}

TEST_P(SpecTest, TheShareOfPositivesIsAsAskedFor) {
  for (const double share : {0.03, 0.5}) {
    const auto rows = MakeSyntheticRows(fmt::format("{},positives={}", GetParam(), share));
    ASSERT_OK(rows);
    const WriteRowsResult result = Write(**rows, {.num_rows = 50'000}).result;
    EXPECT_NEAR(static_cast<double>(result.num_positives) / 50'000, share, 0.01);
  }
}

TEST(SyntheticDataTest, CensusFrequenciesAreThoseOfTheCensus) {
  const auto rows = MakeCensusRows({});
  const Table table = ReadTable(*rows, SyntheticCsv(*rows, 100'000, 5));
  const struct {
    const char* column;
    const char* value;
    double share;  // In adult.data.
  } cases[] = {
      {"workclass", " Private", 0.697},        {"workclass", " ?", 0.0564},
      {"education", " HS-grad", 0.3225},       {"education_num", " 9", 0.3225},
      {"education", " Doctorate", 0.0127},     {"marital_status", " Married-civ-spouse", 0.460},
      {"occupation", " Craft-repair", 0.1259}, {"occupation", " ?", 0.0566},
      {"relationship", " Husband", 0.4052},    {"race", " White", 0.8543},
      {"gender", " Female", 0.3308},           {"native_country", " United-States", 0.8959},
      {"native_country", " Mexico", 0.0197},   {"capital_gain", " 0", 0.917},
      {"capital_loss", " 0", 0.953},           {"hours_per_week", " 40", 0.4673},
      {"income_bracket", " >50K", 0.2408},
  };
  for (const auto& [column, value, share] : cases) {
    EXPECT_THAT(ShareOf(table.at(column), value), DoubleNear(share, 0.015)) << column << value;
  }
  for (std::size_t i = 0; i < 1000; ++i) {
    if (table.at("relationship")[i] != " Husband") continue;
    EXPECT_THAT(table.at("marital_status")[i], StartsWith(" Married-"));
    EXPECT_EQ(table.at("gender")[i], " Male");
  }
}

TEST(SyntheticDataTest, CategoriesFollowZipfsLaw) {
  constexpr int kNumIds = 10'131'227;  // Of C3, of which 3.5 % are missing.
  for (const double zipf : {1.05, 1.3}) {
    const auto rows = MakeClickRows({.zipf = zipf});
    const std::vector<std::string> values =
        ReadTable(*rows, SyntheticCsv(*rows, 100'000, 5)).at("C3");
    std::map<std::string, int> counts;
    for (const std::string& value : values) ++counts[value];
    EXPECT_NEAR(ShareOf(values, ""), 0.035, 0.002);
    counts.erase("");
    std::vector<double> shares;
    for (const auto& [value, count] : counts) {
      shares.push_back(count / static_cast<double>(values.size()) / 0.965);
    }
    std::ranges::sort(shares, std::greater());
    double norm = 0;
    for (int id = 1; id <= kNumIds; ++id) norm += std::pow(id, -zipf);
    double head = 0;
    double expected_head = 0;
    for (int rank = 1; rank <= 100; ++rank) {
      const double expected = std::pow(rank, -zipf) / norm;
      expected_head += expected;
      head += shares[static_cast<std::size_t>(rank) - 1];
      if (rank > 3) continue;
      EXPECT_NEAR(shares[static_cast<std::size_t>(rank) - 1], expected, 0.05 * expected);
    }
    EXPECT_NEAR(head, expected_head, 0.03 * expected_head);
  }
}

TEST(SyntheticDataTest, ClicksHaveTheFormOfCriteosLogs) {
  const auto rows = MakeClickRows({});
  const Table table = ReadTable(*rows, SyntheticCsv(*rows, 50'000, 5));
  EXPECT_EQ(rows->columns().size(), 40u);
  EXPECT_THAT(rows->columns(), ::testing::Contains("I13"));
  EXPECT_NEAR(ShareOf(table.at("I12"), ""), 0.76, 0.01);
  EXPECT_NEAR(ShareOf(table.at("I2"), "-1"), 0.10, 0.01);
  EXPECT_NEAR(ShareOf(table.at("C22"), ""), 0.76, 0.01);
  std::vector<int> counts;
  for (const std::string& value : table.at("I5")) {
    if (!value.empty()) counts.push_back(std::stoi(value));
  }
  std::ranges::sort(counts);
  EXPECT_NEAR(counts[counts.size() / 2], 2813, 100) << "the median";
  EXPECT_GT(counts.back(), 1000 * 2813) << "the tail is heavy";
  for (const std::string& value : table.at("C26")) {
    if (value.empty()) continue;
    EXPECT_EQ(value.size(), 8u);
    EXPECT_EQ(value.find_first_not_of("0123456789abcdef"), std::string::npos) << value;
  }
}

models::ModelDescription ReadModel(const std::string& name) {
  std::stringstream yaml;
  yaml << std::ifstream(fmt::format("{}/{}.yaml", DIME_MODELS, name)).rdbuf();
  auto model = models::ParseDescription(yaml.str(), name, "");
  EXPECT_OK(model);
  return model.ok() ? *std::move(model) : models::ModelDescription();
}

TEST_P(SpecTest, EveryRowParsesWithItsModel) {
  const TempDir dir;
  const std::string path = dir.File("rows");
  std::ofstream(path) << SyntheticCsv(*rows_, 20'000, 9);
  const models::ModelDescription description = ReadModel(GetParam());
  const models::RecordEncoder encoder(description);
  base::ThreadPool pool(2);
  ASSERT_OK_AND_ASSIGN(const worker::Dataset dataset,
                       worker::LoadDataset({path}, description, encoder, {}, pool));
  EXPECT_EQ(dataset.num_bad_records, 0);
  EXPECT_EQ(dataset.examples.size(), 20'000);
}

TEST(SyntheticDataTest, TheClicksModelTellsMissingCountsFromCodesAndZeros) {
  const models::ModelDescription model = ReadModel("clicks");
  const models::RecordEncoder encoder(model);
  const auto bucket_of = [&](std::string_view count, std::string_view label = "1") {
    std::vector<std::string_view> fields(model.input.fields.size());
    fields[0] = label;
    fields[2] = count;  // I2
    models::Batch batch = encoder.NewBatch();
    const auto error = encoder.AppendFields(fields, models::LabelUse::kRequired, &batch);
    if (error.has_value()) return fmt::format("field {}: {}", error->field, error->reason);
    const int column = encoder.schema().FindIds("I2_bucketized");
    return std::to_string(batch.ids[static_cast<std::size_t>(column)].ids[0]);
  };
  EXPECT_EQ(bucket_of(""), "0");
  EXPECT_EQ(bucket_of("-3"), "1");
  EXPECT_EQ(bucket_of("-1"), "1");
  EXPECT_EQ(bucket_of("0"), "2");
  EXPECT_EQ(bucket_of("2"), "3");
  EXPECT_EQ(bucket_of("2147483647"), "19") << "past the last boundary";
  EXPECT_THAT(bucket_of("1", ""), HasSubstr("field 0: is missing"));
  EXPECT_THAT(bucket_of("1", "2"), HasSubstr("field 0"));
}

TEST(SyntheticDataTest, AStopIsHeeded) {
  std::stop_source stop;
  WriteRowsOptions options = {.num_rows = std::int64_t{1} << 40};
  options.stop = stop.get_token();
  options.on_progress = [&](std::int64_t) { stop.request_stop(); };
  std::string text;
  std::vector<std::unique_ptr<storage::AtomicFile>> files;
  files.push_back(std::make_unique<TextFile>(&text));
  EXPECT_THAT(WriteRows(*MakeCensusRows({}), options, files).status(),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("stopped")));
}

TEST(SyntheticDataTest, AWrongSpecIsAnsweredWithWhatThereIs) {
  const struct {
    const char* spec;
    const char* message;
  } cases[] = {
      {"cliks", "'cliks' is none of census, clicks; did you mean 'clicks'?"},
      {"", "'' is none of census, clicks"},
      {"clicks,zip=1", "no setting 'zip', but positives, zipf; did you mean 'zipf'?"},
      {"census,zipf=1", "no setting 'zipf', but positives"},
      {"clicks,zipf=much", "zipf: 'much' is no number from 0 to 4"},
      {"clicks,zipf", "zipf: '' is no number"},
      {"clicks,positives=1", "positives: '1' is no number from 0.0001 to 0.9999"},
      {"clicks,positives=nan", "positives: 'nan' is no number"},
  };
  for (const auto& [spec, message] : cases) {
    EXPECT_THAT(MakeSyntheticRows(spec).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(SamplerTest, DrawsInProportionToTheWeights) {
  const Block blocks[] = {{.first = -5, .weight = 1},
                          {.first = 10, .size = 4, .weight = 2},
                          {.first = 99, .weight = 0},
                          {.first = 7, .weight = 5}};
  const Sampler sampler(blocks);
  base::RandomStream random(1, "test");
  constexpr int kDraws = 80'000;
  std::map<int, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint32_t word = random.NextUint32();
    ++counts[sampler.Draw(word, random.NextUint32())];
  }
  EXPECT_EQ(counts.size(), 6u);
  EXPECT_NEAR(counts[-5], kDraws / 8, 500);
  EXPECT_NEAR(counts[7], kDraws * 5 / 8, 700);
  for (int value = 10; value < 14; ++value) EXPECT_NEAR(counts[value], kDraws / 16, 400);
}

TEST(PortableMathTest, IsAsGoodAsTheCLibrarys) {
  for (const double x : {1e-300, 1e-3, 0.5, 0.70710678, 1.0, 1.5, 2.0, 10.0, 1e7, 1e300}) {
    EXPECT_NEAR(PortableLog(x), std::log(x), 1e-15 * std::abs(std::log(x)) + 1e-16) << x;
  }
  for (const double x : {-700.0, -20.0, -1.0, -1e-9, 0.0, 0.3, 1.0, 16.0, 700.0}) {
    EXPECT_NEAR(PortableExp(x) / std::exp(x), 1, 1e-13) << x;
  }
  EXPECT_NEAR(PortablePower(1234567, -1.1), std::pow(1234567, -1.1), 1e-20);
}

}  // namespace
}  // namespace dime::cli
