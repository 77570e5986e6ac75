// The program itself, as its users run it: output, exit codes, signals.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/cli/training_words.h"
#include "tests/support/census_rows.h"
#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::ExitCodeInShell;
using ::dime::testing::Process;
using ::dime::testing::ReadText;
using ::dime::testing::TempDir;
using ::dime::testing::WriteCensusRows;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class ProgramTest : public ::testing::Test {
 protected:
  static constexpr int kNumRows = 400;

  Ended Dime(const std::vector<std::string>& arguments) { return Process(dir_, arguments).Wait(); }

  // dime local train on the generated rows.
  std::vector<std::string> Train(const std::vector<std::string>& own,
                                 const std::vector<std::string>& trainer) {
    std::vector<std::string> flags = {"--eval-files", rows_};
    flags.insert(flags.end(), trainer.begin(), trainer.end());
    return TrainingWords(job_dir_, own, rows_, flags);
  }
  nlohmann::json TrainJson(const std::vector<std::string>& trainer) {
    const Ended ended = Dime(Train({"--format", "json"}, trainer));
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    return nlohmann::json::parse(ended.out, nullptr, /*allow_exceptions=*/false);
  }

  const TempDir dir_;
  const std::string job_dir_ = dir_.File("job");
  const std::string rows_ = WriteCensusRows(dir_.File("rows.csv"), kNumRows);
};

