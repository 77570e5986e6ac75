// A job directory whose checkpoints build on each other: which of them are kept, which are sound,
// and what is gone on from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/checkpoint/bundle.h"
#include "runtime/checkpoint/checkpoint_state.h"
#include "runtime/storage/file_system.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"
#include "tests/worker/small_model.h"
#include "worker/in_process_store.h"
#include "worker/job_directory.h"
#include "worker/job_examination.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::Optional;

models::ModelDescription UnboundedDescription() {
  models::ModelDescription description = testing::SmallDescription();
  description.columns[0].kind =
      models::HashBucketColumn{.field = "color",
                               .num_buckets = ops::UnboundedRows::kNumIds,
                               .unbounded = {{.admit_after = 2, .max_bytes = 4 << 20}}};
  return description;
}

class IncrementalCheckpointsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<JobDirectory>> Open(int full_every, int max_to_keep,
                                                     bool strict = false) {
    return JobDirectory::Open(
        Path(), model_, {},
        {.max_to_keep = max_to_keep, .full_every = full_every, .strict = strict});
  }
  std::unique_ptr<InProcessStore> NewStore() const {
    return *InProcessStore::Create(model_.tables(), /*seed=*/1);
  }

  // One step of gradients for ids that come often, and for some that are new.
  void TakeStep(InProcessStore& store) const {
    const std::int64_t step = store.version() + 1;
    ops::Lookups lookups;
    ops::Gradients gradients;
    for (const ops::TableSpec& table : model_.tables()) {
      ops::TableLookup& lookup = lookups.tables.emplace_back();
      std::size_t count = static_cast<std::size_t>(table.num_rows * table.dim);
      if (!table.dense) {
        for (std::int64_t i = 0; i < 40; ++i) lookup.ids.push_back((i * 7 + step) % 600);
        std::ranges::sort(lookup.ids);
        lookup.ids.erase(std::unique(lookup.ids.begin(), lookup.ids.end()), lookup.ids.end());
        count = lookup.ids.size() * static_cast<std::size_t>(table.dim);
      }
      gradients.tables.emplace_back(count, 0.01f * static_cast<float>(step % 7 + 1));
    }
    const Push push = {.step = step, .lookups = &lookups, .gradients = &gradients};
    ASSERT_OK(store.Exchange(&push, {}));
  }
  static absl::Status Save(JobDirectory& directory, InProcessStore& store, SaveKind kind) {
    DIME_RETURN_IF_ERROR(directory.BeginSave(store.checkpointer(), kind).status());
    return directory.FinishSave();
  }
  // A checkpoint after each of so many steps more, each building on the one before where it may.
  void TakeAndSave(JobDirectory& directory, InProcessStore& store, int steps) const {
    for (; steps > 0; --steps) {
      TakeStep(store);
      ASSERT_OK(Save(directory, store, SaveKind::kMayBuildOn));
    }
  }
  // Checkpoints 100 to 100 + count - 1, the first of which stands by itself.
  void SaveChain(int count, int max_to_keep = 5) {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open(/*full_every=*/100, max_to_keep));
    const auto store = NewStore();
    for (int step = 1; step < 100; ++step) TakeStep(*store);
    TakeAndSave(*directory, *store, count);
  }

  // All that a checkpoint of these rows has, if it stands by itself.
  std::string ContentsOf(InProcessStore& store) const {
    const testing::TempDir scratch;
    const std::string prefix = scratch.File("full-0");
    ps::Checkpointer& checkpointer = store.checkpointer();
    EXPECT_OK(checkpointer.Cut());
    EXPECT_OK(checkpointer.StartWriting(prefix));
    EXPECT_OK(checkpointer.AwaitWritten());
    std::ifstream file(prefix + ".data-00000-of-00001", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // None where it stands by itself.
  std::optional<std::int64_t> BaseOf(int step) const {
    const auto bundle = checkpoint::BundleReader::Open(storage::LocalFileSystem(),
                                                       File("model.ckpt-" + std::to_string(step)));
    EXPECT_OK(bundle);
    if (!bundle.ok() || !(*bundle)->tensors().contains("base_step")) return std::nullopt;
    return *(*bundle)->ReadInt64("base_step");
  }
  // The steps of the checkpoints that are named; the same are there.
  std::vector<int> Kept() const {
    std::vector<int> steps;
    const auto state = checkpoint::ReadCheckpointState(storage::LocalFileSystem(), Path());
    EXPECT_OK(state);
    for (const std::string& prefix : state->all_prefixes) {
      steps.push_back(std::stoi(prefix.substr(prefix.rfind('-') + 1)));
      EXPECT_TRUE(fs::exists(File(prefix + ".index"))) << prefix;
    }
    const auto num_indices = std::ranges::count_if(
        fs::directory_iterator(Path()),
        [](const fs::directory_entry& entry) { return entry.path().extension() == ".index"; });
    EXPECT_EQ(static_cast<std::size_t>(num_indices), steps.size());
    return steps;
  }
  absl::StatusOr<std::optional<std::int64_t>> Restore(bool strict = false) {
    DIME_ASSIGN_OR_RETURN(const auto directory, Open(10, 5, strict));
    return directory->Restore(NewStore()->checkpointer());
  }
  JobExamination Examine() const {
    const auto job = ExamineJob(storage::LocalFileSystem(), Path());
    EXPECT_OK(job);
    return job.value_or(JobExamination{});
  }
  static auto Says(const std::string& name, Condition condition, const std::string& detail) {
    return Contains(AllOf(Field(&Finding::name, name), Field(&Finding::condition, condition),
                          Field(&Finding::detail, HasSubstr(detail))));
  }

  std::string Path() const { return parent_.File("job"); }
  std::string File(const std::string& name) const { return Path() + "/" + name; }
  std::string DataFile(int step) const {
    return File("model.ckpt-" + std::to_string(step) + ".data-00000-of-00001");
  }

  const testing::TempDir parent_;
  models::Model model_{UnboundedDescription()};
};

TEST_F(IncrementalCheckpointsTest, OneOfSoManyStandsByItselfAndBasesStayAsLongAsTheyAreNeeded) {
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(/*full_every=*/3, /*max_to_keep=*/2));
  const auto store = NewStore();
  const auto take_one = [&] { TakeAndSave(*directory, *store, 1); };
  take_one();
  EXPECT_THAT(Kept(), ElementsAre(1));
  take_one();
  take_one();
  EXPECT_THAT(Kept(), ElementsAre(1, 2, 3));
  EXPECT_EQ(BaseOf(1), std::nullopt);
  EXPECT_THAT(BaseOf(2), Optional(1));
  EXPECT_THAT(BaseOf(3), Optional(2));
  take_one();
  EXPECT_EQ(BaseOf(4), std::nullopt);
  EXPECT_THAT(Kept(), ElementsAre(1, 2, 3, 4));
  take_one();
  EXPECT_THAT(BaseOf(5), Optional(4));
  EXPECT_THAT(Kept(), ElementsAre(4, 5));
  TakeStep(*store);
  ASSERT_OK(Save(*directory, *store, SaveKind::kFull));  // Whenever it is asked for.
  EXPECT_EQ(BaseOf(6), std::nullopt);
  EXPECT_THAT(Kept(), ElementsAre(4, 5, 6));
  take_one();
  EXPECT_THAT(BaseOf(7), Optional(6));
  EXPECT_THAT(Kept(), ElementsAre(6, 7));
}

