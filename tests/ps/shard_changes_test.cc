// What has changed in an unbounded table between two cuts, put to what the first one had, is what
// the second one has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "ps/internal/id_hash.h"
#include "ps/internal/shard_journal.h"
#include "ps/shard_rows.h"
#include "ps/unbounded_cut.h"
#include "ps/unbounded_table.h"
#include "tests/support/status_matchers.h"

namespace dime::ps {
namespace {

using ::dime::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kNumShards = static_cast<int>(internal::kVirtualShards);

ops::TableSpec ChangingSpec(std::int64_t dim, const ops::UnboundedRows& unbounded) {
  return {.name = "clicks",
          .shape = {0, dim},
          .dim = dim,
          .initializer = {ops::InitializerKind::kUniform, 0.5f},
          .optimizer = {.kind = ops::OptimizerKind::kAdagrad, .learning_rate = 0.5f},
          .unbounded = unbounded};
}

std::unique_ptr<UnboundedTable> NewChangingTable(const ops::TableSpec& spec) {
  std::vector<int> shards(kNumShards);
  std::iota(shards.begin(), shards.end(), 0);
  return *UnboundedTable::Create(spec, std::move(shards), 1);
}

// Steps of a random number of ids: some of a few that come often, some new ones.
class RandomHistory {
 public:
  RandomHistory(UnboundedTable& table, std::uint64_t seed) : table_(table), random_(seed) {}

