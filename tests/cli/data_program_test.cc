// `dime data synthetic` and `dime models infer` as users run them: output, exit codes, signals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::ExitCodeInShell;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class DataProgramTest : public ::testing::Test {
 protected:
  Ended Dime(const std::vector<std::string>& arguments) { return Process(dir_, arguments).Wait(); }

  Ended Synthetic(const std::vector<std::string>& more) {
    std::vector<std::string> words = {"data", "synthetic", "--spec", "census", "--rows", "1000"};
    words.insert(words.end(), more.begin(), more.end());
    return Dime(words);
  }

  // Of what a command has made; its own output lies elsewhere.
  [[nodiscard]] std::vector<std::string> FilesIn(const std::string& directory) const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      names.push_back(file.path().filename());
    }
    std::ranges::sort(names);
    return names;
  }
  std::string MakeDirectory(const std::string& name) {
    std::filesystem::create_directory(dir_.File(name));
    return dir_.File(name);
  }

  const TempDir dir_;
};

TEST_F(DataProgramTest, SyntheticDataSaysWhatAModelCanReach) {
  const Ended ended = Synthetic({"--output", dir_.File("rows.csv")});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out, MatchesRegex("rows         1000\nbytes        [0-9]+\n"
                                      "speed        [0-9]+ MB/s; [0-9.]+ s in all\n"
                                      "positives    2[0-9.]+ %\nplanted auc  0\\.[89][0-9]+; .*\n"
                                      "output       .*rows.csv\n"));
  EXPECT_THAT(ended.err, IsEmpty());
}

TEST_F(DataProgramTest, SyntheticDataAsJsonIsOneObject) {
  const std::string out = MakeDirectory("out");
  const Ended ended =
      Synthetic({"--output", out + "/rows.tfrecord.gz", "--shards=2", "--seed=3", "--format=json"});
  const nlohmann::json result = nlohmann::json::parse(ended.out, nullptr, false);
  EXPECT_EQ(result["rows"], 1000);
  EXPECT_EQ(result["seed"], 3);
  EXPECT_GT(result["planted_auc"], 0.8);
  EXPECT_EQ(result["files"][1], out + "/rows-00001-of-00002.tfrecord.gz");
  EXPECT_THAT(FilesIn(out),
              ElementsAre("rows-00000-of-00002.tfrecord.gz", "rows-00001-of-00002.tfrecord.gz"));
  EXPECT_EQ(result["bytes"],
            ReadText(result["files"][0]).size() + ReadText(result["files"][1]).size());
  EXPECT_THAT(ReadText(result["files"][0]).substr(0, 2), "\x1f\x8b");
}

TEST_F(DataProgramTest, TheNameOfAFileSaysWhatItHolds) {
  const auto written = [this](const std::string& name, const std::vector<std::string>& more) {
    std::vector<std::string> words = {"--output", dir_.File(name)};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(Synthetic(words).exit_code, 0);
    return ReadText(dir_.File(name));
  };
  const std::string csv = written("a.csv", {});
  const std::string tfrecord = written("a.tfrecord", {});
  EXPECT_NE(csv, tfrecord);
  EXPECT_EQ(written("b", {}), csv);
  EXPECT_EQ(written("b.tfrecords", {}), tfrecord);
  EXPECT_EQ(written("c", {"--record-format=tfrecord"}), tfrecord);
  EXPECT_EQ(written("c.tfrecord", {"--record-format=csv"}), csv);
}

TEST_F(DataProgramTest, RowsGoToStdoutAndWhatIsSaidToStderr) {
  ASSERT_EQ(Synthetic({"--output", dir_.File("rows.csv")}).exit_code, 0);
  const Ended ended = Synthetic({"--output", "-"});
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_EQ(ended.out, ReadText(dir_.File("rows.csv")));
  EXPECT_THAT(ended.err, AllOf(HasSubstr("planted auc"), HasSubstr("output       stdout")));
}

