// `dime doctor` and --strict, as users run them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/eventually.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::Ended;
using ::dime::testing::Eventually;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DoctorProgramTest : public ::testing::Test {
 protected:
  Ended Train(const std::vector<std::string>& own, int num_steps) {
    return Process(dir_, Words(own, num_steps)).Wait();
  }
  std::vector<std::string> Words(const std::vector<std::string>& own, int num_steps) {
    return TrainingWords(job_dir_, own, rows_,
                         {"--eval-files", rows_, "--train-steps", std::to_string(num_steps)});
  }
  Ended Doctor(const std::string& format = "text") {
    return Process(dir_, {"doctor", job_dir_, "--format", format}, {.name = "doctor"}).Wait();
  }
  void Damage(const std::string& name) { fs::resize_file(job_dir_ + "/" + name, 100); }

  const TempDir dir_;
  const std::string job_dir_ = dir_.File("job");
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), 300);
};

constexpr char kNewestData[] = "model.ckpt-20.data-00000-of-00001";

TEST_F(DoctorProgramTest, ASoundJobIsATableAndAVerdict) {
  ASSERT_EQ(Train({"--checkpoint-steps=10"}, 20).exit_code, 0);
  const Ended ended = Doctor();
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, IsEmpty());
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("WHAT "), ContainsRegex("model.ckpt-10 +sound +step 10\n"),
                    ContainsRegex("eval_census-eval/events.out[^ ]+ +sound +[0-9]+ events\n"),
                    ContainsRegex("export/census/[0-9]+ +sound"),
                    HasSubstr("\nsound: a job goes on from step 20\n")));
}

TEST_F(DoctorProgramTest, DamageIsNamedAndSoIsWhereAJobGoesOn) {
  ASSERT_EQ(Train({"--checkpoint-steps=10"}, 20).exit_code, 0);
  Damage(kNewestData);
  const Ended ended = Doctor();
  EXPECT_EQ(ended.exit_code, 65);
  EXPECT_THAT(ended.out,
              AllOf(ContainsRegex("model.ckpt-20 +DAMAGED +.*model.ckpt-20.data-00000-of-00001"),
                    HasSubstr("\nDAMAGED (model.ckpt-20): a job goes on from step 10\n")));
  const nlohmann::json report = nlohmann::json::parse(Doctor("json").out);
  EXPECT_EQ(report["sound"], false);
  EXPECT_EQ(report["running"], false);
  EXPECT_EQ(report["resume_step"], 10);
  const Ended resumed = Train({}, 20);
  EXPECT_EQ(resumed.exit_code, 0);
  EXPECT_THAT(resumed.err, AllOf(HasSubstr("damaged and passed over"), HasSubstr(kNewestData),
                                 HasSubstr("going on from step 10")));
}

TEST_F(DoctorProgramTest, StrictEndsWhereTheNewestCheckpointIsDamaged) {
  ASSERT_EQ(Train({"--checkpoint-steps=10"}, 20).exit_code, 0);
  EXPECT_EQ(Train({"--strict"}, 21).exit_code, 0);
  Damage("model.ckpt-21.data-00000-of-00001");
  const Ended ended = Train({"--strict"}, 30);
  EXPECT_EQ(ended.exit_code, 65);
  EXPECT_THAT(ended.err, AllOf(HasSubstr("model.ckpt-21"), HasSubstr("--strict"),
                               HasSubstr("dime doctor " + job_dir_)));
  Damage("checkpoint");
  EXPECT_EQ(Train({"--strict"}, 30).exit_code, 65);
  EXPECT_EQ(Train({}, 30).exit_code, 0);
}

TEST_F(DoctorProgramTest, ARunningJobIsNoFalseAlarm) {
  Process job(dir_, Words({"--checkpoint-steps=2", "--max-checkpoints=1"}, 100'000'000));
  ASSERT_TRUE(Eventually([&] { return fs::exists(job_dir_ + "/checkpoint"); }));
  constexpr int kNumLooks = 20;
  for (int i = 0; i < kNumLooks; ++i) {
    const Ended ended = Doctor();
    EXPECT_EQ(ended.exit_code, 0) << ended.out << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("; one is running"));
  }
  EXPECT_FALSE(job.HasEnded());
  job.Signal(SIGTERM);
  EXPECT_EQ(job.Wait().exit_code, 143);
  EXPECT_EQ(Doctor().exit_code, 0);
}

TEST_F(DoctorProgramTest, WhatIsNoJobIsTold) {
  EXPECT_EQ(Process(dir_, {"doctor"}).Wait().exit_code, 64);
  const Ended missing = Process(dir_, {"doctor", dir_.File("nowhere")}).Wait();
  EXPECT_EQ(missing.exit_code, 65);
  EXPECT_THAT(missing.err, HasSubstr(dir_.File("nowhere")));
}

}  // namespace
}  // namespace dime::cli