  void Go(int steps) {
    for (; steps > 0; --steps) {
      std::set<std::int64_t> ids;
      const std::uint64_t most = random_() % 300;
      for (std::uint64_t i = 0; i < most; ++i) {
        const std::uint64_t draw = random_() >> 1;
        ids.insert(static_cast<std::int64_t>(draw % 3 == 0 ? draw % 1000 : draw % 300'000));
      }
      std::vector<float> gradients(ids.size() * static_cast<std::size_t>(table_.spec().dim));
      for (float& gradient : gradients) gradient = static_cast<float>(random_() % 100) * 0.01f;
      table_.Update(++step_, std::vector(ids.begin(), ids.end()), gradients);
    }
  }
  [[nodiscard]] std::uint64_t Draw(std::uint64_t limit) { return random_() % limit; }

 private:
  UnboundedTable& table_;
  std::mt19937_64 random_;
  std::int64_t step_ = 0;
};

void ExpectSameShard(const ShardRows& rows, const ShardRows& expected) {
  EXPECT_EQ(rows.step, expected.step);
  EXPECT_EQ(rows.ids, expected.ids);
  EXPECT_EQ(rows.last_updates, expected.last_updates);
  EXPECT_EQ(rows.records, expected.records);
  EXPECT_EQ(rows.sightings, expected.sightings);
}

struct History {
  std::int64_t dim = 0;
  ops::UnboundedRows unbounded;
  bool has_erased = true;  // Whether rows go at all.
  bool has_whole = false;  // Whether there are shards that are read whole again.
};

class ShardChangesTest : public ::testing::TestWithParam<History> {};

// Rows that go by age, by bytes, by both, and not at all; with sightings and without; rows shorter
// and longer than what is preserved together.
INSTANTIATE_TEST_SUITE_P(
    Histories, ShardChangesTest,
    ::testing::Values(
        History{1, {.max_bytes = 32 << 20}, /*has_erased=*/false},
        History{3, {.admit_after = 2, .max_bytes = 16 << 20}, /*has_erased=*/false},
        History{2, {.evict_after_steps = 40, .max_bytes = 16 << 20}},
        History{2, {.admit_after = 2, .evict_after_steps = 300, .max_bytes = 8 << 20}},
        History{5, {.max_bytes = 3 << 20}},
        History{
            1, {.admit_after = 3, .evict_after_steps = 500, .max_bytes = 1 << 20}, true, true}));

TEST_P(ShardChangesTest, AddUpToWhatIsThereWhateverHappened) {
  const ops::TableSpec spec = ChangingSpec(GetParam().dim, GetParam().unbounded);
  const auto table = NewChangingTable(spec);
  RandomHistory history(*table, /*seed=*/11);
  std::vector<ShardRows> merged(kNumShards);
  int num_whole = 0;
  std::size_t num_changes = 0;
  std::size_t num_erased = 0;
  std::size_t num_sets = 0;
  history.Go(300);
  for (int round = 0; round < 40; ++round) {
    history.Go(static_cast<int>(history.Draw(12)));
    std::vector<ShardRows> expected;
    for (int s = 0; s < kNumShards; ++s) expected.push_back(table->Export(s));
    UnboundedCut& cut = table->BeginCut();
    for (int s = 0; s < kNumShards; ++s) {
      if (s % 16 == 0) history.Go(1);  // It goes on, and that is in the next cut.
      SavedShard saved = cut.ReadChanges(s);
      ShardRows& rows = merged[static_cast<std::size_t>(s)];
      if (saved.is_whole) {
        num_whole += round > 0 ? 1 : 0;
        rows = std::move(saved.rows);
      } else {
        ++num_changes;
        num_erased += saved.erased.size();
        num_sets += saved.sighting_sets.size();
        EXPECT_LE(saved.rows.ids.size(), expected[static_cast<std::size_t>(s)].ids.size());
        ASSERT_OK(ApplyChanges(spec, s, saved, &rows));
      }
      ExpectSameShard(rows, expected[static_cast<std::size_t>(s)]);
      if (HasFailure()) FAIL() << "round " << round << ", shard " << s;
    }
    table->EndCut();
  }
  EXPECT_GT(num_changes, 2000u);
  EXPECT_EQ(num_erased > 0, GetParam().has_erased);
  EXPECT_EQ(num_sets > 0, GetParam().unbounded.admit_after > 1);
  EXPECT_GE(num_whole, GetParam().has_whole ? 1 : 0);
}

TEST(ShardChangesAloneTest, HaveTheRowsThatWereTouchedAndNoOthers) {
  const ops::TableSpec spec = ChangingSpec(4, {.max_bytes = 64 << 20});
  const auto table = NewChangingTable(spec);
  RandomHistory history(*table, 3);
  history.Go(200);
  table->BeginCut();
  table->EndCut();
  const std::int64_t id = table->Export(9).ids.front();
  table->Update(201, {&id, 1}, std::vector<float>(4, 1.0f));
  UnboundedCut& cut = table->BeginCut();
  for (int s = 0; s < kNumShards; ++s) {
    const SavedShard saved = cut.ReadChanges(s);
    EXPECT_FALSE(saved.is_whole);
    EXPECT_THAT(saved.erased, IsEmpty());
    if (s == 9) {
      EXPECT_THAT(saved.rows.ids, ElementsAre(id));
      EXPECT_THAT(saved.rows.last_updates, ElementsAre(201));
    } else {
      EXPECT_THAT(saved.rows.ids, IsEmpty());
    }
  }
}

TEST(ShardChangesAloneTest, AreNotKnownAfterAnImportOrAnotherStepOrBeforeTheFirstCut) {
  const ops::TableSpec spec = ChangingSpec(4, {.max_bytes = 64 << 20});
  const auto table = NewChangingTable(spec);
  RandomHistory history(*table, 3);
  history.Go(20);
  const auto all_are_whole = [&] {
    UnboundedCut& cut = table->BeginCut();
    int num_whole = 0;
    for (int s = 0; s < kNumShards; ++s) num_whole += cut.ReadChanges(s).is_whole ? 1 : 0;
    table->EndCut();
    return num_whole;
  };
  EXPECT_EQ(all_are_whole(), kNumShards);
  EXPECT_EQ(all_are_whole(), 0);
  table->Import(7, table->Export(7));
  EXPECT_EQ(all_are_whole(), 1);
  table->set_step(20);  // As it is.
  EXPECT_EQ(all_are_whole(), 0);
  table->set_step(19);
  EXPECT_EQ(all_are_whole(), kNumShards);
}

TEST(ShardChangesAloneTest, OfNothingThatATableHadAreDamage) {
  const ops::TableSpec spec = ChangingSpec(1, {.max_bytes = 1 << 20});
  std::vector<std::int64_t> ids;
  for (std::int64_t id = 0; ids.size() < 3; ++id) {
    if (internal::VirtualShardOf(internal::HashOfId(id)) == 3) ids.push_back(id);
  }
  const ShardRows before = {.step = 5,
                            .ids = {ids[0], ids[1]},
                            .last_updates = {1, 2},
                            .records = {1, 2, 3, 4},
                            .sightings = std::vector<std::int64_t>(16, 7)};
  const SavedShard good = {.is_whole = false,
                           .rows = {.step = 9,
                                    .ids = {ids[2]},
                                    .last_updates = {9},
                                    .records = {5, 6},
                                    .sightings = std::vector<std::int64_t>(8, 8)},
                           .erased = {ids[0]},
                           .sighting_sets = {1}};
  ShardRows rows = before;
  ASSERT_OK(ApplyChanges(spec, 3, good, &rows));
  EXPECT_EQ(rows.step, 9);
  EXPECT_THAT(rows.ids, ElementsAre(ids[1], ids[2]));
  EXPECT_THAT(rows.last_updates, ElementsAre(2, 9));
  EXPECT_THAT(rows.records, ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(rows.sightings[7], 7);
  EXPECT_EQ(rows.sightings[8], 8);

  const auto apply = [&](const auto& spoil) {
    SavedShard bad = good;
    spoil(bad);
    ShardRows changed = before;
    return ApplyChanges(spec, 3, bad, &changed);
  };
  const auto is_damage = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("shard 3 of table"));
  EXPECT_THAT(apply([](SavedShard& s) { s.sighting_sets = {2}; }), is_damage);
  EXPECT_THAT(apply([](SavedShard& s) { s.sighting_sets = {-1}; }), is_damage);
  EXPECT_THAT(apply([](SavedShard& s) { s.sighting_sets = {0, 1}; }), is_damage);
  EXPECT_THAT(apply([](SavedShard& s) { s.rows.sightings.pop_back(); }), is_damage);
  EXPECT_THAT(apply([&](SavedShard& s) { s.erased = {ids[1], ids[0]}; }), is_damage);
  EXPECT_THAT(apply([](SavedShard& s) { s.rows.last_updates = {10}; }), is_damage);
  EXPECT_THAT(apply([](SavedShard& s) { s.rows.records.pop_back(); }), is_damage);
}

TEST(ShardJournalTest, KnowsAsMuchAsItHasRoomForAndSaysWhenThatIsNotAll) {
  std::vector<std::uint64_t> erased(2);
  std::vector<std::uint64_t> marks(internal::ShardJournal::WordsFor(65));
  ASSERT_EQ(marks.size(), 2u);
  internal::ShardJournal journal(erased, marks);
  EXPECT_FALSE(journal.Read().is_complete);
  journal.NoteErased(1);
  journal.Restart();
  journal.NoteErased(8);
  journal.NoteErased(7);
  marks[0] = std::uint64_t{1} << 63 | 1;
  marks[1] = 1;
  EXPECT_TRUE(journal.Read().is_complete);
  EXPECT_THAT(journal.Read().erased, ElementsAre(8, 7));
  EXPECT_THAT(journal.Read().changed_sets, ElementsAre(0, 63, 64));
  journal.NoteErased(9);
  EXPECT_FALSE(journal.Read().is_complete);
  journal.Restart();
  EXPECT_TRUE(journal.Read().is_complete);
  EXPECT_THAT(journal.Read().erased, IsEmpty());
  EXPECT_THAT(journal.Read().changed_sets, IsEmpty());
}

}  // namespace
}  // namespace dime::ps
