// A flipped bit, or a cut, in any file that a job goes on from: it is found, or changes nothing.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "tests/worker/saved_job.h"
#include "worker/job_end.h"
#include "worker/job_examination.h"
#include "worker/job_pages.h"
#include "worker/leases/lease_file.h"
#include "worker/own_checkpoints.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr std::size_t kNumFlips = 1000;
constexpr int kNumCuts = 100;

class FlippedBitsTest : public SavedJobTest {
 protected:
  void SetUp() override {
    SaveSteps({10, 20, 30});
    ASSERT_OK(WriteDoneBatches(fs_, Path(), 30, {.ranges = {{3, 9}, {12, 30}}, .num_perhaps = 2}));
    ASSERT_OK(WriteJobEnd(fs_, Path(), kEnd));
  }

  // f() with one bit of a file flipped: at as many offsets, spread over it; all of a small one.
  void WithEachFlip(const std::string& name, const std::function<void()>& f) {
    const std::string path = File(name);
    const std::size_t size = fs::file_size(path);
    const std::size_t num_flips = std::min(size, kNumFlips);
    const std::string before = Read(path);
    const int file = open(path.c_str(), O_RDWR);
    for (std::size_t i = 0; i < num_flips; ++i) {
      const std::size_t offset = i * size / num_flips;
      SCOPED_TRACE(fmt::format("{}, byte {}", name, offset));
      const char flipped = static_cast<char>(before[offset] ^ (1 << (i * 5 + offset) % 8));
      ASSERT_EQ(pwrite(file, &flipped, 1, static_cast<off_t>(offset)), 1);
      f();
      ASSERT_EQ(pwrite(file, &before[offset], 1, static_cast<off_t>(offset)), 1);
      if (HasFailure()) break;
    }
    close(file);
  }
  // The same with the file cut.
  void WithEachCut(const std::string& name, const std::function<void()>& f) {
    const std::string before = Read(File(name));
    for (int i = 0; i < kNumCuts && !HasFailure(); ++i) {
      const std::size_t size = before.size() * static_cast<std::size_t>(i) / kNumCuts;
      SCOPED_TRACE(fmt::format("{}, cut to {} bytes", name, size));
      Write(File(name), before.substr(0, size));
      f();
    }
    Write(File(name), before);
  }
  void WithEachDamage(const std::string& name, const std::function<void()>& f) {
    WithEachFlip(name, f);
    WithEachCut(name, f);
  }

  JobExamination Examine() { return ExamineJob(fs_, Path()).value_or(JobExamination{}); }
  static bool HasDamage(const std::string& name, const JobExamination& job) {
    return std::ranges::any_of(job.findings, [&](const Finding& finding) {
      return finding.name == name && finding.condition == Condition::kDamaged;
    });
  }
  // The step that a job goes on from; its weights must be that step's.
  absl::StatusOr<std::int64_t> Resume() {
    DIME_ASSIGN_OR_RETURN(const auto directory, Open());
    DIME_ASSIGN_OR_RETURN(const auto step, directory->Restore(store_->checkpointer()));
    EXPECT_TRUE(step.has_value());
    for (const ps::Table* const table : store_->tables()) {
      for (std::int64_t row = 0; row < table->num_rows(); ++row) {
        for (const float weight : table->weights(row)) EXPECT_EQ(weight, static_cast<float>(*step));
      }
    }
    return *step;
  }

  static constexpr FinishedJob kEnd = {.global_step = 30, .train_steps = 30, .num_epochs = 0};
  storage::FileSystem& fs_ = storage::LocalFileSystem();
  std::unique_ptr<InProcessStore> store_ = NewStore();
};

TEST_F(FlippedBitsTest, InTheNewestCheckpointAreFoundAndTheOneBeforeIsTaken) {
  for (const std::string name : {"model.ckpt-30.index", "model.ckpt-30.data-00000-of-00001"}) {
    WithEachDamage(name, [&] {
      const auto resumed = Resume();
      ASSERT_OK(resumed);
      EXPECT_EQ(*resumed, 20);
      const JobExamination job = Examine();
      EXPECT_EQ(job.resume_step, 20);
      EXPECT_TRUE(HasDamage("model.ckpt-30", job));
    });
  }
}

TEST_F(FlippedBitsTest, InAnOldCheckpointDoctorFinds) {
  for (const std::string name : {"model.ckpt-10.index", "model.ckpt-10.data-00000-of-00001"}) {
    WithEachDamage(name, [&] {
      const JobExamination job = Examine();
      EXPECT_EQ(job.resume_step, 30);
      EXPECT_TRUE(HasDamage("model.ckpt-10", job));
    });
  }
}

// TensorFlow's page has no checksum.
TEST_F(FlippedBitsTest, InTheCheckpointPageAreFoundOrTheNewestIsTakenAllTheSame) {
  WithEachDamage("checkpoint", [&] {
    const JobExamination job = Examine();
    EXPECT_TRUE(job.resume_step == 30 || !job.is_sound());
    const auto resumed = Resume();
    ASSERT_OK(resumed);
    EXPECT_EQ(*resumed, job.resume_step);
  });
}

TEST_F(FlippedBitsTest, InTheListOfOwnCheckpointsAreFoundOrChangeNothing) {
  WithEachDamage("dime/checkpoints", [&] {
    const JobExamination job = Examine();
    EXPECT_EQ(job.resume_step, 30);
    EXPECT_TRUE(!job.is_sound() ||
                ReadOwnCheckpoints(fs_, Path()).value() ==
                    std::vector<std::string>({"model.ckpt-10", "model.ckpt-20", "model.ckpt-30"}));
  });
}

TEST_F(FlippedBitsTest, InSeedAndOrderAreFoundOrChangeNothing) {
  const std::string before = FormatJobSettings(ReadJobSettings(fs_, Path()).value().value());
  WithEachDamage(kSettingsPage, [&] {
    if (HasDamage(kSettingsPage, Examine())) {
      EXPECT_TRUE(absl::IsDataLoss(Open().status()));
    } else {
      EXPECT_EQ(FormatJobSettings(ReadJobSettings(fs_, Path()).value().value()), before);
    }
  });
}

TEST_F(FlippedBitsTest, InTheModelAreFoundOrChangeNothing) {
  const std::string before = Read(File(kModelPage));
  WithEachDamage(kModelPage, [&] {
    if (HasDamage(kModelPage, Examine())) {
      EXPECT_TRUE(absl::IsDataLoss(Open().status()));
    } else {
      const auto model = ReadJobModel(fs_, Path());
      EXPECT_THAT(before, HasSubstr(models::FormatDescription(**model)));
    }
  });
}

TEST_F(FlippedBitsTest, InTheLeasesAreFoundOrChangeNothing) {
  const auto before = ReadDoneBatches(fs_, Path(), 30);
  WithEachDamage(kLeasesPage, [&] {
    const auto done = ReadDoneBatches(fs_, Path(), 30);
    EXPECT_EQ(HasDamage(kLeasesPage, Examine()), !done.ok());
    if (!done.ok()) return;
    EXPECT_EQ(done->ranges, before->ranges);
    EXPECT_EQ(done->num_perhaps, before->num_perhaps);
  });
}

TEST_F(FlippedBitsTest, InTheEndAreFoundOrChangeNothing) {
  WithEachDamage(kEndPage, [&] {
    const auto end = ReadJobEnd(fs_, Path());
    EXPECT_EQ(HasDamage(kEndPage, Examine()), !end.has_value());
    EXPECT_EQ(end.value_or(kEnd), kEnd);
  });
}

}  // namespace
}  // namespace dime::worker
