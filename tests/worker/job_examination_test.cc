#include "worker/job_examination.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "runtime/records/tfrecord.h"
#include "tests/worker/saved_job.h"
#include "worker/job_end.h"
#include "worker/leases/lease_file.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Eq;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

class JobExaminationTest : public SavedJobTest {
 protected:
  JobExamination Examine() {
    absl::StatusOr<JobExamination> job = ExamineJob(storage::LocalFileSystem(), Path());
    EXPECT_OK(job);
    return job.value_or(JobExamination{});
  }
  // What it says of a name, which it has once.
  static Finding Of(const std::string& name, const JobExamination& job) {
    const auto found = std::ranges::find(job.findings, name, &Finding::name);
    EXPECT_EQ(std::ranges::count(job.findings, name, &Finding::name), 1) << name;
    return found == job.findings.end() ? Finding{} : *found;
  }
  static auto Is(Condition condition, const std::string& detail) {
    return AllOf(Field(&Finding::condition, Eq(condition)),
                 Field(&Finding::detail, HasSubstr(detail)));
  }
};

TEST_F(JobExaminationTest, ASoundJobResumesFromItsNewestCheckpoint) {
  SaveSteps({10, 20}, /*seed=*/17);
  const JobExamination job = Examine();
  EXPECT_TRUE(job.is_sound());
  EXPECT_FALSE(job.is_running);
  EXPECT_THAT(job.resume_step, Optional(20));
  EXPECT_THAT(Of("model.ckpt-10", job), Is(Condition::kSound, "step 10"));
  EXPECT_THAT(Of("dime/job.yaml", job), Is(Condition::kSound, "seed 17"));
  EXPECT_THAT(Of("checkpoint", job), Is(Condition::kSound, "model.ckpt-20"));
}

TEST_F(JobExaminationTest, NothingIsChanged) {
  SaveSteps({10});
  Write(File("model.ckpt-20.data-00000-of-00001"), "half");
  Write(File(".dime-part-x.1-1"), "half");
  std::vector<std::string> before;
  for (const auto& entry : fs::recursive_directory_iterator(Path())) before.push_back(entry.path());
  Examine();
  std::vector<std::string> after;
  for (const auto& entry : fs::recursive_directory_iterator(Path())) after.push_back(entry.path());
  EXPECT_EQ(before, after);
}

TEST_F(JobExaminationTest, AnEmptyDirectoryIsSoundAndAMissingOneIsNone) {
  EXPECT_THAT(ExamineJob(storage::LocalFileSystem(), Path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(Path())));
  fs::create_directories(Path());
  const JobExamination job = Examine();
  EXPECT_TRUE(job.is_sound());
  EXPECT_EQ(job.resume_step, std::nullopt);
  EXPECT_THAT(job.findings, IsEmpty());
}

TEST_F(JobExaminationTest, ADamagedCheckpointIsNamedWithFileAndReason) {
  SaveSteps({10, 20});
  const std::string data = "model.ckpt-20.data-00000-of-00001";
  std::string bytes = Read(File(data));
  bytes[100] ^= 4;
  Write(File(data), bytes);
  const JobExamination job = Examine();
  EXPECT_FALSE(job.is_sound());
  EXPECT_THAT(job.resume_step, Optional(10));
  EXPECT_THAT(job.obstacle, IsEmpty());
  EXPECT_THAT(Of("model.ckpt-20", job), Is(Condition::kDamaged, data));
  EXPECT_THAT(Of("model.ckpt-20", job), Is(Condition::kDamaged, "CRC"));
}

TEST_F(JobExaminationTest, WithoutASoundCheckpointNoJobGoesOn) {
  SaveSteps({10});
  fs::remove(File("model.ckpt-10.data-00000-of-00001"));
  const JobExamination job = Examine();
  EXPECT_EQ(job.resume_step, std::nullopt);
  EXPECT_THAT(job.obstacle, HasSubstr("another job directory"));
}

TEST_F(JobExaminationTest, DamagedPagesAreFound) {
  SaveSteps({10, 20});
  ASSERT_OK(WriteDoneBatches(storage::LocalFileSystem(), Path(), 20, {.ranges = {{3, 9}}}));
  ASSERT_OK(WriteJobEnd(storage::LocalFileSystem(), Path(), {.global_step = 20}));
  ASSERT_TRUE(Examine().is_sound());
  for (const std::string name :
       {"dime/job.yaml", "dime/model.yaml", "dime/leases", "dime/ended", "checkpoint"}) {
    const std::string before = Read(File(name));
    Write(File(name), before.substr(0, before.size() / 2));
    const JobExamination job = Examine();
    EXPECT_EQ(Of(name, job).condition, Condition::kDamaged) << name;
    Write(File(name), before);
  }
}