TEST_F(IncrementalCheckpointsTest, WhatIsRestoredIsWhatWasThere) {
  ASSERT_OK_AND_ASSIGN(auto directory, Open(/*full_every=*/10, /*max_to_keep=*/5));
  const auto store = NewStore();
  for (int step = 1; step < 100; ++step) TakeStep(*store);
  TakeAndSave(*directory, *store, 4);
  ASSERT_THAT(BaseOf(103), Optional(102));
  EXPECT_LT(fs::file_size(DataFile(103)), fs::file_size(DataFile(100)));
  directory.reset();
  ASSERT_OK_AND_ASSIGN(directory, Open(10, 5));
  const auto restored = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(restored->checkpointer()));
  EXPECT_THAT(step, Optional(103));
  EXPECT_TRUE(ContentsOf(*restored) == ContentsOf(*store));
  // The next one stands by itself, whatever it is asked to be.
  restored->set_version(103);
  TakeStep(*store);
  TakeAndSave(*directory, *restored, 1);
  EXPECT_EQ(BaseOf(104), std::nullopt);
  EXPECT_TRUE(ContentsOf(*restored) == ContentsOf(*store));
}

TEST_F(IncrementalCheckpointsTest, AnotherRunKeepsTheBasesOfTheOneBefore) {
  SaveChain(3);
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(/*full_every=*/10, /*max_to_keep=*/2));
  const auto store = NewStore();
  ASSERT_OK(directory->Restore(store->checkpointer()));
  TakeAndSave(*directory, *store, 1);
  EXPECT_THAT(Kept(), ElementsAre(100, 101, 102, 103));
  TakeAndSave(*directory, *store, 1);
  EXPECT_THAT(Kept(), ElementsAre(103, 104));
}