TEST_F(ProgramTest, TrainsEvaluatesExportsAndPredicts) {
  const Ended trained = Dime(Train({}, {"--train-steps", "60"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.out,
              AllOf(StartsWith("accuracy  "), HasSubstr("\nauc_precision_recall  "),
                    HasSubstr("global_step           60\n"), HasSubstr("model.ckpt-60\n"),
                    HasSubstr("/export/census/"), HasSubstr("tensorboard --logdir " + job_dir_)));
  EXPECT_THAT(trained.err, HasSubstr("INFO"));
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/model.ckpt-60.index"));
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/eval_census-eval"));

  std::ofstream(dir_.File("instances.json"))
      << R"({"age": 25, "workclass": " Private", "education": " 11th", "education_num": 7,)"
      << R"( "marital_status": " Never-married", "occupation": " Sales", "relationship": " Wife",)"
      << R"( "race": " Black", "gender": " Male", "capital_gain": 0, "capital_loss": 0,)"
      << R"( "hours_per_week": 40, "native_country": " United-States"})"
      << "\n";
  std::ofstream(dir_.File("instances.csv"))
      << "25, Private, 0, 11th, 7, Never-married, Sales, Wife, Black, Male, 0, 0, 40,"
      << " United-States,\n";
  const std::string base = job_dir_ + "/export/census";
  const Ended from_json = Dime(
      {"local", "predict", "--model-dir", base, "--json-instances", dir_.File("instances.json")});
  ASSERT_EQ(from_json.exit_code, 0) << from_json.err;
  EXPECT_THAT(from_json.err, HasSubstr("the newest export in " + base));
  EXPECT_THAT(from_json.out,
              ContainsRegex("^CLASS_IDS  CLASSES  LOGISTIC +LOGITS +PROBABILITIES\n"
                            "\\[[01]\\] +\\['[01]'\\]  +\\[0.[0-9]+\\] +\\[-?[0-9.]+\\] +"
                            "\\[0.[0-9]+, 0.[0-9]+\\]\n$"));
  const Ended from_csv = Dime(
      {"local", "predict", "--model-dir", base, "--text-instances", dir_.File("instances.csv")});
  ASSERT_EQ(from_csv.exit_code, 0) << from_csv.err;
  EXPECT_EQ(from_csv.out, from_json.out);
}

TEST_F(ProgramTest, WhatIsWrongWithAnInstanceIsNamed) {
  ASSERT_EQ(Dime(Train({}, {"--train-steps", "1"})).exit_code, 0);
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {std::string("{}\0garbage", 10), "instance 1 is not JSON: a NUL byte in column 3"},
      {"{\n  \"age\": 25\n}\n", "instance 1 is not JSON: unexpected end of input"},
      {"[{}]\n", "instance 1 is a list of instances; give the objects alone, one a line"},
      {"{\"instances\": [{}]}\n", "instance 1 is a list of instances"},
  };
  for (const auto& [text, message] : cases) {
    std::ofstream(dir_.File("instances.json")) << text;
    const Ended ended = Dime({"local", "predict", "--model-dir", job_dir_ + "/export/census",
                              "--json-instances", dir_.File("instances.json")});
    EXPECT_EQ(ended.exit_code, 65);
    EXPECT_THAT(ended.err, HasSubstr(message));
    EXPECT_THAT(ended.out, IsEmpty());
  }
}

TEST_F(ProgramTest, ACsvExportAnswersBySignature) {
  const std::string path = TrainJson({"--train-steps", "1", "--export-format", "CSV"})["export"];
  const auto predict = [&](const std::string& signature) {
    return Dime({"local", "predict", "--model-dir", path, "--text-instances", rows_,
                 "--max-instances=0", "--signature-name", signature});
  };
  EXPECT_THAT(predict("serving_default").out, ContainsRegex("^CLASSES +SCORES\n\\['0', '1'\\] +"));
  EXPECT_THAT(predict("predict").out, StartsWith("CLASS_IDS  CLASSES"));
  EXPECT_THAT(predict("regression").out, ContainsRegex("^OUTPUTS\n\\[0\\.[0-9]+\\]\n"));
  const Ended unknown = predict("predicts");
  EXPECT_EQ(unknown.exit_code, 65);
  EXPECT_THAT(unknown.err, HasSubstr("no signature 'predicts'; it has classification, predict, "
                                     "regression, serving_default; did you mean 'predict'?"));
}

TEST_F(ProgramTest, AJobsDirectorySuggestsItsNewestExport) {
  const nlohmann::json trained = TrainJson({"--train-steps", "1"});
  for (const std::string& directory : {job_dir_, job_dir_ + "/export"}) {
    const Ended ended =
        Dime({"local", "predict", "--model-dir", directory, "--text-instances", rows_});
    EXPECT_EQ(ended.exit_code, 65);
    EXPECT_THAT(ended.err, HasSubstr("; did you mean --model-dir " +
                                     trained["export"].get<std::string>() + "?\n"));
  }
}

TEST_F(ProgramTest, AnExportWithoutItsGraphIsRefused) {
  const std::string path = TrainJson({"--train-steps", "1"})["export"];
  const std::string graph = path + "/saved_model.pb";
  const auto refusal = [&] {
    const Ended ended = Dime(
        {"local", "predict", "--model-dir", path, "--text-instances", rows_, "--max-instances=0"});
    EXPECT_EQ(ended.exit_code, 65);
    EXPECT_THAT(ended.out, IsEmpty());
    return ended.err;
  };
  std::filesystem::resize_file(graph, 0);
  EXPECT_THAT(refusal(), HasSubstr("saved_model.pb' is empty"));
  std::filesystem::remove(graph);
  EXPECT_THAT(refusal(), HasSubstr("no saved_model.pb in it"));
  std::filesystem::create_directory(graph);
  EXPECT_THAT(refusal(), HasSubstr("saved_model.pb"));
  std::filesystem::remove(graph);
  ASSERT_EQ(mkfifo(graph.c_str(), 0600), 0);
  EXPECT_THAT(refusal(), HasSubstr("saved_model.pb"));
}

TEST_F(ProgramTest, JsonOutputIsOneObject) {
  const nlohmann::json result = TrainJson({"--train-steps", "20", "--verbosity", "ERROR"});
  ASSERT_TRUE(result.is_object());
  EXPECT_EQ(result["global_step"], 20);
  EXPECT_EQ(result["interrupted"], false);
  EXPECT_EQ(result["bad_records"], 0);
  EXPECT_EQ(result["checkpoint"], job_dir_ + "/model.ckpt-20");
  EXPECT_GT(result["metrics"]["accuracy"], 0.3);
  EXPECT_GT(result["seconds"]["train"], 0);
  EXPECT_GT(result["steps_per_second"], 0);
  EXPECT_GT(result["final_loss"], 0);
}

TEST_F(ProgramTest, WithoutAStepThereIsNoLossAndNoSpeed) {
  TrainJson({"--train-steps", "5"});
  const nlohmann::json result = TrainJson({"--train-steps", "5"});
  EXPECT_EQ(result["first_step"], 5);
  EXPECT_TRUE(result["final_loss"].is_null()) << result;
  EXPECT_TRUE(result["steps_per_second"].is_null()) << result;
}

TEST_F(ProgramTest, TheSameCommandGoesOn) {
  EXPECT_EQ(TrainJson({"--train-steps", "10"})["first_step"], 0);
  const nlohmann::json resumed = TrainJson({"--train-steps", "25"});
  EXPECT_EQ(resumed["first_step"], 10);
  EXPECT_EQ(resumed["global_step"], 25);
  const Ended done = Dime(Train({}, {"--train-steps", "25"}));
  EXPECT_EQ(done.exit_code, 0);
  EXPECT_THAT(done.err, HasSubstr("nothing to train"));
}

TEST_F(ProgramTest, AnotherModelsJobDirectoryIsRefused) {
  TrainJson({"--train-steps", "10"});
  const Ended other = Dime(Train({}, {"--train-steps", "20", "--embedding-size", "3"}));
  EXPECT_EQ(other.exit_code, 78) << other.err;
  EXPECT_THAT(other.err, HasSubstr(".dimension: 3 asked for, 2 in the directory"));
}

TEST_F(ProgramTest, ErrorsOnlyMeansErrorsOnly) {
  const Ended ended = Dime(Train({}, {"--train-steps", "10", "--verbosity", "ERROR"}));
  EXPECT_EQ(ended.exit_code, 0);
  EXPECT_THAT(ended.err, IsEmpty());
}

TEST_F(ProgramTest, TheNamesOf2017ComeWithTheRuntimeOf2017) {
  const Ended ended = Dime(Train({"--runtime-version", "1.2"}, {"--train-steps", "10"}));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/export/Servo"));
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/eval_one_pass"));
  EXPECT_FALSE(std::filesystem::exists(job_dir_ + "/export/census"));
}

TEST_F(ProgramTest, GcloudsSpellingIsTheSame) {
  for (const char* group : {"ml-engine", "ai-platform"}) {
    const Ended ended = Dime({group, "local", "train", "--module-name", "trainer.task",
                              "--package-path", "trainer/", "--scale-tier", "BASIC", "--",
                              "--train-files", rows_, "--job-dir", job_dir_, "--num-epochs", "1"});
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
  }
}

TEST_F(ProgramTest, FlagsOfAllGcloudCommandsAreTakenAndNoted) {
  const Ended trained =
      Dime(Train({"--project", "p", "-q", "--user-output-enabled", "--verbosity", "debug"},
                 {"--train-steps", "1"}));
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err,
              AllOf(HasSubstr("without effect here: --project, --quiet, --user-output-enabled\n"),
                    HasSubstr("DEBUG")));
  const Ended quiet = Dime(
      Train({"--project=p", "--verbosity=debug"}, {"--train-steps", "2", "--verbosity", "ERROR"}));
  EXPECT_THAT(quiet.err, IsEmpty());

  std::ofstream(dir_.File("instances.csv"))
      << "25, Private, 0, 11th, 7, Never-married, Sales, Wife, Black, Male, 0, 0, 40,"
      << " United-States,\n";
  const Ended predicted =
      Dime({"local", "predict", "--model-dir", job_dir_ + "/export/census", "--text-instances",
            dir_.File("instances.csv"), "--framework", "tensorflow", "--runtime-version=1.2",
            "--signature-name=predict", "--quiet"});
  EXPECT_EQ(predicted.exit_code, 0) << predicted.err;
  EXPECT_THAT(predicted.err,
              HasSubstr("without effect here: --quiet, --framework, --runtime-version\n"));
}

