// Jobs whose disk fails while they save, alone and as clusters: training goes on, the checkpoint
// before stays, the log is loud. tests/support/fault_shim.cc makes calls fail.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/records/events.h"
#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::Ended;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

struct Shape {
  const char* name;
  std::vector<std::string> flags;
  std::string last_part;  // Of a checkpoint's data, and who writes it.
  std::string writer;
  int stride;  // Of the calls that fail one at a time: a cluster takes its time.
};

class FailingDiskTest : public ::testing::TestWithParam<Shape> {
 protected:
  std::vector<std::string> Train(const std::vector<std::string>& own, int num_steps) const {
    std::vector<std::string> flags = {"--export-name="};
    flags.insert(flags.end(), GetParam().flags.begin(), GetParam().flags.end());
    flags.insert(flags.end(), own.begin(), own.end());
    return TrainingWords(job_dir_, flags, rows_, {"--train-steps", std::to_string(num_steps)});
  }
  Ended Dime(const std::vector<std::string>& words, const std::string& faults = "") const {
    if (faults.empty()) return Process(dir_, words).Wait();
    // A sanitizer's library need not come first.
    return Process(dir_, words,
                   {.environment = {"LD_PRELOAD=" DIME_FAULT_SHIM, "DIME_FAULTS=" + faults,
                                    "ASAN_OPTIONS=verify_asan_link_order=0"}})
        .Wait();
  }
  // Checks that the directory is sound, and from which step it goes on.
  void ExpectSound(int resume_step) const {
    const Ended ended = Dime({"doctor", job_dir_, "--format", "json"});
    EXPECT_EQ(ended.exit_code, 0) << ended.out;
    EXPECT_EQ(nlohmann::json::parse(ended.out)["resume_step"], resume_step) << ended.out;
  }
  std::vector<std::string> FilesOf(const std::string& checkpoint) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(job_dir_)) {
      const std::string name = entry.path().filename();
      if (name.find(checkpoint + ".") != name.npos) names.push_back(name);
    }
    return names;
  }
  // A rule for the data file of checkpoints that is written last, while it has no name yet.
  std::string Fault(const std::string& call, const std::string& steps,
                    const std::string& what) const {
    return fmt::format("{} */.dime-part-model.ckpt-{}.data-{}* {}", call, steps,
                       GetParam().last_part, what);
  }

  const TempDir dir_;
  const std::string job_dir_ = dir_.File("job");
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), 400);
};

const Shape kShapes[] = {
    {.name = "OneProcess",
     .flags = {"--threads=1"},
     .last_part = "00000-of-00001",
     .writer = "",
     .stride = 4},
    {.name = "Cluster",
     .flags = {"--distributed", "--worker-count=2", "--parameter-server-count=2", "--consistency",
               "sync", "--micro-batches=3", "--threads=1"},
     .last_part = "00001-of-00002",
     .writer = "ps-1",
     .stride = 10},
};
INSTANTIATE_TEST_SUITE_P(Shapes, FailingDiskTest, ::testing::ValuesIn(kShapes),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(FailingDiskTest, TrainingGoesOnAndTheAlarmSaysWhatFailedAndWhatStays) {
  const struct {
    const char* call;
    int error_number;
  } faults[] = {{"write", ENOSPC}, {"write", EDQUOT}, {"write", EFBIG},
                {"write", EIO},    {"fsync", EIO},    {"open", EMFILE}};
  for (const auto& [call, error_number] : faults) {
    SCOPED_TRACE(fmt::format("{}: {}", call, std::strerror(error_number)));
    fs::remove_all(job_dir_);
    const Ended ended = Dime(Train({"--checkpoint-steps=10"}, 30),
                             Fault(call, "20", fmt::format("errno={}", error_number)));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_THAT(ended.err,
                AllOf(HasSubstr("ERROR"), HasSubstr("no checkpoint after step 20, 1 in a row"),
                      HasSubstr(GetParam().writer), HasSubstr(std::strerror(error_number)),
                      HasSubstr("model.ckpt-20.data-" + GetParam().last_part),
                      HasSubstr("the last one stays, " + job_dir_ + "/model.ckpt-10"),
                      HasSubstr("training goes on")));
    EXPECT_THAT(FilesOf("model.ckpt-20"), IsEmpty());
    ExpectSound(30);
  }
}

TEST_P(FailingDiskTest, ThreeFailedSavesInARowEndTheJob) {
  const std::string fault = Fault("fsync", "[1-9]*", fmt::format("errno={}", EIO));
  const Ended ended = Dime(Train({"--checkpoint-steps=10"}, 1000), fault);
  EXPECT_EQ(ended.exit_code, 74) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("no checkpoint after step 10, 1 in a row"),
                               HasSubstr("no checkpoint after step 20, 2 in a row"),
                               HasSubstr("3 checkpoints in a row could not be written"),
                               HasSubstr("--max-failed-saves 3"), HasSubstr(std::strerror(EIO)),
                               HasSubstr("the last checkpoint is " + job_dir_ + "/model.ckpt-0")));
  ExpectSound(0);
  EXPECT_EQ(Dime(Train({}, 12)).exit_code, 0);
  ExpectSound(12);
}

TEST_P(FailingDiskTest, HowManyFailedSavesEndTheJobIsTheUsersToSay) {
  const std::string fault = Fault("write", "[1-4]0", fmt::format("errno={}", ENOSPC));
  const Ended once = Dime(Train({"--checkpoint-steps=10", "--max-failed-saves=1"}, 50), fault);
  EXPECT_EQ(once.exit_code, 74) << once.err;
  fs::remove_all(job_dir_);
  const Ended never = Dime(Train({"--checkpoint-steps=10", "--max-failed-saves=0"}, 50), fault);
  EXPECT_EQ(never.exit_code, 0) << never.err;
  EXPECT_THAT(never.err, HasSubstr("no checkpoint after step 40, 4 in a row"));
  ExpectSound(50);
}