TEST_F(IncrementalCheckpointsTest, AfterASaveThatFailedTheNextOneStandsByItself) {
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(/*full_every=*/10, /*max_to_keep=*/5));
  const auto store = NewStore();
  TakeAndSave(*directory, *store, 2);
  TakeStep(*store);
  ASSERT_OK(directory->BeginSave(store->checkpointer(), SaveKind::kMayBuildOn));
  directory->GiveUpSave();
  TakeAndSave(*directory, *store, 2);
  EXPECT_THAT(Kept(), ElementsAre(1, 2, 4, 5));
  EXPECT_EQ(BaseOf(4), std::nullopt);
  EXPECT_THAT(BaseOf(5), Optional(4));
}

TEST_F(IncrementalCheckpointsTest, WithoutUnboundedTablesAllStandByThemselves) {
  const models::Model bounded(testing::SmallDescription());
  ASSERT_OK_AND_ASSIGN(const auto directory,
                       JobDirectory::Open(Path(), bounded, {}, {.full_every = 10}));
  const auto store = *InProcessStore::Create(bounded.tables(), /*seed=*/1);
  for (const int step : {1, 2}) {
    store->set_version(step);
    ASSERT_OK(Save(*directory, *store, SaveKind::kMayBuildOn));
    EXPECT_EQ(BaseOf(step), std::nullopt);
  }
}

TEST_F(IncrementalCheckpointsTest, ASoundChainIsSaidToBeSound) {
  SaveChain(3);
  const JobExamination job = Examine();
  EXPECT_TRUE(job.is_sound());
  EXPECT_THAT(job.resume_step, Optional(102));
  EXPECT_THAT(job.findings, Says("model.ckpt-100", Condition::kSound, "step 100"));
  EXPECT_THAT(job.findings,
              Says("model.ckpt-102", Condition::kSound, "step 102, builds on model.ckpt-101"));
}

TEST_F(IncrementalCheckpointsTest, WithoutItsBaseACheckpointIsPassedOverForAnOlderOne) {
  SaveChain(3);
  fs::remove(File("model.ckpt-101.index"));
  fs::remove(DataFile(101));
  const JobExamination job = Examine();
  EXPECT_FALSE(job.is_sound());
  EXPECT_THAT(job.resume_step, Optional(100));
  EXPECT_THAT(job.findings, Says("model.ckpt-102", Condition::kDamaged, "model.ckpt-101"));
  EXPECT_THAT(Restore(/*strict=*/true),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("model.ckpt-102"), HasSubstr("model.ckpt-101"),
                             HasSubstr("missing"), HasSubstr("--strict"))));
  ASSERT_OK_AND_ASSIGN(const auto step, Restore());
  EXPECT_THAT(step, Optional(100));
}

TEST_F(IncrementalCheckpointsTest, WithoutTheFirstOneNothingIsGoneOnFrom) {
  SaveChain(3);
  fs::remove(File("model.ckpt-100.index"));
  EXPECT_THAT(Restore(), StatusIs(absl::StatusCode::kDataLoss,
                                  AllOf(HasSubstr("no sound checkpoint"),
                                        HasSubstr("model.ckpt-100"), HasSubstr("missing"))));
  const JobExamination job = Examine();
  EXPECT_FALSE(job.resume_step.has_value());
  EXPECT_THAT(job.findings, Says("model.ckpt-102", Condition::kDamaged, "model.ckpt-100"));
}

// Wherever it is: also in what the newest checkpoint does not need.
TEST_F(IncrementalCheckpointsTest, AFlippedBitInABaseIsFound) {
  SaveChain(3);
  const auto size = static_cast<std::streamoff>(fs::file_size(DataFile(101)));
  std::fstream file(DataFile(101), std::ios::binary | std::ios::in | std::ios::out);
  const auto flip = [&](std::streamoff at) {
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ 1));
    file.flush();
  };
  constexpr int kNumFlips = 25;
  for (int i = 0; i < kNumFlips; ++i) {
    const std::streamoff at = size / kNumFlips * i;
    flip(at);
    const JobExamination job = Examine();
    EXPECT_THAT(job.findings, Says("model.ckpt-100", Condition::kSound, ""));
    EXPECT_THAT(job.findings, Says("model.ckpt-101", Condition::kDamaged, "CRC"));
    EXPECT_THAT(job.findings, Says("model.ckpt-102", Condition::kDamaged, "model.ckpt-101"));
    if (HasFailure()) FAIL() << "byte " << at;
    flip(at);
  }
  EXPECT_TRUE(Examine().is_sound());
}

}  // namespace
}  // namespace dime::worker
