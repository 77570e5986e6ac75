#include "worker/job_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/worker/saved_job.h"

namespace dime::worker {
namespace {

namespace fs = std::filesystem;
using ::dime::testing::SmallCensus;
using ::dime::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Optional;

class JobDirectoryTest : public SavedJobTest {
 protected:
  std::vector<std::string> IndexFiles() const { return FilesWith(".index"); }
  std::vector<std::string> CheckpointFiles() const { return FilesWith("model.ckpt-"); }
  std::vector<std::string> FilesWith(const std::string& part) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(Path())) {
      const std::string name = entry.path().filename();
      if (name.find(part) != name.npos) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
  }

  // Takes away what `change` changes in a file of the directory: as if it had not come to that.
  void Undo(const std::string& name, const std::function<void()>& change) {
    const std::string before = Read(File(name));
    change();
    Write(File(name), before);
  }
};

TEST_F(JobDirectoryTest, ANewDirectoryHasNoCheckpoint) {
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  EXPECT_TRUE(fs::is_regular_file(File("dime/model.yaml")));
  EXPECT_TRUE(fs::is_regular_file(File("dime/job.yaml")));
  EXPECT_EQ(directory->newest_checkpoint(), "");
  const auto store = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
  EXPECT_EQ(step, std::nullopt);
}

TEST_F(JobDirectoryTest, RestoreGivesBackWhatWasSaved) {
  SaveSteps({0, 20, 100});
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  const auto store = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
  EXPECT_THAT(step, Optional(100));
  EXPECT_EQ(directory->newest_checkpoint(), File("model.ckpt-100"));
  for (const ps::Table* const table : store->tables()) {
    const std::int64_t last_row = table->spec().num_rows - 1;
    EXPECT_EQ(table->weights(last_row)[0], 100.0f) << table->spec().name;
    for (int slot = 0; slot < ops::NumSlots(table->spec().optimizer.kind); ++slot) {
      EXPECT_EQ(table->slot(last_row, slot)[0], 100.0f) << table->spec().name;
    }
  }
}

TEST_F(JobDirectoryTest, SavingTheNewestStepAgainDoesNothing) {
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  ASSERT_OK(directory->Save(StoreOf(7, 7)->checkpointer()));
  const std::string before = Read(File("model.ckpt-7.data-00000-of-00001"));
  ASSERT_OK(directory->Save(StoreOf(8, 7)->checkpointer()));
  EXPECT_EQ(Read(File("model.ckpt-7.data-00000-of-00001")), before);
}

TEST_F(JobDirectoryTest, OnlyTheNewestCheckpointsAreKept) {
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(model_, {}, /*max_to_keep=*/2));
  for (const int step : {1, 2, 3, 4}) ASSERT_OK(directory->Save(StoreOf(1, step)->checkpointer()));
  EXPECT_THAT(IndexFiles(), ElementsAre("model.ckpt-3.index", "model.ckpt-4.index"));
  EXPECT_FALSE(fs::exists(File("model.ckpt-2.data-00000-of-00001")));
  const std::string state = Read(File("checkpoint"));
  EXPECT_THAT(state, AllOf(HasSubstr("model.ckpt-3"), HasSubstr("model.ckpt-4")));
  EXPECT_EQ(state.find("model.ckpt-2"), state.npos);
}

TEST_F(JobDirectoryTest, TheGraphOfADeletedTensorFlowCheckpointGoesToo) {
  SaveSteps({1});
  Write(File("model.ckpt-1.meta"), "graph");
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(model_, {}, /*max_to_keep=*/1));
  ASSERT_OK(directory->Save(StoreOf(2, 2)->checkpointer()));
  EXPECT_FALSE(fs::exists(File("model.ckpt-1.meta")));
}

TEST_F(JobDirectoryTest, AFailedSaveLeavesTheCheckpointsFromBefore) {
  SaveSteps({1});
  fs::create_directory(File("model.ckpt-2.data-00000-of-00001"));
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  EXPECT_FALSE(directory->Save(StoreOf(2, 2)->checkpointer()).ok());
  const auto store = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
  EXPECT_THAT(step, Optional(1));
  EXPECT_THAT(IndexFiles(), ElementsAre("model.ckpt-1.index"));
}

TEST_F(JobDirectoryTest, AnotherModelIsRefusedWithTheDifferences) {
  SaveSteps({1});
  models::ModelDescription description = SmallCensus();
  description.estimator.hidden_units = {16, 4};
  const models::Model other(description);
  EXPECT_THAT(Open(other), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    AllOf(HasSubstr(Path()), HasSubstr("hidden_units"))));
}

