// Jobs whose tables have no bound on their ids, and whose checkpoints build on each other, as users
// run them: killed, and gone on with by another cluster.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "runtime/storage/file_system.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/replica_processes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::Eventually;
using ::dime::testing::Process;
using ::dime::testing::ReplicasOf;
using ::dime::testing::TempDir;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

// Of one column more rows are made than there is room for, of the other they grow old.
constexpr char kUnboundedPage[] = R"(
input:
  fields:
    - {name: user, type: string}
    - {name: city, type: string}
    - {name: answer, type: string}
label: {field: answer, vocabulary: ["no", "yes"]}
columns:
  user: {kind: hash_bucket, unbounded: {max_bytes: 1MiB}}
  city: {kind: hash_bucket, unbounded: {admit_after: 2, evict_after_steps: 20, max_bytes: 2MiB}}
  user_embedding: {kind: embedding, source: user, dimension: 6}
  city_embedding: {kind: embedding, source: city, dimension: 3}
estimator:
  kind: DNNLinearCombinedClassifier
  linear_columns: [user, city]
  linear_optimizer: {kind: ftrl, learning_rate: 0.2}
  dnn_columns: [user_embedding, city_embedding]
  hidden_units: [4]
  dnn_optimizer: {kind: adagrad, learning_rate: 0.1}
)";

std::string WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

std::string UnboundedRows() {
  std::string rows;
  for (std::uint64_t i = 0; i < 30'000; ++i) {
    const std::uint64_t draw = (i + 1) * 0x9e3779b97f4a7c15 >> 20;
    rows += fmt::format("u{},c{},{}\n", draw % 3 == 0 ? draw % 50 : draw % 25'000, draw % 700,
                        draw % 7 < 3 ? "yes" : "no");
  }
  return rows;
}

class IncrementalProgramTest : public ::testing::Test {
 protected:
  std::vector<std::string> Train(const std::string& job, const std::vector<std::string>& own,
                                 std::int64_t num_steps) const {
    std::vector<std::string> words = {
        "local", "train",           "--job-dir", JobDir(job), "--format",
        "json",  "--export-name=",  "--model",   page_,       "--consistency",
        "sync",  "--micro-batches", "5"};
    words.insert(words.end(), own.begin(), own.end());
    words.insert(words.end(),
                 {"--", "--train-files", rows_, "--train-steps", std::to_string(num_steps)});
    return words;
  }
  Ended Run(const std::vector<std::string>& words) { return Process(dir_, words).Wait(); }
  static std::vector<std::string> Cluster(int workers, int servers,
                                          const std::vector<std::string>& own) {
    std::vector<std::string> words = {"--distributed", "--worker-count", std::to_string(workers),
                                      "--parameter-server-count", std::to_string(servers)};
    words.insert(words.end(), own.begin(), own.end());
    return words;
  }

  [[nodiscard]] std::string JobDir(const std::string& job) const { return dir_.File(job); }
  [[nodiscard]] std::string Prefix(const std::string& job, std::int64_t step) const {
    return fmt::format("{}/model.ckpt-{}", JobDir(job), step);
  }
  // The step of the checkpoint that is gone on from.
  [[nodiscard]] std::int64_t NewestStep(const std::string& job) const {
    const auto state = checkpoint::ReadCheckpointState(storage::LocalFileSystem(), JobDir(job));
    if (!state.ok() || state->latest().empty()) return -1;
    return std::stoll(state->latest().substr(state->latest().rfind('-') + 1));
  }
  static std::unique_ptr<checkpoint::BundleReader> OpenBundle(const std::string& prefix) {
    auto bundle = checkpoint::BundleReader::Open(storage::LocalFileSystem(), prefix);
    EXPECT_OK(bundle);
    return *std::move(bundle);
  }
  [[nodiscard]] bool StandsByItself(const std::string& job, std::int64_t step) const {
    return !OpenBundle(Prefix(job, step))->tensors().contains("base_step");
  }
  // All variables' names and bytes.
  [[nodiscard]] std::string Variables(const std::string& job, std::int64_t step) const {
    std::string bytes;
    const auto bundle = OpenBundle(Prefix(job, step));
    for (const auto& [name, info] : bundle->tensors()) {
      bytes += name;
      const auto append = [&](const auto& values) {
        bytes.append(reinterpret_cast<const char*>(values.data()),
                     values.size() * sizeof(values[0]));
      };
      if (info.type == checkpoint::DataType::kInt64) {
        const auto values = bundle->ReadInt64s(name);
        EXPECT_OK(values);
        append(*values);
      } else {
        std::vector<float> values(static_cast<std::size_t>(info.num_elements()));
        EXPECT_OK(bundle->ReadFloats(name, values));
        append(values);
      }
    }
    return bytes;
  }

