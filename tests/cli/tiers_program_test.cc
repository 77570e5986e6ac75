// `dime tiers` itself, as its users run it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"

namespace dime::cli {
namespace {

using ::dime::testing::Ended;
using ::dime::testing::Process;
using ::dime::testing::TempDir;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class TiersProgramTest : public ::testing::Test {
 protected:
  Ended Tiers(std::vector<std::string> words) {
    words.insert(words.begin(), "tiers");
    return Process(dir_, words).Wait();
  }
  std::string Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = dir_.File(name);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }

  const TempDir dir_;
};

TEST_F(TiersProgramTest, ListShowsProcessesCoresMemoryUnitsAndPrice) {
  const Ended ended = Tiers({"list"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.out,
              AllOf(StartsWith("NAME        PROCESSES  CORES  MEMORY_GB  GPUS  UNITS_PER_HOUR  "
                               "DOLLARS_PER_HOUR  SUMMARY\n"),
                    ContainsRegex("\nBASIC +1 +4 +15 +0 +0.5661 +0.2774 "),
                    ContainsRegex("\nBASIC_GPU +1 +8 +30 +1 +2.4731 +1.2118 "),
                    ContainsRegex("\nSTANDARD_1 +8 +52 +81 +0 +5.9234 +2.9025 "),
                    ContainsRegex("\nPREMIUM_1 +31 +408 +860 +0 +49.3230 +24.1683 "),
                    HasSubstr("\nCUSTOM ")));
}

TEST_F(TiersProgramTest, DescribeShowsTheMachinesOfEachRole) {
  const Ended ended = Tiers({"describe", "standard-1"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(
      ended.out,
      AllOf(StartsWith("STANDARD_1: Many workers"),
            ContainsRegex("\nmaster +1 +complex_model_s +8 +7.2 +0 +0.8450 +0.4141\n"),
            ContainsRegex("\nworker +4 +complex_model_s +32 +28.8 +0 +3.3800 +1.6562\n"),
            ContainsRegex("\nps +3 +standard +12 +45 +0 +1.6983 +0.8322\n"),
            ContainsRegex("\nall +8 +52 +81 +0 +5.9234 +2.9025\n"),
            HasSubstr("europe $3.1986, us $2.9025\n"), HasSubstr("workerCount, cores and")));
}

TEST_F(TiersProgramTest, JsonAndYamlSayTheSame) {
  const Ended json = Tiers({"describe", "PREMIUM_1", "--format", "json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const auto tier = nlohmann::json::parse(json.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(tier.is_object()) << json.out;
  EXPECT_EQ(tier["processes"], 31);
  EXPECT_EQ(tier["dollars_per_hour"]["us"], 24.1683);
  EXPECT_EQ(tier["roles"][1]["role"], "worker");
  EXPECT_EQ(tier["roles"][1]["processes"], 19);
  EXPECT_THAT(tier["unconfirmed"], ElementsAre("workerCount"));
  const Ended yaml = Tiers({"describe", "PREMIUM_1", "--format", "yaml"});
  EXPECT_THAT(yaml.out, AllOf(StartsWith("name: PREMIUM_1\n"), HasSubstr("\nprocesses: 31\n"),
                              HasSubstr("\n  us: 24.1683\n"),
                              HasSubstr("\n  - {role: worker, processes: 19, ")));
  const Ended list = Tiers({"list", "--format", "json"});
  EXPECT_EQ(nlohmann::json::parse(list.out, nullptr, false).size(), 4u);
  EXPECT_THAT(Tiers({"list", "--format", "yaml"}).out, StartsWith("- {name: BASIC, "));
}

TEST_F(TiersProgramTest, CustomHasTheShapeOfItsPageOrItsFlags) {
  const std::string page = Write("config.yaml",
                                 "trainingInput:\n  scaleTier: CUSTOM\n  masterType: standard\n"
                                 "  workerType: large_model\n  workerCount: 9\n");
  const Ended from_page = Tiers({"describe", "--config", page});
  ASSERT_EQ(from_page.exit_code, 0) << from_page.err;
  EXPECT_THAT(from_page.out,
              AllOf(StartsWith("CUSTOM\n"), ContainsRegex("\nworker +9 +large_model"),
                    ContainsRegex("\nall +10 +76 ")));
  const Ended both = Tiers({"describe", "CUSTOM", "--config", page, "--worker-machine-type",
                            "standard", "--worker-count", "2"});
  EXPECT_THAT(both.out, ContainsRegex("\nall +3 +12 "));
  const Ended from_flags = Tiers({"describe", "custom", "--master-machine-type", "standard_gpu"});
  EXPECT_THAT(from_flags.out, ContainsRegex("\nmaster +1 +standard_gpu +8 +30 +1 "));
}

TEST_F(TiersProgramTest, TiersOfOnesOwnStandBesideDimes) {
  Write("mine/machine_types.yaml", "machine_types: {node: {cores: 64, memory_gb: 256}}\n");
  Write("mine/tiers/lab.yaml", "name: LAB\nmasterType: node\nworkerType: node\nworkerCount: 2\n");
  const Ended listed = Tiers({"list", "--configs", dir_.File("mine")});
  EXPECT_THAT(listed.out,
              AllOf(ContainsRegex("\nLAB +3 +192 +768 +0 +- +-"), HasSubstr("\nBASIC ")));
  const Ended described = Tiers({"describe", "lab", "--configs", dir_.File("mine")});
  ASSERT_EQ(described.exit_code, 0) << described.err;
  EXPECT_THAT(described.out, AllOf(StartsWith("LAB\n"), Not(HasSubstr("price per hour"))));
}

TEST_F(TiersProgramTest, WhatIsWrongIsNamed) {
  const std::string page = Write("config.yaml", "trainingInput:\n  workerConut: 2\n");
  const struct {
    std::vector<std::string> words;
    int exit_code;
    std::string message;
  } cases[] = {
      {{"describe"}, 64, "TIER or --config is required"},
      {{"describe", "STANDRAD_1"}, 64, "did you mean 'STANDARD_1'?"},
      {{"describe", "CUSTOM"}, 64, "CUSTOM needs the master's machine type"},
      {{"describe", "BASIC_TPU"}, 64, "asks for a TPU"},
      {{"describe", "CUSTOM", "--master-machine-type", "standrad"}, 64, "did you mean 'standard'?"},
      {{"describe", "CUSTOM", "--worker-count", "0"}, 64, "--worker-count: '0' is no whole number"},
      {{"describe", "BASIC", "--master-machine-type", "standard"}, 64, "tier is BASIC"},
      {{"describe", "--config", page}, 78, "config.yaml:2: trainingInput.workerConut: is no key"},
      {{"describe", "--config", dir_.File("none")}, 65, "--config: open '"},
      {{"list", "--configs", dir_.File("none")}, 65, "look for scale tiers and machine types"},
      {{"list", "--format", "xml"}, 64, "'xml' is none of text, json, yaml"},
      {{"lst"}, 64, "did you mean 'tiers list'?"},
  };
  for (const auto& [words, exit_code, message] : cases) {
    const Ended ended = Tiers(words);
    EXPECT_EQ(ended.exit_code, exit_code) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(message));
    EXPECT_EQ(ended.out, "");
  }
}

}  // namespace
}  // namespace dime::cli