TEST_F(JobDirectoryTest, AnotherModelsCheckpointIsRefusedWithoutItsDescription) {
  SaveSteps({1});
  fs::remove(File("dime/model.yaml"));
  models::ModelDescription description = SmallCensus();
  description.estimator.hidden_units = {16, 4};
  const models::Model other(description);
  EXPECT_THAT(Open(other), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("dnn/hiddenlayer_0/kernel")));
}

TEST_F(JobDirectoryTest, ARefusedDirectoryStaysAsItIs) {
  SaveSteps({1});
  const std::string before = Read(File("dime/model.yaml"));
  models::ModelDescription description = SmallCensus();
  description.estimator.hidden_units = {16, 4};
  const models::Model other(description);
  ASSERT_FALSE(Open(other).ok());
  EXPECT_EQ(Read(File("dime/model.yaml")), before);
}

TEST_F(JobDirectoryTest, AnotherLearningRateIsNoOtherModel) {
  SaveSteps({1});
  models::ModelDescription description = SmallCensus();
  description.estimator.dnn_optimizer.learning_rate = 0.01f;
  const models::Model other(description);
  ASSERT_OK(Open(other));
  EXPECT_THAT(Read(File("dime/model.yaml")), HasSubstr("0.01"));
}

TEST_F(JobDirectoryTest, ADescriptionThatCannotBeReadIsNamed) {
  SaveSteps({1});
  Write(File("dime/model.yaml"), "columns: [");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dime/model.yaml")));
}

TEST_F(JobDirectoryTest, TheSeedIsKept) {
  SaveSteps({1}, 42);
  {
    ASSERT_OK_AND_ASSIGN(const auto again, Open(model_));
    EXPECT_EQ(again->seed(), 42u);
  }
  ASSERT_OK(Open(model_, 42));
}

TEST_F(JobDirectoryTest, TheLargestSeedIsKept) {
  SaveSteps({1}, ~std::uint64_t{0});
  ASSERT_OK_AND_ASSIGN(const auto again, Open(model_));
  EXPECT_EQ(again->seed(), ~std::uint64_t{0});
}

TEST_F(JobDirectoryTest, AnotherSeedIsRefusedWithBothValues) {
  SaveSteps({1}, 42);
  EXPECT_THAT(Open(model_, 43), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         AllOf(HasSubstr("seed 42"), HasSubstr("43"))));
}

TEST_F(JobDirectoryTest, OtherTrainingDataAreLoggedOnce) {
  const auto set_data = [&](const DataFacts& data) {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open());
    ASSERT_OK(directory->SetTrainData(data));
    ASSERT_OK(directory->Save(StoreOf(1, 1)->checkpointer()));
  };
  const auto warning_for = [&](const DataFacts& data) {
    ::testing::internal::CaptureStderr();
    set_data(data);
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(warning_for({.num_records = 10, .size_bytes = 100}), "");
  EXPECT_EQ(warning_for({.num_records = 10, .size_bytes = 100}), "");
  EXPECT_THAT(warning_for({.num_records = 10, .size_bytes = 101}),
              AllOf(HasSubstr("10 records in 100 bytes"), HasSubstr("10 in 101")));
  EXPECT_THAT(warning_for({.num_records = 11, .size_bytes = 101}), HasSubstr("are 11 in 101"));
  EXPECT_EQ(warning_for({.num_records = 11, .size_bytes = 101}), "");
}

TEST_F(JobDirectoryTest, ADirectoryThatKnowsNoTrainingDataTakesAny) {
  SaveSteps({1}, 42);
  Write(File("dime/job.yaml"), "seed: 42\norder: shuffled\n");
  ::testing::internal::CaptureStderr();
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  ASSERT_OK(directory->SetTrainData({.num_records = 10, .size_bytes = 100}));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(Read(File("dime/job.yaml")), HasSubstr("train_data: {records: 10, bytes: 100}"));
}

TEST_F(JobDirectoryTest, ASeedThatCannotBeReadIsNamed) {
  SaveSteps({1});
  for (const char* const damage : {"seed: twelve", "", "[", "seed: -1", "- 1"}) {
    Write(File("dime/job.yaml"), damage);
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("dime/job.yaml")))
        << damage;
  }
}

