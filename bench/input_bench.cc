// From the census CSV's text to ids on one thread: the whole way and its parts, beside a floor.
//
// The floor splits the same text with memchr alone: a search for the end of each line, and one for
// each separator in it. Every round measures each part once, so that a ratio compares what ran
// within the same fraction of a second; a figure is the median of the rounds.
//
// With a file, what LoadDataset() takes for it is printed too: the start of a training job.
//
// Usage: input_bench [--data FILE] [--rounds N] [--mib N] [--clicks] [--json]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cli/data/synthetic/write_rows.h"
#include "models/batch.h"
#include "models/description.h"
#include "models/record_encoder.h"
#include "runtime/base/check.h"
#include "runtime/base/thread_pool.h"
#include "runtime/records/csv.h"
#include "worker/input/dataset.h"
#include "worker/input/record_parser.h"

namespace dime {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{256} << 10;  // As LoadDataset() cuts its windows.
constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;

struct Options {
  std::string data;  // "": made-up rows.
  int rounds = 9;
  std::size_t mib = 64;
  bool clicks = false;
  bool json = false;
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const char* const value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--clicks") {
      options.clicks = true;
    } else if (flag == "--json") {
      options.json = true;
    } else if (flag == "--data") {
      options.data = value, ++i;
    } else if (flag == "--rounds") {
      options.rounds = std::max(1, std::atoi(value)), ++i;
    } else if (flag == "--mib") {
      options.mib = static_cast<std::size_t>(std::max(1, std::atoi(value))), ++i;
    } else {
      fmt::print(stderr, "input_bench: '{}' is no flag; see the head of input_bench.cc\n", flag);
      std::exit(64);
    }
  }
  return options;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

models::ModelDescription Describe(const std::string& yaml) {
  auto description = models::ParseDescription(yaml, "input_bench.yaml", "");
  DIME_CHECK(description.ok());
  return *std::move(description);
}

// Texts of many values, as logs of clicks have them: 8 digits, seldom the same ones twice.
constexpr int kClickTexts = 10;

std::string ClicksYaml() {
  std::string yaml = "input:\n  fields:\n    - {name: label, type: integer}\n";
  for (int i = 0; i < kClickTexts; ++i)
    yaml += fmt::format("    - {{name: c{}, type: string}}\n", i);
  yaml += "label: {field: label, num_classes: 2}\ncolumns:\n";
  std::string names;
  for (int i = 0; i < kClickTexts; ++i) {
    yaml += fmt::format("  c{}: {{kind: hash_bucket, buckets: 1000003}}\n", i);
    names += fmt::format("{}c{}", i == 0 ? "" : ", ", i);
  }
  return yaml + fmt::format(
                    "estimator:\n  kind: LinearClassifier\n  linear_columns: [{}]\n"
                    "  linear_optimizer: {{kind: ftrl, learning_rate: 0.2}}\n",
                    names);
}

std::string ClickRows(int num_rows) {
  std::mt19937_64 random(1);
  std::string rows;
  for (int i = 0; i < num_rows; ++i) {
    rows += random() % 4 == 0 ? "1" : "0";
    for (int f = 0; f < kClickTexts; ++f) {
      rows += fmt::format(",{:08x}", static_cast<std::uint32_t>(random()));
    }
    rows += '\n';
  }
  return rows;
}

std::string Repeated(const std::string& text, std::size_t bytes) {
  std::string repeated;
  repeated.reserve(bytes + text.size());
  while (repeated.size() < bytes) repeated += text;
  return repeated;
}

std::vector<std::string_view> Pieces(std::string_view text) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const std::size_t end = text.find('\n', std::min(kPieceBytes, text.size() - 1)) + 1;
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return pieces;
}

// The sum of the lengths of all fields, each found with memchr.
std::uint64_t SplitWithMemchr(std::string_view text) {
  std::uint64_t sum = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const auto* line_end =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
    if (line_end == nullptr) line_end = end;
    while (at <= line_end) {
      const auto* field_end =
          static_cast<const char*>(std::memchr(at, ',', static_cast<std::size_t>(line_end - at)));
      if (field_end == nullptr) field_end = line_end;
      sum += static_cast<std::uint64_t>(field_end - at);
      at = field_end + 1;
    }
  }
  return sum;
}

class Measurements {
 public:
  // `result` of a call must be the same in every round, and keeps its work from being left out.
  void Add(const std::string& name, std::function<std::uint64_t()> work) {
    parts_.push_back({name, std::move(work), {}, 0});
  }

  void Run(int rounds) {
    for (int round = -1; round < rounds; ++round) {  // The first one warms up.
      for (Part& part : parts_) {
        const auto start = std::chrono::steady_clock::now();
        const std::uint64_t result = part.work();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        DIME_CHECK(round < 0 || result == part.result);
        part.result = result;
        if (round >= 0) part.seconds.push_back(took.count());
      }
    }
  }

  void Print(double megabytes, double records, bool json) const {
    if (!json) fmt::print("{:36} {:>8} {:>12} {:>12}\n", "", "MB/s", "ns a record", "of the floor");
    for (const Part& part : parts_) {
      std::vector<double> ratios;
      for (std::size_t i = 0; i < part.seconds.size(); ++i) {
        ratios.push_back(parts_.front().seconds[i] / part.seconds[i]);
      }
      const double seconds = Median(part.seconds);
      if (json) {
        fmt::print("{{\"part\": \"{}\", \"mb_per_second\": {:.1f}}}\n", part.name,
                   megabytes / seconds);
      } else {
        fmt::print("{:36} {:8.0f} {:12.1f} {:11.0f}%\n", part.name, megabytes / seconds,
                   1e9 * seconds / records, 100 * Median(ratios));
      }
    }
  }