TEST_F(JobExaminationTest, VocabulariesInFilesAreRead) {
  Write(parent_.File("races.txt"), " Black\n Other\n White\n");
  models::ModelDescription description = testing::SmallCensus();
  for (models::FeatureColumn& column : description.columns) {
    auto* const vocabulary = std::get_if<models::VocabularyColumn>(&column.kind);
    if (vocabulary == nullptr || column.name != "race") continue;
    vocabulary->file = parent_.File("races.txt");
    vocabulary->vocabulary = {"Black", "Other", "White"};
  }
  const models::Model model(description);
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(model));
  const auto store = *InProcessStore::Create(model.tables(), /*seed=*/1);
  store->set_version(10);
  ASSERT_OK(directory->Save(store->checkpointer()));
  const std::string name = "dime/race.vocabulary";
  const JobExamination whole = Examine();
  EXPECT_TRUE(whole.is_sound());
  EXPECT_THAT(Of(name, whole), Is(Condition::kSound, "a vocabulary of 3 entries"));
  const std::string before = Read(File(name));
  for (const std::string damaged :
       {"Black\nOther\n", "Black\nOther\nWhitf\n", "\nOther\nWhite\n"}) {
    Write(File(name), damaged);
    const JobExamination job = Examine();
    EXPECT_THAT(Of("dime/model.yaml", job), Is(Condition::kDamaged, name));
    EXPECT_THAT(job.obstacle, HasSubstr(name));
  }
  fs::remove(File(name));
  EXPECT_THAT(Examine().obstacle, HasSubstr(name));
  Write(File(name), before);
  EXPECT_TRUE(Examine().is_sound());
}

TEST_F(JobExaminationTest, ADamagedPageOfLeasesIsAnObstacleOnceThereAreSteps) {
  for (const int step : {0, 10}) {
    SaveSteps({step});
    Write(File("dime/leases"), "no leases");
    const JobExamination job = Examine();
    EXPECT_THAT(job.resume_step, Optional(step));
    EXPECT_EQ(Of("dime/leases", job).condition, Condition::kDamaged);
    EXPECT_EQ(job.obstacle.empty(), step == 0) << job.obstacle;
  }
  EXPECT_THAT(Examine().obstacle, HasSubstr("unless in sync: "));
}

TEST_F(JobExaminationTest, WhatAKilledRunLeftIsNoDamage) {
  SaveSteps({10, 20});
  SaveSteps({30});
  Write(File("checkpoint"),
        "model_checkpoint_path: \"model.ckpt-20\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-10\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-20\"\n");
  Write(File("dime/.dime-part-job.yaml.1-1"), "seed");
  const JobExamination whole = Examine();
  EXPECT_TRUE(whole.is_sound());
  EXPECT_THAT(whole.resume_step, Optional(20));
  EXPECT_EQ(Of("model.ckpt-30", whole).condition, Condition::kSound);
  EXPECT_EQ(Of("dime/.dime-part-job.yaml.1-1", whole).condition, Condition::kLeftover);
  fs::remove(File("model.ckpt-30.index"));
  const JobExamination half = Examine();
  EXPECT_TRUE(half.is_sound());
  EXPECT_EQ(Of("model.ckpt-30", half).condition, Condition::kLeftover);
}

TEST_F(JobExaminationTest, ABundleOfAUsersIsNotTheJobs) {
  SaveSteps({10});
  for (const std::string suffix : {".index", ".data-00000-of-00001"}) {
    fs::copy(File("model.ckpt-10" + suffix), File("model.ckpt-77" + suffix));
  }
  const JobExamination job = Examine();
  EXPECT_TRUE(job.is_sound());
  EXPECT_THAT(job.resume_step, Optional(10));
  EXPECT_EQ(Of("model.ckpt-77", job).condition, Condition::kNote);
}

TEST_F(JobExaminationTest, AJobMayRunAndStartMeanwhile) {
  SaveSteps({10});
  ASSERT_OK_AND_ASSIGN(auto directory, Open());
  EXPECT_TRUE(Examine().is_running);
  directory.reset();
  EXPECT_FALSE(Examine().is_running);
  ASSERT_OK(Open());
}

TEST_F(JobExaminationTest, EventsAreReadToTheirEnd) {
  SaveSteps({10});
  std::string events;
  for (const std::string record : {"one", "two", "three"}) records::AppendRecord(record, &events);
  const std::string name = "events.out.tfevents.1.host";
  Write(File(name), events);
  EXPECT_THAT(Of(name, Examine()), Is(Condition::kSound, "3 events"));
  Write(File(name), events.substr(0, events.size() - 2));
  EXPECT_THAT(Of(name, Examine()), Is(Condition::kNote, "2 events; the last one is cut"));
  events[20] ^= 1;
  Write(File(name), events);
  EXPECT_THAT(Of(name, Examine()), Is(Condition::kDamaged, "event 1, at byte 19"));
}

TEST_F(JobExaminationTest, AnotherModelsCheckpointIsAnObstacle) {
  SaveSteps({10});
  models::ModelDescription other = testing::SmallCensus();
  other.estimator.hidden_units = {16, 4};
  const std::string page = Read(File("dime/model.yaml"));
  fs::remove_all(Path());
  ASSERT_OK(
      Open(models::Model(other))
          .value()
          ->Save((*InProcessStore::Create(models::Model(other).tables(), 1))->checkpointer()));
  Write(File("dime/model.yaml"), page);
  const JobExamination job = Examine();
  EXPECT_FALSE(job.is_sound());
  EXPECT_THAT(job.obstacle, HasSubstr("another model"));
}

}  // namespace
}  // namespace dime::worker