TEST_F(ProgramTest, TheDefaultNumberOfStepsIsSaid) {
  const Ended ended = Dime(Train({"--export-name="}, {}));
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("training ends at step 100"));
  EXPECT_FALSE(std::filesystem::exists(job_dir_ + "/export"));
}

struct WrongWords {
  std::vector<std::string> words;
  int exit_code;
  const char* message;
};

TEST_F(ProgramTest, WrongWordsAreUsageErrors) {
  const std::string missing = dir_.File("missing.csv");
  const WrongWords cases[] = {
      {{"local", "train", "--job-dir", "x", "--", "--train-step5", "3"}, 64, "--train-steps"},
      {{"local", "train", "--job-dir", "x", "--train-files", rows_}, 64, "stands after the `--`"},
      {{"local", "train", "--job-dir", "x", "--", "--seed", "3"}, 64, "stands before the `--`"},
      {{"local", "train", "--job-dir", "x"}, 64, "dime data census --output data"},
      {{"local", "train", "--", "--train-files", rows_}, 64, "--job-dir is required"},
      {{"local", "train", "--job-dir", "x", "--", "--job-dir", "y", "--train-files", rows_},
       64,
       "give it once"},
      {Train({}, {"--train-steps", "-1"}), 64, "--train-steps: '-1'"},
      {Train({"--distributed=yes"}, {}), 64, "--distributed takes no value"},
      {Train({"--worker-count", "2"}, {}), 64, "--worker-count"},
      {Train({"--scale-tier", "BASIC_GPU"}, {}), 64, "dime trains on CPUs alone yet"},
      {Train({"--scale-tier", "CUSTOM"}, {}), 64, "masterType"},
      {Train({"--scale-tier", "BASICC"}, {}), 64, "CUSTOM; did you mean 'BASIC'?"},
      {Train({"--scale-tier", "STANDARD_1", "--distributed"}, {}), 64, "but not both"},
      {Train({"--scale-tier", "STANDARD_1", "--consistency", "best"}, {}), 64, "bounded:K"},
      {Train({"--distributed", "--consistency", "sync", "--pull-ahead"}, {}), 64, "--pull-ahead"},
      {Train({"--pull-ahead"}, {}), 64, "--pull-ahead"},
      {Train({"--distributed", "--consistency", "sync", "--micro-batches", "2"}, {}), 64,
       "3 replicas train"},
      {{"replica"}, 64, "dime local train --scale-tier TIER"},
      {Train({"--verbosity", "DEBUG"}, {}), 64, "did you mean 'debug'?"},
      {Train({"--module-name", "my.task"}, {}), 64, "--module-name"},
      {Train({"--package-path", "src/"}, {}), 64, "--package-path"},
      {Train({"--runtime-version", "new"}, {}), 64, "--runtime-version"},
      {Train({"--model", "cenus"}, {}), 64, "did you mean 'census'"},
      {Train({"--export-name", "../../up"}, {}), 64, "--export-name: '../../up'"},
      {Train({"--export-name", ".hidden"}, {}), 64, "--export-name: '.hidden'"},
      {Train({"--export-name", "a\nb"}, {}), 64, "--export-name: 'a\\nb'"},
      {Train({"--export-name", std::string(256, 'x')}, {}), 64, "up to 255 bytes"},
      {Train({}, {"--num-layers", "100"}), 64, "--num-layers: '100'"},
      {Train({}, {"--first-layer-size", "65536"}), 64, "hidden layer 2 has 65536 x"},
      {{"local", "predict", "--json-instances", rows_}, 64, "--model-dir DIR is required"},
      {{"local", "predict", "--model-dir", "x"}, 64, "--json-instances"},
      {{"local", "predict", "--model-dir", missing, "--json-instances", rows_}, 65, "missing"},
      {{"local", "trian"}, 64, "did you mean 'local train'?"},
      {{"train"}, 64, "no command 'train'; did you mean 'local train'?"},
      {{"local"}, 64, ""},
      {{"jobs", "submit", "training", "x"}, 64, "not built yet"},
      {{"data", "census"}, 64, "--output DIR is required"},
      {{"data", "census", "--output", ""}, 64, "--output: a directory's name"},
      {{"models", "describe"}, 64, "MODEL is required"},
      {{"models", "describe", "census", "more"}, 64, "unexpected word 'more'"},
      {{"models", "describe", "cenus"}, 64, "did you mean 'census'"},
      {{"local", "predict", "--model-dir", "x", "--framework", "xgboost"}, 64, "tensorflow"},
      {{"--no-such-option"}, 64, "--no-such-option"},
      {{"--verison"}, 64, "did you mean '--version'?"},
      {{"help", "exit-code"}, 64, "did you mean 'exit-codes'?"},
      {{"help", "locla"}, 64, "did you mean 'local'?"},
  };
  for (const auto& [words, exit_code, message] : cases) {
    const Ended ended = Dime(words);
    EXPECT_EQ(ended.exit_code, exit_code) << ::testing::PrintToString(words) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(message));
  }
  EXPECT_FALSE(std::filesystem::exists(job_dir_)) << "nothing is written before all is checked";
}