 private:
  struct Part {
    std::string name;
    std::function<std::uint64_t()> work;
    std::vector<double> seconds;
    std::uint64_t result;
  };

  static double Median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }

  std::vector<Part> parts_;
};

std::uint64_t SplitWithReader(const std::vector<std::string_view>& pieces) {
  std::uint64_t sum = 0;
  for (const std::string_view piece : pieces) {
    records::CsvReader reader(piece, {});
    while (reader.Next()) {
      for (const std::string_view field : reader.fields()) sum += field.size();
    }
  }
  return sum;
}

// The same by blocks of rows.
std::uint64_t SplitIntoRows(const std::vector<std::string_view>& pieces, std::size_t num_fields) {
  std::uint64_t sum = 0;
  records::TextRows rows;
  for (const std::string_view piece : pieces) {
    records::CsvReader reader(piece, {});
    while (reader.NextRows(num_fields, &rows) || reader.Next()) {
      for (const std::string_view field : reader.fields()) sum += field.size();
      if (!reader.fields().empty()) continue;
      for (std::size_t p = 0; p < num_fields; ++p) {
        const auto column = rows.column(p);
        for (std::size_t r = 0; r < rows.num_rows(); ++r) sum += column[r].size();
      }
    }
  }
  return sum;
}

// The rows of a piece, which are encoded again and again.
struct SplitPiece {
  SplitPiece(std::string_view piece, std::size_t num_fields) {
    records::CsvReader reader(piece, {});
    records::TextRows rows;
    while (reader.NextRows(num_fields, &rows)) {
      num_bytes += rows.row(rows.num_rows() - 1).end() - rows.row(0).begin() + 1;
      blocks.push_back(rows);
    }
  }
  std::vector<records::TextRows> blocks;
  std::ptrdiff_t num_bytes = 0;
};

std::uint64_t EncodeAgainAndAgain(const SplitPiece& piece, std::size_t num_bytes,
                                  const models::RecordEncoder& encoder) {
  std::uint64_t num_examples = 0;
  std::vector<models::RowError> errors;
  for (std::ptrdiff_t done = 0; done < static_cast<std::ptrdiff_t>(num_bytes);
       done += piece.num_bytes) {
    models::Batch batch = encoder.NewBatch();
    for (const records::TextRows& rows : piece.blocks) {
      encoder.AppendRows(rows, models::LabelUse::kRequired, &batch, &errors);
    }
    num_examples += static_cast<std::uint64_t>(batch.num_examples);
  }
  return num_examples;
}

std::uint64_t ParseAll(const std::vector<std::string_view>& pieces,
                       const worker::RecordParser& parser) {
  std::uint64_t num_examples = 0;
  for (const std::string_view piece : pieces) {
    const worker::ParsedText parsed = parser.ParseWhole(piece);
    DIME_CHECK(parsed.num_bad_records == 0);
    num_examples += static_cast<std::uint64_t>(parsed.examples.num_examples);
  }
  return num_examples;
}

void PrintLoading(const std::string& path, const models::ModelDescription& description,
                  const models::RecordEncoder& encoder, int rounds) {
  for (const int num_threads : {1, 2}) {
    base::ThreadPool pool(num_threads);
    std::vector<double> seconds;
    for (int round = 0; round < rounds; ++round) {
      const auto dataset = worker::LoadDataset({path}, description, encoder, {}, pool);
      DIME_CHECK(dataset.ok());
      seconds.push_back(dataset->read_seconds);
    }
    std::ranges::sort(seconds);
    fmt::print("LoadDataset() of the file, {} thread{}: {:.1f} ms, {:.1f} at best\n", num_threads,
               num_threads == 1 ? "" : "s", 1e3 * seconds[seconds.size() / 2], 1e3 * seconds[0]);
  }
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  const models::ModelDescription description = Describe(
      options.clicks ? ClicksYaml() : ReadFile(DIME_SOURCE_DIR "/configs/models/census.yaml"));
  std::string source = options.clicks ? ClickRows(100000)
                       : options.data.empty()
                           ? cli::SyntheticCsv(*cli::MakeCensusRows({}), 32561, /*seed=*/1)
                           : ReadFile(options.data);
  if (!source.ends_with('\n')) source += '\n';
  const std::string text = Repeated(source, options.mib << 20);
  const std::vector<std::string_view> pieces = Pieces(text);
  const models::RecordEncoder encoder(description);
  const worker::RecordParser parser(description.input, encoder, kMaxRecordBytes);

  Measurements measurements;
  measurements.Add("floor: memchr alone", [&] { return SplitWithMemchr(text); });
  measurements.Add("CsvReader alone, record by record", [&] { return SplitWithReader(pieces); });
  measurements.Add("CsvReader alone, blocks of rows",
                   [&] { return SplitIntoRows(pieces, description.input.fields.size()); });
  const SplitPiece piece(pieces.front(), description.input.fields.size());
  measurements.Add("RecordEncoder alone, blocks of rows",
                   [&] { return EncodeAgainAndAgain(piece, text.size(), encoder); });
  measurements.Add("text to ids", [&] { return ParseAll(pieces, parser); });
  measurements.Run(options.rounds);
  measurements.Print(1e-6 * static_cast<double>(text.size()),
                     static_cast<double>(std::count(text.begin(), text.end(), '\n')), options.json);
  if (!options.data.empty() && !options.json && !options.clicks) {
    PrintLoading(options.data, description, encoder, options.rounds);
  }
  return 0;
}

}  // namespace
}  // namespace dime

int main(int argc, char** argv) { return dime::Main(argc, argv); }