TEST_F(DataProgramTest, WrongWordsAreUsageErrors) {
  const std::string file = dir_.File("rows.csv");
  const struct {
    std::vector<std::string> words;
    const char* message;
  } cases[] = {
      {{"--output", file, "--spec", "censsus"}, "--spec: 'censsus' is none of census, clicks; did"},
      {{"--output", file, "--rows", "0"}, "--rows: '0' is no whole number from 1"},
      {{"--output", file, "--record-format", "orc"}, "'orc' is none of csv, tfrecord"},
      {{"--output", file, "--shards", "1001"}, "'1001' is no whole number from 1 to 500"},
      {{"--output", file, "--rows", "3", "--shards", "4"}, "3 rows are too few for 4 files"},
      {{"--output", "-", "--shards", "4"}, "stdout is one file"},
      {{"--output", "-", "--format", "json"}, "the rows are on stdout"},
      {{}, "--output"},
  };
  for (const auto& [words, message] : cases) {
    const Ended ended = Synthetic(words);
    EXPECT_EQ(ended.exit_code, 64) << message;
    EXPECT_THAT(ended.err, HasSubstr(message));
  }
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(DataProgramTest, WhatCannotBeWrittenLeavesNothing) {
  const std::string out = MakeDirectory("out");
  const struct {
    std::string path;
    const char* message;
  } cases[] = {
      {out, "it is there, and is no regular file"},
      {"/dev/null", "it is there, and is no regular file; `--output -` writes to stdout"},
      {out + "/none/rows.csv", "No such file or directory"},
      {"gs://bucket/rows.csv", "gs:// are not supported yet"},
  };
  for (const auto& [path, message] : cases) {
    const Ended ended = Synthetic({"--output", path});
    EXPECT_NE(ended.exit_code, 0);
    EXPECT_THAT(ended.err, HasSubstr(message));
  }
  // A file that may not grow that far stands for a full disk.
  const std::string err = dir_.File("err");
  const std::string limited = fmt::format(
      "ulimit -f 64; '{}' data synthetic --spec clicks --rows 10000 --output '{}/rows' 2> '{}'",
      DIME_PROGRAM, out, err);
  EXPECT_EQ(WEXITSTATUS(std::system(limited.c_str())), 74);
  EXPECT_THAT(ReadText(err), HasSubstr("File too large"));
  EXPECT_THAT(FilesIn(out), IsEmpty());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST_F(DataProgramTest, FullAndClosedStreamsAreToldApart) {
  const std::vector<std::string> words = {"data",   "synthetic", "--spec",   "census",
                                          "--rows", "1000000",   "--output", "-"};
  const std::string err = " 2> '" + dir_.File("err") + "'";
  EXPECT_EQ(ExitCodeInShell(words, "> /dev/full" + err), 74);
  EXPECT_THAT(ReadText(dir_.File("err")), HasSubstr("No space left on device"));
  ExitCodeInShell(words, err + " | head -n 1 > /dev/null");
  EXPECT_THAT(ReadText(dir_.File("err")), IsEmpty());
}

TEST_F(DataProgramTest, AnInterruptionLeavesNoHalfFile) {
  const std::string out = MakeDirectory("out");
  Process endless(dir_, {"data", "synthetic", "--spec", "census", "--rows", "1000000000000",
                         "--output", out + "/rows.csv"});
  // It writes for sure once its unfinished file has some bytes.
  const auto has_begun = [&] {
    for (const auto& file : std::filesystem::directory_iterator(out)) {
      if (file.file_size() > 0) return true;
    }
    return false;
  };
  while (!has_begun() && !endless.HasEnded()) poll(nullptr, 0, /*ms=*/5);
  endless.Signal(SIGINT);
  const Ended ended = endless.Wait();
  EXPECT_EQ(ended.exit_code, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("stopped; nothing was written"));
  EXPECT_THAT(FilesIn(out), IsEmpty());
}

TEST_F(DataProgramTest, AModelThatIsInferredTrainsAsItIs) {
  const std::string train = dir_.File("train.csv");
  const std::string test = dir_.File("test.csv");
  const std::string page = dir_.File("income.yaml");
  ASSERT_EQ(
      Dime({"data", "synthetic", "--spec=census", "--rows=20000", "--output", train}).exit_code, 0);
  ASSERT_EQ(
      Dime({"data", "synthetic", "--spec=census", "--rows=10000", "--seed=2", "--output", test})
          .exit_code,
      0);
  const Ended inferred = Dime({"models", "infer", train, "--label", "15", "--output", page});
  ASSERT_EQ(inferred.exit_code, 0) << inferred.err;
  EXPECT_THAT(inferred.out, AllOf(HasSubstr("COLUMN"), HasSubstr("--model " + page)));
  EXPECT_THAT(inferred.err, IsEmpty());
  const Ended trained =
      Dime({"local", "train", "--model", page, "--job-dir", dir_.File("job"), "--format=json", "--",
            "--train-files", train, "--eval-files", test, "--train-steps=400"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_GT(nlohmann::json::parse(trained.out)["metrics"]["auc"], 0.85);

  const Ended schema = Dime({"models", "schema", "--path"});
  EXPECT_THAT(ReadText(page), StartsWith("# yaml-language-server: $schema=" + schema.out));
  const Ended again = Dime({"models", "infer", train, "--label", "15", "--output", page});
  EXPECT_EQ(again.exit_code, 64);
  EXPECT_THAT(again.err, HasSubstr("is there already"));
  const Ended printed = Dime({"models", "infer", train, "--label", "column_15"});
  EXPECT_EQ(printed.out, ReadText(page));
  EXPECT_THAT(printed.err, HasSubstr("COLUMN"));
}

TEST_F(DataProgramTest, WhatCannotBeInferredEndsWithACodeOfItsOwn) {
  const std::string rows = dir_.File("rows.csv");
  ASSERT_EQ(Synthetic({"--output", rows}).exit_code, 0);
  const struct {
    std::vector<std::string> words;
    int exit_code;
    const char* message;
  } cases[] = {
      {{rows, "--label", "age"}, 64, "no column is called 'age'"},
      {{rows}, 64, "--label"},
      {{rows, "--label=15", "--output", dir_.File("page")}, 64, "does not end in .yaml"},
      {{rows, "--label=15", "--output", dir_.File("none/page.yaml")}, 74, "No such file"},
      {{dir_.File("none.csv"), "--label=15"}, 65, "none.csv"},
      {{DIME_PROGRAM, "--label=1"}, 65, "it is no text"},
  };
  for (const auto& [words, exit_code, message] : cases) {
    std::vector<std::string> all = {"models", "infer"};
    all.insert(all.end(), words.begin(), words.end());
    const Ended ended = Dime(all);
    EXPECT_EQ(ended.exit_code, exit_code) << message;
    EXPECT_THAT(ended.err, HasSubstr(message));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

}  // namespace
}  // namespace dime::cli