  const TempDir dir_;
  const std::string page_ = WriteFile(dir_.File("page.yaml"), kUnboundedPage);
  const std::string rows_ = WriteFile(dir_.File("rows.csv"), UnboundedRows());
};

TEST_F(IncrementalProgramTest, AJobThatWasKilledGoesOnFromAChainToTheSameBytesOnAnotherCluster) {
  {
    Process endless(
        dir_,
        Train("job", Cluster(2, 3, {"--checkpoint-steps", "15", "--full-checkpoint-every", "1000"}),
              1'000'000));
    ASSERT_TRUE(Eventually([&] { return NewestStep("job") >= 90; }));
    endless.Signal(SIGKILL);
    endless.Wait();
    ASSERT_TRUE(Eventually([&] { return ReplicasOf(JobDir("job"), "").empty(); }));
  }
  const std::int64_t step = NewestStep("job");
  EXPECT_FALSE(StandsByItself("job", step));
  const Ended doctor = Run({"doctor", JobDir("job")});
  EXPECT_EQ(doctor.exit_code, 0) << doctor.out;
  EXPECT_THAT(doctor.out, ContainsRegex(fmt::format("model.ckpt-{} +sound +step {}, builds on "
                                                    "model.ckpt-{}",
                                                    step, step, step - 15)));

  const std::int64_t last = step + 60;
  const Ended resumed = Run(Train(
      "job", Cluster(1, 5, {"--checkpoint-steps", "9", "--full-checkpoint-every", "3"}), last));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  const Ended whole = Run(Train("whole", {"--full-checkpoint-every", "1"}, last));
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_TRUE(StandsByItself("job", last));
  EXPECT_TRUE(Variables("job", last) == Variables("whole", last));
}

TEST_F(IncrementalProgramTest, WithoutABaseAJobGoesOnFromAnOlderOneAndStrictSaysWhatIsMissing) {
  const std::vector<std::string> own = {"--checkpoint-steps", "10", "--full-checkpoint-every", "3"};
  ASSERT_EQ(Run(Train("whole", own, 45)).exit_code, 0);
  ASSERT_EQ(Run(Train("job", own, 45)).exit_code, 0);
  // 0 is whole, 10 and 20 build on it, 30 is whole, 40 builds on it, 45 is the last one.
  EXPECT_TRUE(StandsByItself("job", 30));
  EXPECT_FALSE(StandsByItself("job", 40));
  for (const std::int64_t step : {30, 45}) {
    std::filesystem::remove(Prefix("job", step) + ".index");
  }
  const Ended strict = Run(Train("job", {"--strict"}, 45));
  EXPECT_EQ(strict.exit_code, 65);
  EXPECT_THAT(strict.err, HasSubstr("model.ckpt-45"));
  const Ended doctor = Run({"doctor", JobDir("job")});
  EXPECT_EQ(doctor.exit_code, 65);
  EXPECT_THAT(doctor.out, ContainsRegex("model.ckpt-40 +DAMAGED +.*model.ckpt-30.*missing"));
  EXPECT_THAT(doctor.out, HasSubstr("a job goes on from step 20"));
  const Ended resumed = Run(Train("job", own, 45));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("model.ckpt-30', which is missing"));
  EXPECT_TRUE(Variables("job", 45) == Variables("whole", 45));
}

}  // namespace
}  // namespace dime::cli