TEST_F(JobDirectoryTest, EveryKindOfDamageIsPassedOver) {
  const std::string data = File("model.ckpt-2.data-00000-of-00001");
  const std::string index = File("model.ckpt-2.index");
  const auto flip = [](const std::string& path) {
    std::string bytes = Read(path);
    bytes[bytes.size() / 2] ^= 1;
    Write(path, bytes);
  };
  const auto cut = [](const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); };
  const std::function<void()> damages[] = {[&] { fs::remove(data); },
                                           [&] { fs::remove(index); },
                                           [&] { cut(data); },
                                           [&] { cut(index); },
                                           [&] { flip(data); },
                                           [&] { flip(index); },
                                           [&] { fs::resize_file(data, 0); },
                                           [&] { fs::resize_file(index, 0); },
                                           [&] {
                                             fs::remove(data);
                                             fs::create_directory(data);
                                           }};
  for (std::size_t i = 0; i < std::size(damages); ++i) {
    SCOPED_TRACE(i);
    fs::remove_all(Path());
    SaveSteps({1, 2});
    damages[i]();
    ASSERT_OK_AND_ASSIGN(const auto directory, Open());
    const auto store = NewStore();
    ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
    EXPECT_THAT(step, Optional(1));
    EXPECT_EQ(FirstWeight(*store), 1.0f);
    EXPECT_EQ(directory->newest_checkpoint(), File("model.ckpt-1"));
  }
}

TEST_F(JobDirectoryTest, ADamagedCheckpointIsReplacedWhenItsStepIsSavedAgain) {
  SaveSteps({1, 2});
  fs::resize_file(File("model.ckpt-2.data-00000-of-00001"), 10);
  {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open());
    ASSERT_OK(directory->Restore(NewStore()->checkpointer()));
    ASSERT_OK(directory->Save(StoreOf(22, 2)->checkpointer()));
  }
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  const auto store = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
  EXPECT_THAT(step, Optional(2));
  EXPECT_EQ(FirstWeight(*store), 22.0f);
}

TEST_F(JobDirectoryTest, WhatIsReplacedIsNotNamedMeanwhile) {
  SaveSteps({1, 2});
  fs::resize_file(File("model.ckpt-2.data-00000-of-00001"), 10);
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  ASSERT_OK(directory->Restore(NewStore()->checkpointer()));
  const auto store = StoreOf(22, 2);
  ASSERT_OK(directory->BeginSave(store->checkpointer()));
  EXPECT_THAT(Read(File("checkpoint")), Not(HasSubstr("model.ckpt-2")));
  directory->GiveUpSave();
  EXPECT_FALSE(directory->is_saving());
  EXPECT_THAT(Read(File("checkpoint")), HasSubstr("model_checkpoint_path: \"model.ckpt-1\""));
  ASSERT_OK(directory->Save(store->checkpointer()));
  EXPECT_THAT(Read(File("checkpoint")), HasSubstr("model_checkpoint_path: \"model.ckpt-2\""));
}

TEST_F(JobDirectoryTest, StrictTakesTheNewestCheckpointOrNone) {
  const auto restore = [&]() -> absl::Status {
    DIME_ASSIGN_OR_RETURN(const auto directory,
                          JobDirectory::Open(Path(), model_, /*seed=*/{}, {.strict = true}));
    return directory->Restore(NewStore()->checkpointer()).status();
  };
  SaveSteps({1, 2});
  EXPECT_OK(restore());
  const std::string state = Read(File("checkpoint"));
  Write(File("checkpoint"),
        "model_checkpoint_path: \"model.ckpt-1\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-2\"\n");
  EXPECT_THAT(restore(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--strict")));
  Write(File("checkpoint"), state);
  fs::resize_file(File("model.ckpt-2.data-00000-of-00001"), 10);
  EXPECT_THAT(restore(), StatusIs(absl::StatusCode::kDataLoss,
                                  AllOf(HasSubstr("model.ckpt-2"), HasSubstr("--strict"))));
}

TEST_F(JobDirectoryTest, WithoutASoundCheckpointTheNewestDamageIsReported) {
  SaveSteps({1, 2});
  for (const char* const step : {"1", "2"}) {
    fs::resize_file(File(std::string("model.ckpt-") + step + ".data-00000-of-00001"), 10);
  }
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  EXPECT_THAT(directory->Restore(NewStore()->checkpointer()),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("model.ckpt-2")));
}

TEST_F(JobDirectoryTest, CheckpointsAreFoundByTheirNamesWhenTheStateIsDamaged) {
  SaveSteps({9, 10, 100});
  Write(File("model.ckpt-x.index"), "");
  Write(File("model.ckpt-5000.index-copy"), "");
  Write(File("checkpoint"), "model_checkpoint_path: \"model.ck");
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(NewStore()->checkpointer()));
  EXPECT_THAT(step, Optional(100));
}

