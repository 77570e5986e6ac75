// The progress bar, log lines, tables and predictions as text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/prediction_output.h"
#include "cli/terminal/progress_text.h"
#include "cli/terminal/status_line.h"
#include "cli/terminal/table.h"
#include "cli/training_reporter.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

namespace dime::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr worker::Progress kProgress = {.step = 300,
                                        .first_step = 0,
                                        .last_step = 1000,
                                        .loss = 0.41213,
                                        .steps_per_second = 50,
                                        .examples_per_second = 208'000};

TEST(ProgressTextTest, RatesHaveAFewDigits) {
  EXPECT_EQ(FormatRate(0), "0");
  EXPECT_EQ(FormatRate(0.25), "0.25");
  EXPECT_EQ(FormatRate(950.4), "950");
  EXPECT_EQ(FormatRate(999.7), "1,000");
  EXPECT_EQ(FormatRate(5203), "5,203");
  EXPECT_EQ(FormatRate(208'000), "208k");
  EXPECT_EQ(FormatRate(1'350'000), "1.35M");
  EXPECT_EQ(FormatRate(std::nan("")), "?");
}

TEST(ProgressTextTest, DurationsAreReadAsAClock) {
  EXPECT_EQ(FormatDuration(0), "0:00");
  EXPECT_EQ(FormatDuration(6.2), "0:07");
  EXPECT_EQ(FormatDuration(725), "12:05");
  EXPECT_EQ(FormatDuration(3 * 3600 + 4 * 60 + 59), "3:04:59");
  EXPECT_EQ(FormatDuration(INFINITY), "?");
  EXPECT_EQ(FormatDuration(-1), "?");
}

TEST(ProgressTextTest, ALogLineSaysEverything) {
  EXPECT_EQ(FormatProgress(kProgress),
            "step 300/1000 (30%), loss 0.4121, 50 steps/s, 208k examples/s, 0:14 left");
}

TEST(ProgressTextTest, StalenessIsShownWhereItIsKnown) {
  worker::Progress progress{.step = 300, .last_step = 1000, .steps_per_second = 100};
  progress.staleness = {.p50 = 2, .p99 = 9};
  EXPECT_THAT(FormatProgress(progress), HasSubstr(" examples/s, staleness 2/9, 0:07 left"));
  EXPECT_THAT(FormatProgressBar(progress, 140), HasSubstr(" examples/s staleness 2/9 "));
}

TEST(ProgressTextTest, AnUnknownEndIsNotMadeUp) {
  worker::Progress progress = kProgress;
  progress.last_step = 0;
  EXPECT_EQ(FormatProgress(progress), "step 300, loss 0.4121, 50 steps/s, 208k examples/s");
  EXPECT_EQ(FormatProgressBar(progress, 200),
            "step 300 loss 0.4121      50 steps/s   208k examples/s");
}

TEST(ProgressTextTest, ABarFillsTheRoomThatIsLeft) {
  EXPECT_EQ(
      FormatProgressBar(kProgress, 200),
      " 300/1000 [=======>                 30%] loss 0.4121      50 steps/s   208k examples/s "
      " 0:14 left");
  worker::Progress done = kProgress;
  done.step = 1000;
  EXPECT_THAT(FormatProgressBar(done, 200), HasSubstr(" [========================100%] "));
}

TEST(ProgressTextTest, ANarrowTerminalGetsLess) {
  std::size_t last_size = 0;
  for (int columns = 0; columns < 130; ++columns) {
    const std::string bar = FormatProgressBar(kProgress, columns);
    EXPECT_LE(bar.size(), static_cast<std::size_t>(std::max(columns - 1, 0))) << columns;
    last_size = bar.size();
  }
  EXPECT_GT(last_size, 90);
  EXPECT_EQ(FormatProgressBar(kProgress, 20), " 300/1000 [>   30%]");
  EXPECT_EQ(FormatProgressBar(kProgress, 15), " 300/1000");
  EXPECT_THAT(FormatProgressBar(kProgress, 60),
              AllOf(HasSubstr("loss"), HasSubstr("left"), Not(HasSubstr("examples/s"))));
}

TEST(ProgressTextTest, TheStandardTerminalHasABarAndEveryFigure) {
  worker::Progress progress = kProgress;
  progress.steps_per_second = 17'499;
  progress.examples_per_second = 700'000;
  for (const std::int64_t last_step : {1, 100, 1000, 50'000, 999'999, 9'999'999}) {
    progress.last_step = last_step;
    progress.step = last_step / 2;
    const std::string line = FormatProgressBar(progress, 80);
    EXPECT_LE(line.size(), 79) << line;
    EXPECT_THAT(line, AllOf(HasSubstr("%]"), HasSubstr("loss 0.4121"), HasSubstr("17,499 steps/s"),
                            HasSubstr("700k examples/s"), HasSubstr("left")));
  }
}

TEST(ProgressTextTest, NothingJumpsFromOneLineToTheNext) {
  worker::Progress early = kProgress;
  early.step = 7;
  early.loss = 0.5;
  early.steps_per_second = 9;
  early.examples_per_second = 1'200;
  worker::Progress late = kProgress;
  late.step = 990;
  late.loss = 0.04321;
  late.steps_per_second = 12'345;
  late.examples_per_second = 1'350'000;
  for (const int columns : {20, 60, 80, 100}) {
    const std::string first = FormatProgressBar(early, columns);
    const std::string second = FormatProgressBar(late, columns);
    for (const char* const mark : {"/1000", "%]", "loss", "steps/s", "examples/s", "left"}) {
      EXPECT_EQ(first.find(mark), second.find(mark)) << first << "\n" << second;
    }
  }
}

// Lines of a run that takes `seconds` in all, asked ten times a second.
int CountLines(int seconds, std::int64_t steps_per_second, std::int64_t last_step) {
  const ProgressPacer::Clock::time_point start{};
  ProgressPacer pacer(start);
  int lines = 0;
  for (int tenth = 1; tenth <= seconds * 10; ++tenth) {
    const worker::Progress progress{.step = steps_per_second * tenth / 10, .last_step = last_step};
    lines += pacer.IsDue(progress, start + std::chrono::milliseconds(100) * tenth) ? 1 : 0;
  }
  return lines;
}

TEST(ProgressPacerTest, ARunWithAKnownEndHasAFewLines) {
  EXPECT_EQ(CountLines(/*seconds=*/1, 1000, 1000), 1);
  EXPECT_EQ(CountLines(/*seconds=*/5, 1000, 5000), 5);
  for (const int seconds : {20, 100, 1000}) {
    const int lines = CountLines(seconds, 100, 100 * seconds);
    EXPECT_LE(lines, 18) << seconds;
    EXPECT_GE(lines, 10) << seconds;
  }
}

TEST(ProgressPacerTest, ALongRunWithAKnownEndHasALineAMinute) {
  EXPECT_EQ(CountLines(/*seconds=*/36'000, 100, 100 * 36'000), 600);
}

TEST(ProgressPacerTest, ARunWithoutAnEndHasEverFewer) {
  EXPECT_EQ(CountLines(/*seconds=*/5, 1000, 0), 5);
  EXPECT_LE(CountLines(/*seconds=*/3600, 10, 0), 130);
}

TEST(TableTest, ColumnsAreAlignedAndLinesEndWithoutBlanks) {
  EXPECT_EQ(FormatTable({{"A", "LONG", "B"}, {"1234", "x", "y"}, {"1"}}),
            "A     LONG  B\n1234  x     y\n1\n");
  EXPECT_EQ(FormatTable({}), "");
}

class StatusLineTest : public ::testing::Test {
 protected:
  ~StatusLineTest() override { std::fclose(screen_); }

  // What has been written since the last call.
  std::string Written() {
    std::fflush(screen_);
    std::rewind(screen_);
    std::string text(10'000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), screen_));
    std::rewind(screen_);
    (void)!ftruncate(fileno(screen_), 0);
    return text;
  }

  std::FILE* const screen_ = std::tmpfile();
  int columns_ = 20;
};

TEST_F(StatusLineTest, OneLineIsRedrawnAndClearedAtTheEnd) {
  {
    StatusLine line(screen_, [this] { return columns_; });
    line.Show("one");
    EXPECT_EQ(Written(), "one");
    line.Show("two");
    EXPECT_EQ(Written(), "\r\033[Jtwo");
  }
  EXPECT_EQ(Written(), "\r\033[J");
}

TEST_F(StatusLineTest, WhatDoesNotFitIsCutOff) {
  StatusLine line(screen_, [this] { return columns_; });
  line.Show("0123456789012345678901234567890");
  EXPECT_EQ(Written(), "0123456789012345678");
  columns_ = 0;
  line.Show("x");
  EXPECT_EQ(Written(), "\r\033[18A\033[J");
}

TEST_F(StatusLineTest, ANarrowedWindowIsClearedWhole) {
  StatusLine line(screen_, [this] { return columns_; });
  line.Show("0123456789012345");
  Written();
  columns_ = 8;
  line.Show("x");
  EXPECT_EQ(Written(), "\r\033[1A\033[Jx");
}

TEST_F(StatusLineTest, ItStepsAsideForTheLog) {
  StatusLine line(screen_, [this] { return columns_; });
  line.Show("busy");
  Written();
  base::LogLine(base::Severity::kError, "something");
  EXPECT_EQ(Written(), "\r\033[Jbusy");
}

TEST_F(StatusLineTest, ControlCharactersDoNotReachTheTerminal) {
  StatusLine line(screen_, [this] { return columns_; });
  line.Show("a\033[2J\r\nb");
  EXPECT_EQ(Written(), "a[2Jb");
}

class TrainingReporterTest : public StatusLineTest {
 protected:
  TrainingReporterTest() {
    base::SetMinLogSeverity(base::Severity::kError);
    columns_ = 80;
  }
  ~TrainingReporterTest() override { base::SetMinLogSeverity(base::Severity::kInfo); }

  std::unique_ptr<StatusLine> MakeLine() {
    return std::make_unique<StatusLine>(screen_, [this] { return columns_; });
  }
};

TEST_F(TrainingReporterTest, TheLineSaysWhatComesAfterTheLastStep) {
  TrainingReporter reporter(MakeLine(), {.evaluates = true, .exports = true});
  reporter.OnStart(0, 1000);
  reporter.OnProgress(kProgress);
  EXPECT_THAT(Written(), HasSubstr("300/1000"));
  reporter.OnCheckpoint(300, "model.ckpt-300");
  EXPECT_EQ(Written(), "\r\033[J") << "what comes next is not known";
  reporter.OnProgress(kProgress);
  Written();
  reporter.OnCheckpoint(1000, "model.ckpt-1000");
  EXPECT_EQ(Written(), "\r\033[Jevaluating");
  base::LogLine(base::Severity::kError, "something");
  EXPECT_EQ(Written(), "\r\033[Jevaluating");
  reporter.OnEvaluation(1000, {});
  EXPECT_EQ(Written(), "\r\033[Jexporting");
  reporter.OnExport("export/census/1");
  EXPECT_EQ(Written(), "\r\033[J");
}

TEST_F(TrainingReporterTest, AJobThatIsAtItsEndAlreadyEvaluatesAtOnce) {
  TrainingReporter reporter(MakeLine(), {.evaluates = true, .exports = false});
  reporter.OnStart(1000, 1000);
  EXPECT_EQ(Written(), "evaluating");
  reporter.OnEvaluation(1000, {});
  EXPECT_EQ(Written(), "\r\033[J");
}

TEST(TrainingResultTest, TheSpeedSaysWhatItLeavesOut) {
  worker::TrainingResult result;
  result.global_step = 1000;
  result.steps_per_second = 5203;
  result.phase_seconds = {{"train", 0.2}, {"checkpoint", 0.3}};
  EXPECT_THAT(FormatResult(result, "job"),
              HasSubstr("5,203 steps/s between checkpoints; 0.50 s in all\n"));
}

TEST(PredictionOutputTest, FloatsAreWrittenAsPythonWritesThem) {
  EXPECT_EQ(FormatPythonFloat(0.0583675391972065f), "0.0583675391972065");
  EXPECT_EQ(FormatPythonFloat(-2.780855178833008f), "-2.780855178833008");
  EXPECT_EQ(FormatPythonFloat(0.1f), "0.10000000149011612");
  EXPECT_EQ(FormatPythonFloat(1.0f), "1.0");
  EXPECT_EQ(FormatPythonFloat(-0.0f), "-0.0");
  EXPECT_EQ(FormatPythonFloat(1e-5f), "9.999999747378752e-06");
  EXPECT_EQ(FormatPythonFloat(1e16f), "1.0000000272564224e+16");
  EXPECT_EQ(FormatPythonFloat(INFINITY), "inf");
}

models::Predictions OnePrediction() {
  models::Predictions predictions;
  predictions.num_examples = 1;
  predictions.num_classes = 2;
  predictions.logits = {-2.780855178833008f};
  predictions.logistic = {0.0583675391972065f};
  predictions.probabilities = {0.9416324496269226f, 0.0583675354719162f};
  predictions.class_ids = {0};
  return predictions;
}

TEST(PredictionOutputTest, TheTableIsGclouds) {
  EXPECT_EQ(FormatPredictionTable(OnePrediction(), models::SignatureMethod::kPredict),
            "CLASS_IDS  CLASSES  LOGISTIC              LOGITS                PROBABILITIES\n"
            "[0]        ['0']    [0.0583675391972065]  [-2.780855178833008]  "
            "[0.9416324496269226, 0.0583675354719162]\n");
}

TEST(PredictionOutputTest, OtherMethodsGiveTheirOwnColumns) {
  EXPECT_EQ(FormatPredictionTable(OnePrediction(), models::SignatureMethod::kClassify),
            "CLASSES     SCORES\n"
            "['0', '1']  [0.9416324496269226, 0.0583675354719162]\n");
  EXPECT_EQ(FormatPredictionTable(OnePrediction(), models::SignatureMethod::kRegress),
            "OUTPUTS\n[0.0583675391972065]\n");
}

TEST(PredictionOutputTest, ManyClassesAndRegressionsHaveTheirOwnColumns) {
  models::Predictions classes;
  classes.num_examples = 1;
  classes.num_logits = classes.num_classes = 3;
  classes.logits = {0, 1, -1};
  classes.probabilities = {0.25f, 0.5f, 0.25f};
  classes.class_ids = {1};
  EXPECT_EQ(FormatPredictionTable(classes, models::SignatureMethod::kPredict),
            "CLASS_IDS  CLASSES  LOGITS            PROBABILITIES\n"
            "[1]        ['1']    [0.0, 1.0, -1.0]  [0.25, 0.5, 0.25]\n");
  EXPECT_EQ(FormatPredictionTable(classes, models::SignatureMethod::kClassify),
            "CLASSES          SCORES\n['0', '1', '2']  [0.25, 0.5, 0.25]\n");
  models::Predictions regression;
  regression.num_examples = 2;
  regression.logits = {2.5f, -1};
  EXPECT_EQ(FormatPredictionTable(regression, models::SignatureMethod::kPredict),
            "PREDICTIONS\n[2.5]\n[-1.0]\n");
  EXPECT_EQ(FormatPredictionTable(regression, models::SignatureMethod::kRegress),
            "OUTPUTS\n[2.5]\n[-1.0]\n");
}

TEST(PredictionOutputTest, JsonHasTheKeysOfThePredictSignature) {
  const std::string text = FormatPredictionJson(OnePrediction(), models::SignatureMethod::kPredict);
  EXPECT_THAT(text,
              StartsWith("{\n  \"predictions\": [\n    {\n      \"class_ids\": [\n        0\n"));
  EXPECT_THAT(text, HasSubstr("0.0583675391972065\n"));
  const nlohmann::json instance = nlohmann::json::parse(text)["predictions"][0];
  EXPECT_EQ(instance["class_ids"], nlohmann::json::array({0}));
  EXPECT_EQ(instance["classes"], nlohmann::json::array({"0"}));
  EXPECT_EQ(instance["logits"][0].get<float>(), -2.780855178833008f);
  EXPECT_EQ(instance["probabilities"][1].get<float>(), 0.0583675354719162f);
}

}  // namespace
}  // namespace dime::cli