TEST_F(ProgramTest, BadInputIsADataError) {
  std::ofstream(dir_.File("bad.csv")) << "1,2,3\n";
  const std::string bad = dir_.File("bad.csv");
  EXPECT_EQ(Dime(Train({}, {"--train-files", bad, "--train-steps=3"})).exit_code, 65);
  EXPECT_EQ(Dime(Train({}, {"--eval-files", bad, "--train-steps=3"})).exit_code, 65);
  const Ended missing = Dime(Train({}, {"--train-files", dir_.File("none-*.csv")}));
  EXPECT_EQ(missing.exit_code, 65);
  EXPECT_THAT(missing.err, HasSubstr("none-*.csv"));
  const Ended directory = Dime(Train({}, {"--train-files", dir_.path()}));
  EXPECT_EQ(directory.exit_code, 65);
  EXPECT_THAT(directory.err, HasSubstr("is a directory"));
  std::ofstream(rows_, std::ios::app) << "x\n";
  EXPECT_EQ(Dime(Train({}, {"--train-steps=3"})).exit_code, 65);
  const Ended borne = Dime(Train({"--max-bad-records=1"}, {"--train-steps=3"}));
  EXPECT_EQ(borne.exit_code, 0);
  EXPECT_THAT(borne.out, HasSubstr("bad records"));
}

