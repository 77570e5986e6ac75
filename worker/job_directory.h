// worker/job_directory.h - what a training job leaves on disk, and how it is found again.
//
//   checkpoint                    which bundles there are, the newest last
//   model.ckpt-N.{index,data-*}   weights and slots after N steps; the newest few are kept, and
//   those
//                                 that these build on
//   dime/model.yaml               the model's description
//   dime/job.yaml                 what else decides its bytes
//   dime/checkpoints              which bundles are the job's own to delete
//   dime/ended                    that the job has ended by itself (job_end.h)
//   events.out.tfevents.*         training summaries;  eval_<name>/: evaluations
//   export/<name>/<time>/         exports
//
// Every file appears whole or not at all. A damaged checkpoint is named and passed over for the one
// before it. A directory serves one job at a time, and is bound to a model and a seed by its first
// checkpoint. job_examination.h looks at one by the same rules, and changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/model.h"
#include "ps/checkpointer.h"
#include "runtime/base/status.h"
#include "runtime/storage/file_system.h"
#include "worker/input/batch_schedule.h"
#include "worker/job_pages.h"

namespace dime::worker {

struct JobDirectoryOptions {
  int max_to_keep = 5;  // And those that they build on.
  // Of so many checkpoints that are saved one after another, one stands by itself; the others may
  // build on the one before. 1: all do.
  int full_every = 1;
  std::optional<Order> order = {};  // None: the job's own, or shuffled for a new one.
  std::optional<std::uint64_t> input_memory = {};  // None: the job's own, or 1 GiB for a new one.
  std::int64_t train_batch_size = 0;  // Recorded, and a change is logged; 0: not known.
  bool strict = false;  // A damaged newest checkpoint is an error, and none before it is taken.
};

// kFull: it stands by itself. kMayBuildOn: of unbounded tables it may hold what has changed since
// the newest one (ps/checkpoint_chain.h), as often as full_every allows.
enum class SaveKind { kFull, kMayBuildOn };

class JobDirectory {
 public:
  // Creates the directory if it is not there; `model` outlives the result. kFailedPrecondition with
  // the differences when it belongs to another model or (when they are given) another seed
  // or order; kAborted while another job has it open.
  static absl::StatusOr<std::unique_ptr<JobDirectory>> Open(const std::string& path,
                                                            const models::Model& model,
                                                            std::optional<std::uint64_t> seed,
                                                            const JobDirectoryOptions& options);

  // The seed that this job's data order and initial weights come from.
  [[nodiscard]] std::uint64_t seed() const { return settings_.seed; }
  [[nodiscard]] Order order() const { return settings_.order; }
  [[nodiscard]] std::uint64_t input_memory() const { return settings_.input_memory; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] storage::FileSystem& file_system() const { return *fs_; }
  [[nodiscard]] std::string CheckpointPrefix(std::int64_t step) const;  // PATH/model.ckpt-STEP

  // Loads the newest sound checkpoint into the tables and returns its step; no value when there is
  // none yet. kDataLoss when there are some and none is sound; or, if strict, not the newest.
  absl::StatusOr<std::optional<std::int64_t>> Restore(ps::Checkpointer& rows);

  // Records what is trained with from here on. Other data than before are logged, not refused: more
  // of them are a good reason to go on.
  absl::Status SetTrainData(const DataFacts& data);

  // Cuts the rows and begins to write them, while training goes on; returns the step that they
  // hold. If that is the newest checkpoint's, nothing is begun. One at a time; `rows` outlives it.
  // On an error, here or later, it is over, and the checkpoints from before are as they were.
  absl::StatusOr<std::int64_t> BeginSave(ps::Checkpointer& rows, SaveKind kind = SaveKind::kFull);
  [[nodiscard]] bool is_saving() const { return saving_.has_value(); }
  // Publishes the checkpoint once it is written, and deletes those beyond max_to_keep that none of
  // the others builds on, those that a killed run left first. False: it is not written yet.
  // kFailedPrecondition: weights are no finite numbers.
  absl::StatusOr<bool> PollSave();
  void GiveUpSave();  // Nothing of it stays.
  // As PollSave(), but waits for it.
  absl::Status FinishSave();
  absl::Status Save(ps::Checkpointer& rows);

  // Prefix of the checkpoint that was restored or saved last; "" when there is none.
  [[nodiscard]] std::string newest_checkpoint() const;
  [[nodiscard]] std::optional<std::int64_t> newest_step() const {
    return newest_step_;
  }  // Its step.

 private:
  JobDirectory(std::string path, storage::FileSystem* fs, const models::Model* model,
               const JobDirectoryOptions& options);

  absl::Status Lock();
  absl::Status ListOwn();
  absl::Status CheckDescription() const;
  absl::Status CheckVariables() const;
  absl::Status SettleSettings(std::optional<std::uint64_t> seed);
  absl::Status Prepare() const;
  absl::Status DeleteLeftovers(const std::string& directory) const;
  absl::Status DeleteHalfBundles() const;
  absl::Status LearnBases();
  [[nodiscard]] std::optional<std::int64_t> BaseOfNext(SaveKind kind) const;
  absl::Status StartWriting(ps::Checkpointer& rows, const std::string& name,
                            std::optional<std::int64_t> base);
  absl::Status Publish();
  absl::Status Unpublish(const std::string& name);
  [[nodiscard]] bool IsPublished(const std::string& name) const;
  absl::Status EndSave(const absl::Status& status);
  void DeleteCheckpoint(const std::string& name) const;

  std::string path_;
  std::unique_ptr<storage::DirectoryLock> lock_;  // Null where there are no locks.
  storage::FileSystem* fs_ = nullptr;
  const models::Model* model_ = nullptr;
  JobDirectoryOptions options_;
  JobSettings settings_;
  // The checkpoint that is being written.
  struct Saving {
    ps::Checkpointer* rows = nullptr;
    std::string name;
    std::int64_t step = 0;
    std::optional<std::int64_t> base = {};  // The step of the one that it builds on.
    int num_in_chain = 1;                   // What it makes of num_in_chain_.
  };
  std::optional<Saving> saving_;
  std::vector<std::string> halves_;       // Names of what was not written to its end.
  std::vector<std::string> own_;          // Names that dime/checkpoints had at the start.
  std::vector<std::string> checkpoints_;  // Names of those not known to be damaged, newest last.
  std::map<std::string, std::string> bases_;  // Of checkpoints that build on another, its name.
  // How many have been saved since one that stands by itself, with it; 0: the newest is not known
  // to be what the rows' journals begin with.
  int num_in_chain_ = 0;
  std::optional<std::int64_t> newest_step_;  // Of the checkpoint that was restored or saved last.
};

}  // namespace dime::worker
