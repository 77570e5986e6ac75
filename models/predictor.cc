#include "models/predictor.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "models/description.h"
#include "models/internal/instances.h"
#include "runtime/base/thread_pool.h"
#include "runtime/checkpoint/bundle.h"

namespace dime::models {
namespace {

using checkpoint::BundleReader;
using checkpoint::TensorInfo;

constexpr char kGraphFile[] = "saved_model.pb";
constexpr std::int64_t kMaxGraphBytes = std::int64_t{1} << 30;
constexpr std::int64_t kBatchExamples = 1024;  // Scored at a time: bounds the memory of layers.

absl::StatusOr<std::string> ReadDescription(storage::FileSystem& fs,
                                            const std::string& export_dir) {
  DIME_ASSIGN_OR_RETURN(const storage::FileInfo info, fs.Stat(export_dir));
  if (!info.is_directory) {
    return base::FailedPrecondition("'{}' is a file; an export is a directory", export_dir);
  }
  for (const char* const file : {kGraphFile, kExportDescriptionFile}) {
    if (fs.Exists(storage::JoinPath(export_dir, file))) continue;
    return base::FailedPrecondition(
        "'{}' is no export of dime's: it has no {}; name the directory with the number", export_dir,
        file);
  }
  return fs.ReadFile(storage::JoinPath(export_dir, kExportDescriptionFile), kMaxDescriptionBytes);
}

absl::StatusOr<std::map<std::string, SignatureMethod>> ReadSignaturesOf(
    storage::FileSystem& fs, const std::string& export_dir) {
  const std::string path = storage::JoinPath(export_dir, kGraphFile);
  DIME_ASSIGN_OR_RETURN(const std::string graph, fs.ReadFile(path, kMaxGraphBytes));
  if (graph.empty()) {
    return base::FailedPrecondition("'{}' is empty: the export is not whole", path);
  }
  auto signatures = ReadSignatures(graph);
  if (!signatures.ok()) return base::Annotate(signatures.status(), fmt::format("'{}'", path));
  return signatures;
}

std::string IdsName(const ops::TableSpec& table) { return table.name + "/ids"; }

// Whether an unbounded table has a row for each of its ids, and one more for all others.
bool HasRowsById(const ops::TableSpec& table, const BundleReader& variables) {
  const TensorInfo& rows = variables.tensors().find(table.name)->second;
  const auto ids = variables.tensors().find(IdsName(table));
  return rows.type == checkpoint::DataType::kFloat && rows.shape.size() == 2 && rows.shape[0] > 0 &&
         rows.shape[1] == table.dim && ids != variables.tensors().end() &&
         ids->second == TensorInfo{checkpoint::DataType::kInt64, {rows.shape[0]}};
}

// What does not fit between the model and the export's variables; "" when all is well.
std::string FindMismatch(const Model& model, const BundleReader& variables) {
  for (const ops::TableSpec& table : model.tables()) {
    const auto found = variables.tensors().find(table.name);
    if (found == variables.tensors().end()) {
      return fmt::format("they lack '{}'", table.name);
    }
    if (table.unbounded) {
      if (!HasRowsById(table, variables)) {
        return fmt::format("'{}' and its ids do not fit together", table.name);
      }
      continue;
    }
    if (found->second != TensorInfo{checkpoint::DataType::kFloat, table.shape}) {
      return fmt::format("'{}' has another type or shape than the model's", table.name);
    }
  }
  const auto is_known = [&model](const std::string& name) {
    return std::ranges::any_of(model.tables(), [&](const ops::TableSpec& table) {
      return table.name == name || (table.unbounded && IdsName(table) == name);
    });
  };
  for (const auto& [name, info] : variables.tensors()) {
    if (name != "global_step" && !is_known(name)) {
      return fmt::format("the model has no '{}'", name);
    }
  }
  return "";
}

absl::StatusOr<ModelWeights> ReadWeights(storage::FileSystem& fs, const std::string& export_dir,
                                         const Model& model) {
  const std::string prefix = storage::JoinPath(export_dir, "variables/variables");
  DIME_ASSIGN_OR_RETURN(const auto variables, BundleReader::Open(fs, prefix));
  if (const std::string mismatch = FindMismatch(model, *variables); !mismatch.empty()) {
    return base::FailedPrecondition("the variables '{}' do not fit {} beside them: {}", prefix,
                                    kExportDescriptionFile, mismatch);
  }
  ModelWeights weights;
  for (const ops::TableSpec& table : model.tables()) {
    std::vector<std::int64_t>& ids = weights.ids.emplace_back();
    if (table.unbounded) {
      DIME_ASSIGN_OR_RETURN(ids, variables->ReadInt64s(IdsName(table)));
      if (!std::ranges::is_sorted(ids) || ids.back() != ops::UnboundedRows::kNumIds) {
        return base::DataLoss("'{}': the ids of '{}' are not in order", prefix, table.name);
      }
    }
    const std::int64_t num_rows = table.unbounded ? std::ssize(ids) : table.num_rows;
    std::vector<float>& values =
        weights.tables.emplace_back(static_cast<std::size_t>(num_rows * table.dim));
    DIME_RETURN_IF_ERROR(variables->ReadFloats(table.name, values));
  }
  return weights;
}

}  // namespace

namespace {

// The last row is that of all ids that have none.
std::int64_t RowOf(std::int64_t id, const std::vector<std::int64_t>& ids) {
  const auto at = std::ranges::lower_bound(ids, id);
  return at != ids.end() && *at == id ? at - ids.begin() : std::ssize(ids) - 1;
}

}  // namespace

ops::Rows LookUpRows(const Model& model, const ModelWeights& weights, const ops::Lookups& lookups,
                     std::vector<std::vector<float>>* scratch) {
  const std::vector<ops::TableSpec>& tables = model.tables();
  scratch->resize(tables.size());
  ops::Rows rows;
  for (std::size_t t = 0; t < tables.size(); ++t) {
    const std::vector<float>& values = weights.tables[t];
    if (tables[t].dense) {
      rows.tables.emplace_back(values);
      continue;
    }
    std::vector<float>& gathered = (*scratch)[t];
    gathered.clear();
    for (const std::int64_t id : lookups.tables[t].ids) {
      const std::int64_t number = tables[t].unbounded ? RowOf(id, weights.ids[t]) : id;
      const float* const row = values.data() + number * tables[t].dim;
      gathered.insert(gathered.end(), row, row + tables[t].dim);
    }
    rows.tables.emplace_back(gathered);
  }
  return rows;
}

class Predictor::Impl {
 public:
  explicit Impl(const ModelDescription& description) : model_(description) {}