TEST_F(JobDirectoryTest, CheckpointsAreFoundByTheirNamesWhenTheStateIsGoneOrNamesOthers) {
  SaveSteps({9, 10, 100});
  for (const char* const state : {"", "model_checkpoint_path: \"model.ckpt-999\"\n"}) {
    fs::remove(File("checkpoint"));
    if (*state != '\0') Write(File("checkpoint"), state);
    ASSERT_OK_AND_ASSIGN(const auto directory, Open());
    ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(NewStore()->checkpointer()));
    EXPECT_THAT(step, Optional(100));
  }
}

TEST_F(JobDirectoryTest, WithoutACheckpointAnythingMayStillChange) {
  ASSERT_OK(Open(model_, 42));
  models::ModelDescription description = SmallCensus();
  description.estimator.hidden_units = {16, 4};
  const models::Model other(description);
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(other, 43));
  EXPECT_EQ(directory->seed(), 43u);
  EXPECT_THAT(Read(File("dime/model.yaml")), HasSubstr("[16, 4]"));
}

TEST_F(JobDirectoryTest, OneJobAtATime) {
  ASSERT_OK_AND_ASSIGN(const auto first, Open());
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kAborted,
                               AllOf(HasSubstr(Path()), HasSubstr("another job"))));
}

TEST_F(JobDirectoryTest, AMovedDirectoryWithAbsolutePrefixesIsFound) {
  SaveSteps({1});
  Write(File("checkpoint"),
        "model_checkpoint_path: \"/elsewhere/model.ckpt-1\"\n"
        "all_model_checkpoint_paths: \"/elsewhere/model.ckpt-1\"\n");
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(NewStore()->checkpointer()));
  EXPECT_THAT(step, Optional(1));
}

TEST_F(JobDirectoryTest, RetentionDeletesNothingOutsideTheDirectory) {
  SaveSteps({1});
  fs::create_directory(parent_.File("other"));
  for (const auto& entry : fs::directory_iterator(Path())) {
    if (entry.is_regular_file()) {
      fs::copy(entry.path(), parent_.File("other") / entry.path().filename());
    }
  }
  Write(File("checkpoint"),
        "model_checkpoint_path: \"../other/model.ckpt-1\"\n"
        "all_model_checkpoint_paths: \"../other/model.ckpt-1\"\n");
  ASSERT_OK_AND_ASSIGN(const auto directory, Open(model_, {}, /*max_to_keep=*/1));
  ASSERT_OK(directory->Save(StoreOf(2, 2)->checkpointer()));
  EXPECT_TRUE(fs::exists(parent_.File("other/model.ckpt-1.index")));
}

TEST_F(JobDirectoryTest, WhatAKilledRunLeftIsDeleted) {
  SaveSteps({1});
  const auto files = [&] {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(Path())) paths.push_back(entry);
    std::ranges::sort(paths);
    return paths;
  };
  const std::vector<fs::path> before = files();
  for (const char* const name : {"model.ckpt-2.data-00000-of-00001", "dime/job.yaml"}) {
    ASSERT_OK_AND_ASSIGN(auto file, storage::LocalFileSystem().CreateAtomically(File(name)));
    const std::vector<fs::path> with_unfinished = files();
    std::vector<fs::path> unfinished;
    std::ranges::set_difference(with_unfinished, before, std::back_inserter(unfinished));
    ASSERT_EQ(unfinished.size(), 1u) << "the file system writes in place?";
    file.reset();
    Write(unfinished.front(), "half");  // What stays when nobody could clean up.
    ASSERT_OK(Open());
    EXPECT_EQ(files(), before);
  }
}

// A run that was killed when its bundle was there and `checkpoint` did not name it yet.
TEST_F(JobDirectoryTest, ABundleThatIsNotNamedYetStandsBehindTheNamedOnes) {
  SaveSteps({1, 2});
  Undo("checkpoint", [&] { SaveSteps({3}); });
  {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open());
    ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(NewStore()->checkpointer()));
    EXPECT_THAT(step, Optional(2));
  }
  for (const char* const step : {"1", "2"}) {
    fs::resize_file(File(std::string("model.ckpt-") + step + ".data-00000-of-00001"), 10);
  }
  ASSERT_OK_AND_ASSIGN(const auto directory, Open());
  const auto store = NewStore();
  ASSERT_OK_AND_ASSIGN(const auto step, directory->Restore(store->checkpointer()));
  EXPECT_THAT(step, Optional(3));
  EXPECT_EQ(FirstWeight(*store), 3.0f);
}

