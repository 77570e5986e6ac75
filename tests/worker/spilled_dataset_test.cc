// Sets of more examples than fit in memory.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "models/description.h"
#include "runtime/records/example.h"
#include "runtime/records/tfrecord.h"
#include "tests/support/gzip.h"
#include "tests/support/limited_file_size.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_model.h"
#include "worker/input/dataset.h"

namespace dime::worker {
namespace {

using ::dime::testing::Gzip;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SpilledDatasetTest : public ::testing::Test {
 protected:
  SpilledDatasetTest() { options_.scratch_directory = dir_.File("scratch"); }
  void SetUp() override { std::filesystem::create_directory(options_.scratch_directory); }

  std::string Write(const std::string& name, std::string_view text) {
    const std::string path = dir_.File(name);
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  absl::StatusOr<Dataset> Load(const std::vector<std::string>& patterns, int num_threads = 2) {
    base::ThreadPool pool(num_threads);
    return LoadDataset(patterns, description_, models::RecordEncoder(description_), options_, pool);
  }

  // All examples of a set, wherever they are.
  static models::Batch All(const Dataset& dataset) {
    models::Batch all;
    EXPECT_OK(ExampleCursor(dataset.examples).Next(dataset.examples.size(), &all));
    return all;
  }

  std::string WriteRows(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += fmt::format("c{},{},{}\n", i, i, i % 3 ? "no" : "yes");
    return Write("rows", text);
  }

  testing::TempDir dir_;
  models::ModelDescription description_ = testing::SmallDescription();
  DatasetOptions options_;
};

TEST_F(SpilledDatasetTest, TheExamplesAreThoseThatMemoryHolds) {
  const std::string path = WriteRows(5000);
  ASSERT_OK_AND_ASSIGN(const Dataset memory, Load({path, path}));
  ASSERT_NE(memory.examples.in_memory(), nullptr);
  options_.memory_bytes = 20'000;
  for (const std::size_t window_bytes : {10'000, 100'000, 1 << 24}) {
    options_.max_record_bytes = 100;
    options_.window_bytes = window_bytes;
    ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({path, path}, 3));
    ASSERT_EQ(spilled.examples.in_memory(), nullptr);
    EXPECT_EQ(spilled.examples.size(), 10'000);
    EXPECT_EQ(spilled.size_bytes, memory.size_bytes);
    // 8 + 4 + 4 bytes an example, and at least 64 blocks in the budget.
    EXPECT_EQ(spilled.examples.spill()->blocks().front().num_examples, 20'000 / 64 / 16 + 1);
    EXPECT_EQ(spilled.examples.window_bytes(), 10'000u);
    EXPECT_EQ(spilled.examples.examples_per_window(), 10'000 / 16);
    const models::Batch all = All(spilled);
    EXPECT_EQ(all.ids[0].ids, memory.examples.in_memory()->ids[0].ids);
    EXPECT_EQ(all.floats[0].values, memory.examples.in_memory()->floats[0].values);
    EXPECT_EQ(all.labels, memory.examples.in_memory()->labels);
  }
}

TEST_F(SpilledDatasetTest, TheBudgetIsWhatTheExamplesTake) {
  const std::string path = WriteRows(1000);
  options_.memory_bytes = 16'000;
  ASSERT_OK_AND_ASSIGN(const Dataset fits, Load({path}));
  EXPECT_NE(fits.examples.in_memory(), nullptr);
  options_.memory_bytes = 15'999;
  ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({path}));
  EXPECT_EQ(spilled.examples.in_memory(), nullptr);
}

TEST_F(SpilledDatasetTest, NothingIsLeftInTheScratchDirectory) {
  options_.memory_bytes = 1000;
  ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({WriteRows(1000)}));
  EXPECT_TRUE(std::filesystem::is_empty(options_.scratch_directory));
}

TEST_F(SpilledDatasetTest, TheFilesAreNotNeededAgain) {
  options_.memory_bytes = 1000;
  const std::string path = WriteRows(1000);
  ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({path}));
  std::filesystem::remove(path);
  EXPECT_EQ(All(spilled).num_examples, 1000);
}

TEST_F(SpilledDatasetTest, AFullDiskIsExplained) {
  options_.memory_bytes = 16'000;
  options_.max_record_bytes = 100;
  options_.window_bytes = 10'000;
  const std::string path = WriteRows(100'000);
  const testing::LimitedFileSize limit(500'000);
  EXPECT_THAT(Load({path}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(options_.scratch_directory), HasSubstr("15.62 KiB"),
                             HasSubstr("written, about 1.7"), HasSubstr("needed in all"),
                             HasSubstr("--input-memory"))));
}

TEST_F(SpilledDatasetTest, AScratchDirectoryThatIsNotThereIsNamed) {
  options_.memory_bytes = 1000;
  options_.scratch_directory = dir_.File("missing");
  EXPECT_THAT(Load({WriteRows(1000)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(options_.scratch_directory)));
}

TEST_F(SpilledDatasetTest, BadRecordsAreCountedAsInMemory) {
  options_.memory_bytes = 1000;
  const std::string path = WriteRows(1000);
  const std::string bad = Write("bad", "red,x,no\nred,1,no\n");
  EXPECT_THAT(Load({path, bad}), StatusIs(absl::StatusCode::kOutOfRange, HasSubstr(bad + ":1: ")));
  options_.max_bad_records = 1;
  ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({path, bad}));
  EXPECT_EQ(spilled.examples.size(), 1001);
  EXPECT_EQ(spilled.num_bad_records, 1);
}

// --- Lists

constexpr char kListPage[] = R"(
input:
  fields:
    - {name: tags, type: string, values: any}
    - {name: strengths, type: float, values: any}
    - {name: importance, type: float}
    - {name: price, type: float}
label: {field: price, weight_field: importance}
columns:
  tags: {kind: hash_bucket, buckets: 1000}
  tags_weighted_by_strengths: {kind: weighted, source: tags, weight_field: strengths}
estimator:
  kind: LinearRegressor
  linear_columns: [tags, tags_weighted_by_strengths]
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
)";

class SpilledListsTest : public SpilledDatasetTest {
 protected:
  static constexpr int kExamples = 3000;

  SpilledListsTest() { description_ = *models::ParseDescription(kListPage, "page.yaml", ""); }

  // How many tags an example has: none, a few, or once in a while very many.
  static int NumTags(int example) { return example % 500 == 499 ? 5000 : example % 4; }

  static std::string Rows() {
    std::string text;
    for (int e = 0; e < kExamples; ++e) {
      std::string tags, strengths;
      for (int i = 0; i < NumTags(e); ++i) {
        tags += fmt::format("{}t{}", i == 0 ? "" : "|", e + i);
        strengths += fmt::format("{}{}", i == 0 ? "" : "|", i % 8);
      }
      text += fmt::format("{},{},{},{}\n", tags, strengths, e % 3, e);
    }
    return text;
  }

  static std::string Records() {
    std::string records;
    for (int e = 0; e < kExamples; ++e) {
      std::vector<std::string> tags;
      std::vector<float> strengths;
      for (int i = 0; i < NumTags(e); ++i) {
        tags.push_back(fmt::format("t{}", e + i));
        strengths.push_back(static_cast<float>(i % 8));
      }
      const records::Example example = {
          {"tags", tags},
          {"strengths", strengths},
          {"importance", std::vector<float>{static_cast<float>(e % 3)}},
          {"price", std::vector<float>{static_cast<float>(e)}}};
      records::AppendRecord(records::SerializeExample(example), &records);
    }
    return records;
  }

  static void ExpectEqual(const models::Batch& batch, const models::Batch& expected) {
    ASSERT_EQ(batch.num_examples, expected.num_examples);
    for (std::size_t c = 0; c < expected.ids.size(); ++c) {
      EXPECT_EQ(batch.ids[c].ids, expected.ids[c].ids);
      EXPECT_EQ(batch.ids[c].offsets, expected.ids[c].offsets);
      EXPECT_EQ(batch.ids[c].weights, expected.ids[c].weights);
    }
    EXPECT_EQ(batch.labels, expected.labels);
    EXPECT_EQ(batch.weights, expected.weights);
  }
};

TEST_F(SpilledListsTest, EveryFormatGivesWhatMemoryHolds) {
  ASSERT_OK_AND_ASSIGN(const Dataset memory, Load({Write("memory", Rows())}));
  ASSERT_NE(memory.examples.in_memory(), nullptr);
  options_.memory_bytes = 50'000;
  for (const std::string& file : {Rows(), Gzip(Rows()), Records(), Gzip(Records())}) {
    ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({Write("spilled", file)}));
    ASSERT_NE(spilled.examples.spill(), nullptr);
    ExpectEqual(All(spilled), *memory.examples.in_memory());
  }
}

TEST_F(SpilledListsTest, BlocksAreCutByWhatTheirExamplesTake) {
  options_.memory_bytes = 64'000;
  ASSERT_OK_AND_ASSIGN(const Dataset spilled, Load({Write("a", Rows())}));
  const std::vector<BlockSize>& blocks = spilled.examples.spill()->blocks();
  for (std::size_t b = 0; b + 1 < blocks.size(); ++b) {
    EXPECT_GE(blocks[b].memory_bytes, 1000u) << b;
    // One example more than 1000 bytes: a small one, or one of very many ids.
    const bool is_small = blocks[b].memory_bytes < 1100;
    EXPECT_TRUE(is_small || blocks[b].memory_bytes > 5000 * 8) << b;
  }
}

TEST_F(SpilledListsTest, WhereBlocksEndDependsOnNoWindowAndNoThread) {
  options_.memory_bytes = 64'000;
  const std::string path = Write("a", Rows());
  ASSERT_OK_AND_ASSIGN(const Dataset first, Load({path}, 1));
  options_.max_record_bytes = 100'000;
  options_.window_bytes = 200'100;
  ASSERT_OK_AND_ASSIGN(const Dataset second, Load({path}, 3));
  const auto counts = [](const Dataset& dataset) {
    std::vector<std::int64_t> all;
    for (const BlockSize& block : dataset.examples.spill()->blocks()) {
      all.push_back(block.num_examples);
    }
    return all;
  };
  EXPECT_EQ(counts(first), counts(second));
}

}  // namespace
}  // namespace dime::worker
