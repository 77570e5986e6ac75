#include "cli/data/synthetic/write_rows.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "cli/data/synthetic/gzip.h"
#include "runtime/base/check.h"
#include "runtime/base/thread_pool.h"

namespace dime::cli {
namespace {

constexpr std::int64_t kRowsPerPiece = 8192;

// Rows that one thread makes at a time: all of one file.
struct PieceRange {
  std::size_t file = 0;
  std::int64_t first_row = 0;
  std::int64_t end_row = 0;
  bool starts_file = false;
  bool ends_file = false;
};

struct Piece {
  PieceRange range;
  std::string text;
  GzipPiece gzip;
  ScoreCounts counts;  // Of all pieces that were made here.
};

// Cuts the rows into pieces, one after another.
class PieceCutter {
 public:
  PieceCutter(std::int64_t num_rows, std::size_t num_files)
      : num_rows_(num_rows), num_files_(num_files) {}

  bool Next(PieceRange* range) {
    if (row_ == num_rows_) return false;
    const std::int64_t file_end = EndOf(file_);
    *range = {.file = file_,
              .first_row = row_,
              .end_row = std::min(row_ + kRowsPerPiece, file_end),
              .starts_file = row_ == (file_ == 0 ? 0 : EndOf(file_ - 1))};
    row_ = range->end_row;
    range->ends_file = row_ == file_end;
    if (range->ends_file) ++file_;
    return true;
  }

 private:
  [[nodiscard]] std::int64_t EndOf(std::size_t file) const {
    const auto files = static_cast<std::int64_t>(num_files_);
    const auto done = static_cast<std::int64_t>(file) + 1;
    return num_rows_ / files * done + std::min(num_rows_ % files, done);
  }

  const std::int64_t num_rows_;
  const std::size_t num_files_;
  std::size_t file_ = 0;
  std::int64_t row_ = 0;
};

class RowWriter {
 public:
  RowWriter(const SyntheticRows& rows, const WriteRowsOptions& options,
            std::span<const std::unique_ptr<storage::AtomicFile>> files)
      : rows_(rows),
        options_(options),
        format_(MakeRowFormat(options.format, rows)),
        seed_key_(KeyOfSeed(options.seed)),
        files_(files),
        cutter_(options.num_rows, files.size()),
        pool_(options.num_threads) {
    constexpr int kPiecesPerThread = 2;
    made_.resize(static_cast<std::size_t>(kPiecesPerThread * pool_.num_threads()));
    ready_.resize(made_.size());
  }

  // One thread writes what is ready while all others, and then it too, make what comes next.
  absl::StatusOr<WriteRowsResult> Run() {
    std::size_t num_ready = 0;
    do {
      if (options_.stop.stop_requested()) return base::Cancelled("stopped; nothing was written");
      std::size_t num_made = 0;
      while (num_made < made_.size() && cutter_.Next(&made_[num_made].range)) ++num_made;
      absl::Status written;
      pool_.ParallelFor(static_cast<int>(num_made) + 1, [&](int part) {
        if (part == 0) {
          written = Write({ready_.data(), num_ready});
        } else {
          Make(&made_[static_cast<std::size_t>(part) - 1]);
        }
      });
      DIME_RETURN_IF_ERROR(written);
      std::swap(made_, ready_);
      num_ready = num_made;
      if (num_ready > 0 && options_.on_progress) {
        options_.on_progress(ready_[num_ready - 1].range.end_row);
      }
    } while (num_ready > 0);
    return Result();
  }

 private:
  void Make(Piece* piece) const {
    std::vector<Cell> cells(rows_.columns().size());
    piece->text.clear();
    for (std::int64_t row = piece->range.first_row; row < piece->range.end_row; ++row) {
      const RowTruth truth = rows_.Draw(seed_key_, static_cast<std::uint64_t>(row), cells);
      format_->Append(cells, &piece->text);
      piece->counts.Add(truth.score, truth.is_positive);
    }
    if (options_.gzip) Deflate(piece->text, &piece->gzip);
  }

  absl::Status Write(std::span<const Piece> pieces) {
    for (const Piece& piece : pieces) {
      DIME_RETURN_IF_ERROR(options_.gzip ? WriteGzip(piece) : Append(piece, piece.text));
    }
    return absl::OkStatus();
  }

  absl::Status WriteGzip(const Piece& piece) {
    if (piece.range.starts_file) {
      frame_ = GzipFrame();
      DIME_RETURN_IF_ERROR(Append(piece, GzipFrame::Header()));
    }
    frame_.Add(piece.gzip);
    DIME_RETURN_IF_ERROR(Append(piece, piece.gzip.deflated));
    return piece.range.ends_file ? Append(piece, frame_.Trailer()) : absl::OkStatus();
  }

  absl::Status Append(const Piece& piece, std::string_view bytes) {
    num_bytes_ += bytes.size();
    return files_[piece.range.file]->Append(bytes);
  }

  [[nodiscard]] WriteRowsResult Result() const {
    ScoreCounts counts;
    for (const auto* pieces : {&made_, &ready_}) {
      for (const Piece& piece : *pieces) counts.Add(piece.counts);
    }
    return {.num_bytes = num_bytes_,
            .num_positives = counts.num_positives(),
            .planted_auc = counts.Auc()};
  }

  const SyntheticRows& rows_;
  const WriteRowsOptions& options_;
  const std::unique_ptr<const RowFormat> format_;
  const std::uint64_t seed_key_;
  const std::span<const std::unique_ptr<storage::AtomicFile>> files_;
  PieceCutter cutter_;
  base::ThreadPool pool_;
  std::vector<Piece> made_;
  std::vector<Piece> ready_;
  GzipFrame frame_;  // Of the file that is being written.
  std::uint64_t num_bytes_ = 0;
};

}  // namespace

absl::StatusOr<WriteRowsResult> WriteRows(
    const SyntheticRows& rows, const WriteRowsOptions& options,
    std::span<const std::unique_ptr<storage::AtomicFile>> files) {
  DIME_CHECK(!files.empty() && options.num_rows >= static_cast<std::int64_t>(files.size()));
  return RowWriter(rows, options, files).Run();
}

std::string SyntheticCsv(const SyntheticRows& rows, std::int64_t num_rows, std::uint64_t seed) {
  const std::unique_ptr<const RowFormat> format = MakeRowFormat(RecordFormat::kCsv, rows);
  std::vector<Cell> cells(rows.columns().size());
  std::string text;
  for (std::int64_t row = 0; row < num_rows; ++row) {
    rows.Draw(KeyOfSeed(seed), static_cast<std::uint64_t>(row), cells);
    format->Append(cells, &text);
  }
  return text;
}

}  // namespace dime::cli
