#include "runtime/cluster/tiers.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace dime::cluster {
namespace {

using ::dime::testing::StatusIs;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using ::testing::StrEq;

TierLibrary Shipped() {
  const std::vector<std::string> directories = {DIME_CONFIG_DIR};
  absl::StatusOr<TierLibrary> library = TierLibrary::Read(directories);
  EXPECT_OK(library);
  return library.ok() ? *std::move(library) : TierLibrary();
}

void ExpectTypesRefused(const std::string& yaml, const std::string& message) {
  EXPECT_THAT(TierLibrary().AddMachineTypes(yaml, "m.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

void ExpectTierRefused(const std::string& yaml, const std::string& message) {
  TierLibrary library;
  ASSERT_OK(library.AddMachineTypes("machine_types: {small: {cores: 2}, big: {cores: 8}}", "m"));
  EXPECT_THAT(library.AddTier(yaml, "t.yaml"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(TiersTest, TheShippedTiersHaveTheirPublishedShapes) {
  const TierLibrary library = Shipped();
  EXPECT_THAT(library.TierNames(),
              ElementsAre("BASIC", "BASIC_GPU", "STANDARD_1", "PREMIUM_1", "CUSTOM"));
  ASSERT_OK_AND_ASSIGN(const Tier* const standard, library.FindTier("STANDARD_1"));
  EXPECT_EQ(standard->shape.Counts(),
            (RoleCounts{.masters = 1, .workers = 4, .parameter_servers = 3}));
  EXPECT_EQ(standard->shape.master.machine.name, "complex_model_s");
  EXPECT_EQ(standard->shape.parameter_servers.machine.name, "standard");
  EXPECT_THAT(standard->unconfirmed, ElementsAre("workerCount"));
  ASSERT_OK_AND_ASSIGN(const Tier* const premium, library.FindTier("PREMIUM_1"));
  EXPECT_EQ(premium->shape.Counts(),
            (RoleCounts{.masters = 1, .workers = 19, .parameter_servers = 11}));
  ASSERT_OK_AND_ASSIGN(const Tier* const gpu, library.FindTier("BASIC_GPU"));
  EXPECT_EQ(gpu->shape.master.machine.gpus, 1);
  EXPECT_EQ(gpu->shape.master.machine.gpu_type, "NVIDIA_TESLA_K80");
}

// The published units of a tier are those of its machines, to the four digits that were published.
TEST(TiersTest, TheUnitsOfAShippedTierAreThoseOfItsMachines) {
  const TierLibrary library = Shipped();
  for (const Tier* const tier : library.Tiers()) {
    const ClusterTotals totals = TotalsOf(tier->shape);
    ASSERT_TRUE(tier->units_per_hour.has_value() && totals.units_per_hour.has_value());
    EXPECT_NEAR(*tier->units_per_hour, *totals.units_per_hour, 0.0011) << tier->name;
  }
  EXPECT_EQ(library.unit_prices().at("us"), 0.49);
  EXPECT_EQ(library.MachineTypeNames().size(), 14u);
}

TEST(TiersTest, TotalsAddAllMachines) {
  const TierLibrary library = Shipped();
  ASSERT_OK_AND_ASSIGN(const Tier* const tier, library.FindTier("STANDARD_1"));
  const ClusterTotals totals = TotalsOf(tier->shape);
  EXPECT_EQ(totals.replicas, 8);
  EXPECT_EQ(totals.cores, 5 * 8 + 3 * 4);
  EXPECT_DOUBLE_EQ(totals.memory_gb, 5 * 7.2 + 3 * 15);
  ClusterShape unknown = tier->shape;
  unknown.workers.machine.units_per_hour.reset();
  EXPECT_FALSE(TotalsOf(unknown).units_per_hour.has_value());
}

TEST(TiersTest, ATierIsFoundAsGcloudSpellsIt) {
  const TierLibrary library = Shipped();
  for (const char* const name : {"standard-1", "STANDARD_1", "standard_1"}) {
    ASSERT_OK_AND_ASSIGN(const Tier* const tier, library.FindTier(name));
    EXPECT_EQ(tier->name, "STANDARD_1");
  }
}

TEST(TiersTest, WhatIsNoTierIsAnsweredWithWhatThereIs) {
  const TierLibrary library = Shipped();
  EXPECT_THAT(library.FindTier("STANDRAD_1"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       StrEq("there is no scale tier 'STANDRAD_1'; there are BASIC, BASIC_GPU, "
                             "STANDARD_1, PREMIUM_1, CUSTOM; did you mean 'STANDARD_1'?")));
  EXPECT_THAT(library.FindTier("custom"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--config file or flags")));
  EXPECT_THAT(library.FindTier("BASIC_TPU"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("asks for a TPU")));
}

TEST(TiersTest, AWrongMachineTypeNamesFileLineKeyAndWhatIsAllowed) {
  ExpectTypesRefused("a: 1\n", "m.yaml:1: a: is no key of this mapping; allowed are machine_types");
  ExpectTypesRefused("machine_types: 3\n", "m.yaml:1: machine_types: a mapping is expected");
  ExpectTypesRefused("machine_types:\n  x: {core: 2}\n",
                     "m.yaml:2: machine_types.x.core: is no key of this mapping; allowed are "
                     "cores, memory_gb, gpus, gpu_type, units_per_hour, unconfirmed; did you mean");
  ExpectTypesRefused("machine_types:\n  x: {gpus: 2}\n", "machine_types.x: the key 'cores'");
  ExpectTypesRefused("machine_types:\n  x:\n    cores: 0\n",
                     "m.yaml:3: machine_types.x.cores: '0' is not a whole number from 1 to 4096");
  ExpectTypesRefused("machine_types: {x: {cores: 1, memory_gb: -1}}", "is not a number from 0");
  ExpectTypesRefused("machine_types: {x: {cores: 1, memory_gb: nan}}", "is not a number from 0");
  ExpectTypesRefused("machine_types: {x: {cores: 1, gpus: 65}}", "from 0 to 64");
  ExpectTypesRefused("machine_types: {'a b': {cores: 1}}", "'a b' is no name");
  ExpectTypesRefused("machine_types: {x: {cores: 1, unconfirmed: [gpus]}}",
                     "machine_types.x.unconfirmed[0]: there is no key 'gpus'");
  ExpectTypesRefused("machine_types: {}\ndollars_per_unit_hour: 3\n", "m.yaml:2: ");
}

TEST(TiersTest, AWrongTierNamesFileLineKeyAndWhatIsAllowed) {
  ExpectTierRefused("name: A\n", "t.yaml:1: the key 'masterType' is missing");
  ExpectTierRefused("name: A\nmasterType: smal\n",
                    "t.yaml:2: masterType: there is no machine type 'smal'; there are big, small; "
                    "did you mean 'small'?");
  ExpectTierRefused("name: A\nmasterType: small\nworkerCount: 2\n",
                    "t.yaml:1: the key 'workerType' is missing; allowed are big, small");
  ExpectTierRefused("name: A\nmasterType: small\nworkerType: small\nworkerCount: -1\n",
                    "t.yaml:4: workerCount: '-1' is not a whole number from 0 to 10000");
  ExpectTierRefused("name: A\nmasterType: small\nworkerType: small\nworkerCount: 10000\n",
                    "the tier has 10001 replicas; at most 10000 are allowed");
  ExpectTierRefused("name: a\nmasterType: small\n", "t.yaml:1: name: a tier is named in upper");
  ExpectTierRefused("name: CUSTOM\nmasterType: small\n", "and not CUSTOM");
  ExpectTierRefused("name: A\nmasterType: small\nworkers: 3\n", "is no key of this mapping");
}

class OwnTiersTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = dir_.File(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  absl::StatusOr<TierLibrary> Read() const {
    const std::vector<std::string> directories = {DIME_CONFIG_DIR, dir_.path()};
    return TierLibrary::Read(directories);
  }

  const TempDir dir_;
};

TEST_F(OwnTiersTest, AFolderOfOnesOwnAddsToDimesAndReplacesByName) {
  Write("machine_types.yaml", "machine_types: {standard: {cores: 2}, node: {cores: 64}}\n");
  Write("tiers/lab.yaml", "name: LAB\nmasterType: node\nworkerType: node\nworkerCount: 7\n");
  ASSERT_OK_AND_ASSIGN(const TierLibrary library, Read());
  ASSERT_OK_AND_ASSIGN(const Tier* const lab, library.FindTier("lab"));
  EXPECT_EQ(lab->shape.workers.machine.cores, 64);
  EXPECT_FALSE(lab->units_per_hour.has_value());
  ASSERT_OK_AND_ASSIGN(const Tier* const basic, library.FindTier("BASIC"));
  EXPECT_EQ(basic->shape.master.machine.cores, 2);
}

TEST_F(OwnTiersTest, EitherPartOfAFolderMayBeMissingButNotBoth) {
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kNotFound,
                               AllOf(StartsWith("look for scale tiers and machine types: "),
                                     HasSubstr(dir_.path()))));
  Write("tiers/lab.yaml", "name: LAB\nmasterType: standard\n");
  EXPECT_OK(Read());
  std::filesystem::remove_all(dir_.File("tiers"));
  Write("machine_types.yaml", "machine_types: {node: {cores: 64}}\n");
  EXPECT_OK(Read());
}

TEST_F(OwnTiersTest, AWrongTierDoesNotHideTheOthersButAWrongMachineTypeIsAnError) {
  Write("tiers/bad.yaml", "name: BAD\nmasterType: nothing\n");
  Write("tiers/lab.yaml", "name: LAB\nmasterType: standard\n");
  ASSERT_OK_AND_ASSIGN(const TierLibrary library, Read());
  EXPECT_THAT(library.TierNames(), ::testing::Contains("LAB"));
  EXPECT_THAT(library.TierNames(), ::testing::Not(::testing::Contains("BAD")));
  Write("machine_types.yaml", "machine_types: {node: {cores: x}}\n");
  EXPECT_THAT(Read(), StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("machine_types.yaml:1: machine_types.node.cores: 'x'")));
}

}  // namespace
}  // namespace dime::cluster