TEST_F(ProgramTest, ADescriptionThatIsTooLongIsAWrongOne) {
  std::ofstream(dir_.File("long.yaml")) << std::string((1 << 20) + 1, '#');
  const Ended ended = Dime(Train({"--model", dir_.File("long.yaml")}, {"--train-steps=3"}));
  EXPECT_EQ(ended.exit_code, 78);
  EXPECT_THAT(ended.err, HasSubstr("1048577 bytes"));
}

TEST_F(ProgramTest, OtherDataInTheCensusFilesPlaceAreADataError) {
  std::ofstream(dir_.File("adult.data.csv")) << "39, State-gov, 77516\n";
  const Ended ended = Dime({"data", "census", "--output", dir_.path()});
  EXPECT_EQ(ended.exit_code, 65);
  EXPECT_THAT(ended.err, HasSubstr("holds something else than the census data"));
}

TEST_F(ProgramTest, AJobDirectoryThatCannotBeMadeIsAnIoError) {
  std::vector<std::string> words = Train({}, {"--train-steps=3"});
  words[3] = rows_ + "/job";
  EXPECT_EQ(Dime(words).exit_code, 74);
  words[3] = "/proc/job";
  EXPECT_EQ(Dime(words).exit_code, 74);
}

TEST_F(ProgramTest, OutputThatCannotBeWrittenIsAnIoError) {
  const std::string to_full = "> /dev/full 2> '" + dir_.File("err") + "'";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--version"},
        std::vector<std::string>{"models", "describe", "census"},
        Train({"--format=json"}, {"--train-steps=3"})}) {
    EXPECT_EQ(ExitCodeInShell(words, to_full), 74) << words[0];
    EXPECT_THAT(ReadText(dir_.File("err")), HasSubstr("No space left on device"));
  }
}

TEST_F(ProgramTest, ALogThatNobodyReadsStopsNoTraining) {
  const std::string unread = "2>&1 | true";
  ExitCodeInShell(Train({"--checkpoint-steps=5"}, {"--train-steps=40"}), unread);
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/model.ckpt-40.index"));
}

TEST_F(ProgramTest, StreamsMayBeClosed) {
  EXPECT_EQ(ExitCodeInShell(Train({}, {"--train-steps=3"}), "<&- >&- 2>&-"), 0);
  EXPECT_TRUE(std::filesystem::exists(job_dir_ + "/model.ckpt-3.index"));
  for (const auto& file : std::filesystem::directory_iterator(job_dir_)) {
    if (!file.is_regular_file()) continue;
    EXPECT_THAT(ReadText(file.path()), Not(HasSubstr("INFO "))) << file.path();
  }
}

class SignalTest : public ProgramTest, public ::testing::WithParamInterface<int> {};