TEST_P(FailingDiskTest, TheLastSaveHasToSucceed) {
  const Ended ended = Dime(Train({"--checkpoint-steps=10"}, 25),
                           Fault("write", "25", fmt::format("errno={}", EIO)));
  EXPECT_EQ(ended.exit_code, 74) << ended.err;
  EXPECT_THAT(ended.err,
              AllOf(HasSubstr("no checkpoint after step 25"), HasSubstr(std::strerror(EIO)),
                    HasSubstr("goes on from " + job_dir_ + "/model.ckpt-20")));
  EXPECT_FALSE(fs::exists(job_dir_ + "/model.ckpt-25.index"));
  ExpectSound(20);
}

TEST_P(FailingDiskTest, ShortWritesAreWritesAllTheSame) {
  const Ended ended = Dime(Train({"--checkpoint-steps=10"}, 20),
                           "write */job/.dime-part-model* short=9999;write */job/* short=7");
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, Not(HasSubstr("ERROR")));
  ExpectSound(20);
}

// The checkpoint of step 10 is so late that others' summaries overtake its event.
TEST_P(FailingDiskTest, ASlowDiskStopsNoTraining) {
  const Ended ended = Dime(Train({"--checkpoint-steps=5000", "--summary-steps=10"}, 9000),
                           Fault("fsync", "5000", "ms=3000"));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  std::vector<records::Event> events;
  for (const auto& entry : fs::directory_iterator(job_dir_)) {
    if (entry.path().filename().string().find("tfevents") == std::string::npos) continue;
    events = *records::ReadEvents(ReadText(entry.path()));
  }
  std::int64_t newest_summary = 0;
  for (const records::Event& event : events) {
    if (!event.scalars.empty()) newest_summary = std::max(newest_summary, event.step);
    if (event.step == 5000 && event.scalars.empty() && event.histogram_tags.empty()) break;
  }
  EXPECT_GT(newest_summary, 5000);
  ExpectSound(9000);
}

// Wherever it strikes, a call that fails once costs a checkpoint at most.
TEST_P(FailingDiskTest, AnyOneCallMayFail) {
  constexpr int kNumCalls = 30;
  for (const std::string call : {"open", "write", "fsync", "rename"}) {
    for (int nth = 1; nth <= kNumCalls; nth += GetParam().stride) {
      SCOPED_TRACE(fmt::format("{} {}", call, nth));
      fs::remove_all(job_dir_);
      ASSERT_EQ(Dime(Train({}, 2)).exit_code, 0);
      const Ended ended =
          Dime(Train({"--checkpoint-steps=10"}, 25),
               fmt::format("{} {}* nth={} for=1 errno={}", call, job_dir_, nth, EIO));
      const Ended found = Dime({"doctor", job_dir_, "--format", "json"});
      ASSERT_EQ(found.exit_code, 0) << found.out << ended.err;
      const int step = nlohmann::json::parse(found.out)["resume_step"];
      ASSERT_TRUE(ended.exit_code == 0 ? step == 25 : ended.exit_code == 74)
          << ended.exit_code << ", step " << step << ": " << ended.err;
    }
  }
}

TEST_P(FailingDiskTest, AFullFileSystemKeepsWhatItHas) {
  const std::string mount = dir_.File("small");
  fs::create_directory(mount);
  const std::string script = fmt::format(
      "mount -t tmpfs -o size=64m none '{0}' || exit 99; shift; \"$0\" \"$@\"; code=$?; "
      "'{1}' doctor '{0}/job'; echo \"doctor: $?\"; exit $code",
      mount, DIME_PROGRAM);
  std::vector<std::string> words = {"-m", "sh", "-c", script, DIME_PROGRAM, "shifted away"};
  for (std::string& word : Train({"--checkpoint-steps=10", "--max-checkpoints=1000"}, 100'000)) {
    words.push_back(word == job_dir_ ? mount + "/job" : word);
  }
  const Ended ended = Process(dir_, words, {.program = "unshare"}).Wait();
  if (ended.err.find("unshare:") != std::string::npos || ended.exit_code == 99) {
    GTEST_SKIP() << "no file system of its own can be mounted here: " << ended.err;
  }
  EXPECT_EQ(ended.exit_code, 74) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("2 in a row now"), HasSubstr("No space left on device"),
                               HasSubstr("3 checkpoints in a row could not be written")));
  EXPECT_THAT(ended.out, AllOf(HasSubstr("\nsound: a job goes on from step "),
                               HasSubstr("doctor: 0"), Not(HasSubstr("leftover"))));
}

TEST_P(FailingDiskTest, AFileSizeLimitIsAFullDisk) {
  std::vector<std::string> words = {"-c", "ulimit -f 8; \"$0\" \"$@\"",
                                    DIME_PROGRAM};  // In KiB; a checkpoint has more.
  for (const std::string& word : Train({"--checkpoint-steps=10"}, 100)) words.push_back(word);
  ASSERT_EQ(Dime(Train({}, 2)).exit_code, 0);
  const Ended ended = Process(dir_, words, {.program = "bash"}).Wait();
  EXPECT_EQ(ended.exit_code, 74) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("File too large"));
  ExpectSound(2);
}

}  // namespace
}  // namespace dime::cli