  absl::Status LoadFiles(storage::FileSystem& fs, const std::string& export_dir) {
    DIME_ASSIGN_OR_RETURN(signatures_, ReadSignaturesOf(fs, export_dir));
    DIME_ASSIGN_OR_RETURN(weights_, ReadWeights(fs, export_dir, model_));
    return absl::OkStatus();
  }

  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] const std::map<std::string, SignatureMethod>& signatures() const {
    return signatures_;
  }

  // Scores instances that `append` adds to a batch, one at a time.
  template <typename Append>
  absl::StatusOr<Predictions> PredictEach(std::span<const std::string> instances,
                                          const Append& append) {
    Predictions predictions;
    Batch batch = model_.encoder().NewBatch();
    for (std::size_t i = 0; i < instances.size(); ++i) {
      if (absl::Status status = append(instances[i], &batch); !status.ok()) {
        return base::Annotate(status, fmt::format("instance {}", i + 1));
      }
      if (batch.num_examples < kBatchExamples && i + 1 < instances.size()) continue;
      Score(batch, &predictions);
      batch = model_.encoder().NewBatch();
    }
    return predictions;
  }

  Predictions PredictBatch(const Batch& batch) {
    Predictions predictions;
    Batch part;
    std::vector<std::int64_t> examples;
    for (std::int64_t start = 0; start < batch.num_examples; start += kBatchExamples) {
      examples.resize(
          static_cast<std::size_t>(std::min(kBatchExamples, batch.num_examples - start)));
      std::iota(examples.begin(), examples.end(), start);
      GatherExamples(batch, examples, &part);
      Score(part, &predictions);
    }
    return predictions;
  }

 private:
  void Score(const Batch& batch, Predictions* predictions) {
    model_.MakeLookups(batch, &workspace_, &lookups_);
    const ops::Rows rows = LookUpRows(model_, weights_, lookups_, &gathered_);
    logits_.resize(static_cast<std::size_t>(batch.num_examples * model_.head().logit_dim()));
    model_.Forward(batch, lookups_, rows, &pool_, &workspace_, logits_);
    model_.head().Predict(logits_, predictions);
  }

  const Model model_;
  ModelWeights weights_;
  std::map<std::string, SignatureMethod> signatures_;
  base::ThreadPool pool_{1};

  // Kept from batch to batch for their memory.
  Workspace workspace_;
  ops::Lookups lookups_;
  std::vector<std::vector<float>> gathered_;
  std::vector<float> logits_;
};

Predictor::Predictor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Predictor::~Predictor() = default;

absl::StatusOr<std::unique_ptr<Predictor>> Predictor::Load(storage::FileSystem& fs,
                                                           const std::string& export_dir) {
  DIME_ASSIGN_OR_RETURN(const std::string yaml, ReadDescription(fs, export_dir));
  DIME_ASSIGN_OR_RETURN(
      const ModelDescription description,
      ParseDescription(yaml, storage::JoinPath(export_dir, kExportDescriptionFile), ""));
  auto impl = std::make_unique<Impl>(description);
  DIME_RETURN_IF_ERROR(impl->LoadFiles(fs, export_dir));
  return std::unique_ptr<Predictor>(new Predictor(std::move(impl)));
}

const Model& Predictor::model() const { return impl_->model(); }
const std::map<std::string, SignatureMethod>& Predictor::signatures() const {
  return impl_->signatures();
}

absl::StatusOr<Predictions> Predictor::PredictJson(std::span<const std::string> instances) {
  return impl_->PredictEach(instances, [this](const std::string& instance, Batch* batch) {
    return internal::AppendJsonInstance(model(), instance, batch);
  });
}

absl::StatusOr<Predictions> Predictor::PredictCsv(std::span<const std::string> lines) {
  return impl_->PredictEach(lines, [this](const std::string& line, Batch* batch) {
    return internal::AppendCsvInstance(model(), line, batch);
  });
}

absl::StatusOr<Predictions> Predictor::PredictExamples(std::span<const std::string> examples) {
  return impl_->PredictEach(examples, [this](const std::string& example, Batch* batch) {
    return internal::AppendExampleInstance(model(), example, batch);
  });
}

Predictions Predictor::PredictBatch(const Batch& batch) { return impl_->PredictBatch(batch); }

}  // namespace dime::models