TEST_P(SignalTest, ASignalCheckpointsAndTheNextRunGoesOn) {
  {
    Process endless(dir_, Train({"--checkpoint-steps=100", "--max-checkpoints=1"},
                                {"--num-epochs", "1000000000"}));
    // Training goes on for sure once the first checkpoint has been replaced.
    const auto has_been_replaced = [this] {
      const std::string state = ReadText(job_dir_ + "/checkpoint");
      return !state.empty() && state.find("model.ckpt-0\"") == state.npos;
    };
    while (!has_been_replaced() && !endless.HasEnded()) poll(nullptr, 0, /*ms=*/5);
    endless.Signal(GetParam());
    const Ended ended = endless.Wait();
    EXPECT_EQ(ended.exit_code, 128 + GetParam()) << ended.err;
    EXPECT_THAT(ended.err, AllOf(HasSubstr("stopping after a checkpoint"),
                                 ContainsRegex("stopped at step [0-9]+; the checkpoint is "),
                                 HasSubstr("the same command again goes on")));
    EXPECT_THAT(ended.out, IsEmpty());
  }
  const Ended resumed = Dime(Train({"--format=json"}, {"--train-steps", "1"}));
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_GE(nlohmann::json::parse(resumed.out)["first_step"], 100);
}

INSTANTIATE_TEST_SUITE_P(Signals, SignalTest, ::testing::Values(SIGHUP, SIGINT, SIGTERM));

TEST_F(ProgramTest, HelpIsOnStdout) {
  const struct {
    std::vector<std::string> words;
    const char* text;
  } cases[] = {
      {{}, "To begin with:"},
      {{"--help"}, "local train"},
      {{"help", "exit-codes"}, " 65  input data"},
      {{"help", "exit-codes"}, "or training has diverged"},
      {{"help", "help"}, "exit-codes, trainer.task, version"},
      {{"help", "trainer.task"}, "--train-batch-size N"},
      {{"help", "ml-engine", "local", "train"}, "Example:"},
      {{"--help"}, "-h, --help"},
      {{"version"}, "kernels"},
      {{"local", "--help"}, "dime local predict"},
      {{"local", "train", "--help"}, "--train-batch-size N"},
      {{"local", "train", "--", "--help"}, "--max-checkpoints N"},
      {{"help", "local", "train"}, "Example:"},
      {{"local", "predict", "-h"}, "--text-instances FILE"},
      {{"data", "census", "--help"}, "--output DIR"},
      {{"data", "synthetic", "--help"}, "zipf=E"},
      {{"models", "infer", "--help"}, "--label COLUMN"},
      {{"models", "list"}, "census-v1"},
      {{"models", "list"}, "clicks"},
      {{"models", "describe", "census"}, "train_steps: 100"},
  };
  for (const auto& [words, text] : cases) {
    const Ended ended = Dime(words);
    EXPECT_EQ(ended.exit_code, 0) << ::testing::PrintToString(words);
    EXPECT_THAT(ended.out, HasSubstr(text));
    EXPECT_THAT(ended.err, IsEmpty());
  }
}

TEST_F(ProgramTest, TheListOfModelsSaysWhatEachOneHas) {
  std::filesystem::create_directory(dir_.File("models"));
  std::ofstream(dir_.File("models/prices.yaml"))
      << "input: {fields: [{name: a, type: float}, {name: b, type: float}]}\n"
         "label: {field: b}\n"
         "columns: {a: {kind: numeric}}\n"
         "estimator: {kind: LinearRegressor, linear_columns: [a], loss_reduction: weighted_mean,\n"
         "            linear_optimizer: {kind: sgd, learning_rate: 0.5}}\n";
  ::setenv("DIME_CONFIGS", dir_.path().c_str(), 1);
  const Ended ended = Dime({"models", "list"});
  ::unsetenv("DIME_CONFIGS");
  EXPECT_THAT(ended.out, ContainsRegex("\nprices +- +sgd 0.5 +weighted_mean "));
}

TEST_F(ProgramTest, HelpFitsIntoEightyColumns) {
  for (const char* command : {"local train", "local predict", "data census", "data synthetic",
                              "models describe", "models infer", "models list", "models schema"}) {
    const std::string name = command;
    const std::size_t blank = name.find(' ');
    std::stringstream help(Dime({name.substr(0, blank), name.substr(blank + 1), "--help"}).out);
    for (std::string line; std::getline(help, line);) EXPECT_LE(line.size(), 80) << line;
  }
}

TEST_F(ProgramTest, TheVersionSaysHowItWasBuilt) {
  EXPECT_THAT(Dime({"--version"}).out,
              MatchesRegex("dime [0-9.]+ \\(.*kernels (avx512|avx2|generic).*\\)\n"));
}

}  // namespace
}  // namespace dime::cli
