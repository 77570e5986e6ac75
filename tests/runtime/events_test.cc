#include "runtime/records/events.h"

#include <gmock/gmock.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::records {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::SizeIs;

storage::FileSystem& Files() { return storage::LocalFileSystem(); }

std::vector<Event> ReadBack(const std::string& path) {
  const absl::StatusOr<std::string> file = Files().ReadFile(path);
  EXPECT_OK(file);
  absl::StatusOr<std::vector<Event>> events = ReadEvents(*file);
  EXPECT_OK(events);
  return *std::move(events);
}

TEST(EventWriterTest, FirstRecordIsTheVersionAndIsReadableAtOnce) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, EventWriter::Create(Files(), dir.File("new/eval")));
  const std::vector<Event> events = ReadBack(writer->path());
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_GT(events[0].wall_time, 1.5e9);
}

TEST(EventWriterTest, FileNameIsTensorFlows) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, EventWriter::Create(Files(), dir.path()));
  EXPECT_THAT(std::string(storage::BaseName(writer->path())),
              MatchesRegex("events\\.out\\.tfevents\\.[0-9]{10}\\..+"));
}

TEST(EventWriterTest, WritersInOneDirectoryDoNotShareAFile) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto first, EventWriter::Create(Files(), dir.path()));
  ASSERT_OK_AND_ASSIGN(const auto second, EventWriter::Create(Files(), dir.path()));
  ASSERT_OK_AND_ASSIGN(const auto third, EventWriter::Create(Files(), dir.path()));
  EXPECT_NE(first->path(), second->path());
  EXPECT_NE(second->path(), third->path());
  EXPECT_NE(first->path(), third->path());
}

TEST(EventWriterTest, APathThatIsNotUtf8IsWrittenInEscapes) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, EventWriter::Create(Files(), dir.path()));
  ::testing::internal::CaptureStderr();
  ASSERT_OK(writer->AddSessionStatus(0, SessionStatus::kCheckpoint, "job-\xff/model.ckpt-1"));
  ASSERT_OK(writer->AddSessionStatus(0, SessionStatus::kCheckpoint, "job/model.ckpt-2"));
  ASSERT_OK(writer->Close());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  ASSERT_OK_AND_ASSIGN(const std::string bytes, Files().ReadFile(writer->path()));
  EXPECT_THAT(bytes, HasSubstr("job-\\xff/model.ckpt-1"));
  EXPECT_THAT(bytes, HasSubstr("job/model.ckpt-2"));
}

TEST(EventWriterTest, WhatIsAddedIsReadAfterFlush) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, EventWriter::Create(Files(), dir.path()));
  const std::vector<Scalar> scalars = {{"loss", 0.5f}, {"global_step/sec", NAN}};
  const std::vector<float> values = {1, 2, 3};
  ASSERT_OK(writer->AddSessionStatus(0, SessionStatus::kStart, ""));
  ASSERT_OK(writer->AddScalars(100, scalars));
  ASSERT_OK(writer->AddHistogram(100, "dnn/activation", MakeHistogram(values)));
  ASSERT_OK(writer->AddText(100, "checkpoint_path", "job/model.ckpt-100"));
  ASSERT_OK(writer->Flush());

  const std::vector<Event> events = ReadBack(writer->path());
  ASSERT_THAT(events, SizeIs(5));
  EXPECT_EQ(events[2].step, 100);
  ASSERT_THAT(events[2].scalars, SizeIs(2));
  EXPECT_EQ(events[2].scalars[0].tag, "loss");
  EXPECT_EQ(events[2].scalars[0].value, 0.5f);
  EXPECT_TRUE(std::isnan(events[2].scalars[1].value));
  EXPECT_THAT(events[3].histogram_tags, ElementsAre("dnn/activation"));
  EXPECT_THAT(events[4].scalars, IsEmpty());
  EXPECT_OK(writer->Close());
}

TEST(EventWriterTest, HistogramWithoutALimitForEachBucketIsRefused) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto writer, EventWriter::Create(Files(), dir.path()));
  Histogram histogram;
  histogram.buckets = {1};
  EXPECT_THAT(writer->AddHistogram(1, "h", histogram),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'h'")));
}

TEST(HistogramTest, ValueGoesToTheFirstLimitAboveIt) {
  const Histogram histogram = MakeHistogram(std::vector<float>{0.0f});
  // A zero lies below 1e-12 and not below 0, so the empty buckets up to 0 come as one before it.
  EXPECT_THAT(histogram.bucket_limits, ElementsAre(0, 1e-12, DBL_MAX));
  EXPECT_THAT(histogram.buckets, ElementsAre(0, 1, 0));
  EXPECT_EQ(histogram.min, 0);
  EXPECT_EQ(histogram.max, 0);
  EXPECT_EQ(histogram.num, 1);
}

TEST(HistogramTest, SumsAreThoseOfTheValues) {
  const Histogram histogram = MakeHistogram(std::vector<float>{-2, 1, 1, 4});
  EXPECT_EQ(histogram.min, -2);
  EXPECT_EQ(histogram.max, 4);
  EXPECT_EQ(histogram.num, 4);
  EXPECT_EQ(histogram.sum, 4);
  EXPECT_EQ(histogram.sum_squares, 22);
}

TEST(HistogramTest, NoValuesAreOneEmptyBucket) {
  const Histogram histogram = MakeHistogram({});
  EXPECT_THAT(histogram.bucket_limits, ElementsAre(DBL_MAX));
  EXPECT_THAT(histogram.buckets, ElementsAre(0));
  EXPECT_EQ(histogram.num, 0);
}

TEST(HistogramTest, ValuesThatAreNotFiniteAreLeftOut) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Histogram histogram =
      MakeHistogram(std::vector<float>{NAN, kInfinity, -kInfinity, 1, FLT_MAX, -FLT_MAX});
  EXPECT_EQ(histogram.num, 3);
  EXPECT_EQ(histogram.max, FLT_MAX);
  EXPECT_EQ(histogram.buckets.back(), 1);
}

TEST(ReadEventsTest, RecordThatIsNoEventIsNamed) {
  // A record (see tfrecord_test.cc) whose data is "abc".
  const std::string file(
      "\x03\0\0\0\0\0\0\0\xb0\x99\x49\x0e"
      "abc\x6e\x57\xf1\x21",
      19);
  EXPECT_THAT(ReadEvents(file), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("no event")));
}

}  // namespace
}  // namespace dime::records