TEST_F(JobDirectoryTest, ABundleThatIsNotNamedYetIsTheFirstToGo) {
  SaveSteps({1, 2});
  Undo("checkpoint", [&] { SaveSteps({3}); });
  {
    ASSERT_OK_AND_ASSIGN(const auto directory, Open(model_, {}, /*max_to_keep=*/3));
    ASSERT_OK(directory->Restore(NewStore()->checkpointer()));
    ASSERT_OK(directory->Save(StoreOf(4, 4)->checkpointer()));
  }
  EXPECT_THAT(IndexFiles(),
              ElementsAre("model.ckpt-1.index", "model.ckpt-2.index", "model.ckpt-4.index"));
}

// A run that was killed when `checkpoint` named its bundle, and the old one was to go.
TEST_F(JobDirectoryTest, AnOldCheckpointThatCouldNotBeDeletedAnyMoreGoesNextTime) {
  SaveSteps({1, 2});
  const std::vector<std::string> old = FilesWith("model.ckpt-1.");
  for (std::size_t num_left = 1; num_left <= old.size(); ++num_left) {
    std::vector<std::string> contents;
    for (const std::string& name : old) contents.push_back(Read(File(name)));
    SaveSteps({3}, {}, /*max_to_keep=*/2);
    ASSERT_THAT(FilesWith("model.ckpt-1."), ElementsAre());
    for (std::size_t i = 0; i < num_left; ++i) Write(File(old[i]), contents[i]);
    SaveSteps({4}, {}, /*max_to_keep=*/2);
    EXPECT_THAT(IndexFiles(), ElementsAre("model.ckpt-3.index", "model.ckpt-4.index"));
    EXPECT_EQ(CheckpointFiles().size(), 4) << num_left;
    fs::remove_all(Path());
    SaveSteps({1, 2});
  }
}

// A run that was killed between a bundle's data and its index.
TEST_F(JobDirectoryTest, DataThatNeverGotTheirIndexAreDeleted) {
  SaveSteps({1});
  Undo("checkpoint", [&] { SaveSteps({2}); });
  fs::remove(File("model.ckpt-2.index"));
  ASSERT_OK(Open());
  EXPECT_THAT(CheckpointFiles(),
              ElementsAre("model.ckpt-1.data-00000-of-00001", "model.ckpt-1.index"));
}

TEST_F(JobDirectoryTest, CheckpointsThatAUserPutThereStay) {
  SaveSteps({1, 2, 3});
  const std::vector<std::string> foreign = {"model.ckpt-0007.index",
                                            "model.ckpt-1-best.index",
                                            "model.ckpt-1-best.data-00000-of-00001",
                                            "model.ckpt-500.data-00000-of-00002",
                                            "model.ckpt-700.data-00000-of-00001",
                                            "model.ckpt-700.index",
                                            "model.ckpt-700.meta",
                                            "best.ckpt-1.index"};
  for (const std::string& name : foreign) Write(File(name), "a user's");
  for (const int step : {4, 5, 6}) SaveSteps({step}, {}, /*max_to_keep=*/1);
  for (const std::string& name : foreign) EXPECT_EQ(Read(File(name)), "a user's") << name;
  EXPECT_EQ(CheckpointFiles().size(), foreign.size() - 1 + 2);
}

TEST_F(JobDirectoryTest, InputMemoryIsTheJobsOwnUnlessGiven) {
  const auto open = [&](std::optional<std::uint64_t> input_memory) {
    auto directory = JobDirectory::Open(Path(), model_, {}, {.input_memory = input_memory});
    EXPECT_OK(directory);
    EXPECT_OK((*directory)->Save(StoreOf(1, 1)->checkpointer()));
    return (*directory)->input_memory();
  };
  EXPECT_EQ(open({}), std::uint64_t{1} << 30);
  EXPECT_EQ(open(5000), 5000u);
  EXPECT_EQ(open({}), 5000u);
}

TEST_F(JobDirectoryTest, AFileInThePlaceOfTheDirectoryIsAnError) {
  Write(Path(), "a file");
  EXPECT_FALSE(Open().ok());
  EXPECT_EQ(Read(Path()), "a file");
}

}  // namespace
}  // namespace dime::worker
