// The constants come from TensorFlow 2.15: three steps from kStart with kGradients, by
// ResourceApplyGradientDescent, ResourceApplyAdagrad, ResourceApplyFtrl and by the v1 optimizers
// Momentum, Adam, RMSProp, Ftrl with shrinkage, ProximalGradientDescent and ProximalAdagrad.
#include "ops/optimizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace dime::ops {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Vector = std::vector<float>;

const Vector kStart = {0.0f, 0.25f, -0.5f, 1.0f, -2.0f, 0.003f, 0.0f, 0.0f, 0.7f};
const std::vector<Vector> kGradients = {
    {0.5f, -1.25f, 0.0f, 3e-4f, -40.0f, 0.1f, 2.0f, -0.03f, 7.5f},
    {-0.25f, 0.75f, 0.0f, -2e-3f, 15.0f, 0.1f, -2.0f, 0.01f, 0.5f},
    {0.125f, 0.3f, 1.0f, 5e-5f, -3.0f, -0.2f, 0.25f, 0.6f, -1.5f}};
const Vector kSquares = {0.428124994f, 2.31499982f, 1.10000002f,  0.100004092f, 1834.09998f,
                         0.159999996f, 8.16250038f, 0.461000025f, 58.8499985f};

OptimizerSpec Sgd(float learning_rate) {
  return {.kind = OptimizerKind::kSgd, .learning_rate = learning_rate};
}
OptimizerSpec Adagrad(float learning_rate) {
  return {.kind = OptimizerKind::kAdagrad, .learning_rate = learning_rate};
}
OptimizerSpec Ftrl(float learning_rate, float l1 = 0, float l2 = 0, float power = -0.5f) {
  return {.kind = OptimizerKind::kFtrl,
          .learning_rate = learning_rate,
          .learning_rate_power = power,
          .l1 = l1,
          .l2 = l2};
}

OptimizerSpec Momentum(float learning_rate, bool nesterov) {
  return {.kind = OptimizerKind::kMomentum,
          .learning_rate = learning_rate,
          .momentum = 0.9f,
          .nesterov = nesterov};
}
OptimizerSpec Proximal(OptimizerKind kind) {
  return {.kind = kind, .learning_rate = 0.1f, .l1 = 0.05f, .l2 = 0.3f};
}
OptimizerSpec ShrunkFtrl() {
  OptimizerSpec spec = Ftrl(0.2f, 0.05f, 0.1f);
  spec.l2_shrinkage = 0.4f;
  return spec;
}
OptimizerSpec Adam(float learning_rate) {
  return {.kind = OptimizerKind::kAdam, .learning_rate = learning_rate};
}
OptimizerSpec RmsProp(float learning_rate) {
  return {.kind = OptimizerKind::kRmsProp,
          .learning_rate = learning_rate,
          .momentum = 0.5f,
          .epsilon = 1e-10f};
}

Vector NewRecord(const OptimizerSpec& spec, const Vector& weights) {
  Vector record = weights;
  for (int slot = 0; slot < NumSlots(spec.kind); ++slot) {
    record.insert(record.end(), weights.size(), InitialSlotValue(spec, slot));
  }
  return record;
}

// kStart after kGradients, as one row.
Vector TrainedRecord(const OptimizerSpec& spec) {
  Vector record = NewRecord(spec, kStart);
  std::int64_t step = 0;
  for (const Vector& gradient : kGradients) {
    UpdateRow(spec, ++step, static_cast<std::int64_t>(kStart.size()), record.data(),
              gradient.data());
  }
  return record;
}

// Few ulp: TensorFlow's order of operations differs between its own dense and sparse kernels. The
// absolute part is for FTRL's linear term, a difference of numbers near 1.
void ExpectNear(const Vector& actual, const Vector& expected, float tolerance = 1e-6f) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    EXPECT_NEAR(actual[i], expected[i], tolerance * std::fabs(expected[i]) + 2e-9f)
        << "float " << i;
  }
}

Vector Concatenated(std::initializer_list<Vector> parts) {
  Vector all;
  for (const Vector& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(SlotsTest, HaveTensorFlowsNamesAndStarts) {
  EXPECT_THAT(SlotNames(OptimizerKind::kSgd), IsEmpty());
  EXPECT_THAT(SlotNames(OptimizerKind::kAdagrad), ElementsAre("Adagrad"));
  EXPECT_THAT(SlotNames(OptimizerKind::kFtrl), ElementsAre("Ftrl", "Ftrl_1"));
  EXPECT_THAT(SlotNames(OptimizerKind::kProximalAdagrad), ElementsAre("ProximalAdagrad"));
  EXPECT_EQ(InitialSlotValue(Adagrad(1), 0), 0.1f);
  EXPECT_EQ(InitialSlotValue(Ftrl(1), 0), 0.1f);
  EXPECT_EQ(InitialSlotValue(Ftrl(1), 1), 0.0f);
}

TEST(OptimizerTest, SgdEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Sgd(0.05f)),
             {-0.0187500007f, 0.25999999f, -0.550000012f, 1.00008249f, -0.600000024f,
              0.00300000003f, -0.0125000002f, -0.029000001f, 0.375f});
}

TEST(OptimizerTest, AdagradEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Adagrad(0.05f)),
             Concatenated({{-0.0323472507f, 0.263474256f, -0.547673106f, 1.00026095f, -1.96405482f,
                            -0.00150932372f, -0.0186252706f, -0.0410356671f, 0.656497955f},
                           kSquares}));
}

const Vector kMomenta = {0.304999977f,    -0.0374999642f, 1.0f,
                         -0.00150700007f, -21.8999996f,   -0.0290000141f,
                         0.069999963f,    0.584700048f,   5.02499962f};

TEST(OptimizerTest, MomentumEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Momentum(0.1f, /*nesterov=*/false)),
             Concatenated({{-0.100500003f, 0.41624999f, -0.600000024f, 1.00029373f, 6.29000044f,
                            -0.0230999999f, -0.186999992f, -0.0537700057f, -1.27750003f},
                           kMomenta}));
  ExpectNear(TrainedRecord(Momentum(0.1f, /*nesterov=*/true)),
             Concatenated({{-0.127949998f, 0.419625014f, -0.689999998f, 1.00042939f, 8.26099968f,
                            -0.0204899963f, -0.193299979f, -0.106393009f, -1.72974992f},
                           kMomenta}));
}

TEST(OptimizerTest, AdamEqualsTensorFlow) {
  ExpectNear(
      TrainedRecord(Adam(0.01f)),
      Concatenated({{-0.0160676204f, 0.26207605f, -0.506388068f, 1.00113559f, -1.98307061f,
                     -0.0162434261f, -0.00963128358f, 0.00778544554f, 0.678627074f},
                    {0.0305000059f, -0.00374999642f, 0.100000024f, -0.000150700042f, -2.1900003f,
                     -0.00290000066f, 0.00699999742f, 0.0584700145f, 0.502500057f},
                    {0.000327558519f, 0.00221128552f, 0.000999987125f, 4.08826795e-09f, 1.83055305f,
                     5.9969243e-05f, 0.00805040076f, 0.000360993436f, 0.0586365536f}}),
      /*tolerance=*/2e-5f);  // TensorFlow computes 1 - beta2^t in single precision.
}

TEST(OptimizerTest, RmsPropEqualsTensorFlow) {
  ExpectNear(TrainedRecord(RmsProp(0.01f)),
             Concatenated(
                 {{-0.0064404048f, 0.256937087f, -0.51098305f, 1.0000273f, -1.95977247f,
                   0.00182495429f, -0.00885293074f, -0.00647286279f, 0.651906908f},
                  {0.756437421f, 0.915187418f, 0.828999937f, 0.72900033f, 151.479034f, 0.734709978f,
                   1.41925013f, 0.765081882f, 5.53275061f},
                  {0.00137203129f, 0.0038324534f, 0.0109830443f, -9.73493297e-06f, -0.00452275947f,
                   -0.00151502586f, -0.001497071f, 0.0068360758f, 0.00199264009f}}));
}

TEST(OptimizerTest, FtrlEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Ftrl(0.2f)),
             Concatenated({{-0.129389003f, 0.242583036f, -0.190692529f, 0.0010439977f, -1.84040821f,
                            -0.0178976879f, -0.0745010749f, -0.164142653f, 0.496503502f},
                           kSquares,
                           {0.42330426f, -1.84546554f, 1.f, -0.00165073911f, 394.09021f,
                            0.0357953757f, 1.06425118f, 0.557239532f, -19.044323f}}));
}

TEST(OptimizerTest, LearningRatesFallAsInTensorFlow) {
  const struct {
    LearningRateDecay decay;
    Vector rates;  // After 0, 3, 9, 10 and 25 steps.
  } cases[] = {
      {{.kind = DecayKind::kNone}, {0.1f, 0.1f, 0.1f, 0.1f, 0.1f}},
      {{.kind = DecayKind::kExponential, .decay_steps = 10, .decay_rate = 0.5f},
       {0.1f, 0.0812252387f, 0.0535886772f, 0.05f, 0.0176776703f}},
      {{.kind = DecayKind::kExponential, .decay_steps = 10, .decay_rate = 0.5f, .staircase = true},
       {0.1f, 0.1f, 0.1f, 0.05f, 0.025f}},
      {{.kind = DecayKind::kInverseTime, .decay_steps = 10, .decay_rate = 0.5f},
       {0.1f, 0.0869565234f, 0.068965517f, 0.0666666701f, 0.0444444455f}},
      {{.kind = DecayKind::kPolynomial, .decay_steps = 10, .end_rate = 0.01f, .power = 2},
       {0.1f, 0.0540999994f, 0.0109f, 0.01f, 0.01f}},
      {{.kind = DecayKind::kCosine, .decay_steps = 10, .alpha = 0.2f},
       {0.1f, 0.0835114121f, 0.0219577421f, 0.02f, 0.02f}}};
  for (const auto& [decay, rates] : cases) {
    OptimizerSpec spec = Sgd(0.1f);
    spec.decay = decay;
    Vector found;
    for (const std::int64_t steps : {0, 3, 9, 10, 25}) {
      found.push_back(LearningRateAt(spec, steps + 1));
    }
    ExpectNear(found, rates);
  }
}

TEST(OptimizerTest, FtrlWithPenaltiesEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Ftrl(0.2f, 0.3f, 0.7f)),
             Concatenated({{-0.0185426176f, 0.158116162f, -0.10535752f, 0.f, -1.8261503f, 0.f,
                            -0.0354970545f, -0.0583960079f, 0.470972389f},
                           kSquares,
                           {0.386623025f, -1.72424102f, 1.f, -0.00165074517f, 393.893738f,
                            -0.000231519341f, 0.8567729f, 0.580000043f, -19.0243912f}}));
}

TEST(OptimizerTest, FtrlWithShrinkageEqualsTensorFlow) {
  ExpectNear(
      TrainedRecord(ShrunkFtrl()),
      Concatenated({{-0.0635500625f, 0.141699418f, -0.0729808733f, -0.12723425f, -1.81683409f,
                     0.00204984937f, -0.0548679046f, -0.147433177f, 0.459241271f},
                    kSquares,
                    {0.270618051f, -1.15632689f, 0.447311074f, 0.276625991f, 389.455597f,
                     -0.0545096695f, 0.844764054f, 0.580000043f, -17.7569084f}}));
}

TEST(OptimizerTest, ProximalStepsEqualTensorFlow) {
  ExpectNear(TrainedRecord(Proximal(OptimizerKind::kProximalSgd)),
             {-0.0201850496f, 0.229214206f, -0.540515184f, 0.901154876f, 0.693508625f, 0.008019845f,
              -0.0140639059f, -0.0533980615f, 0.057178501f});
  ExpectNear(TrainedRecord(Proximal(OptimizerKind::kProximalAdagrad)),
             Concatenated({{-0.0344210677f, 0.24818565f, -0.466703802f, 0.722694159f, -1.92362273f,
                            0.0130468039f, -0.0293218866f, -0.07757736f, 0.60392344f},
                           kSquares}));
}

TEST(OptimizerTest, FtrlWithAnotherPowerEqualsTensorFlow) {
  ExpectNear(TrainedRecord(Ftrl(0.1f, 0.05f, 0.01f, -0.8f)),
             Concatenated({{-0.0777212158f, 0.248292416f, -0.0878628641f, 0.f, -1.99113131f, 0.f,
                            -0.0301821698f, -0.0981079787f, 0.669307828f},
                           kSquares,
                           {0.44582653f, -4.91460752f, 1.f, -0.0016511922f, 8125.36963f,
                            0.0423666984f, 1.66946256f, 0.580000043f, -174.413849f}}));
}

TEST(OptimizerTest, FtrlsGeneralPowerAgreesWithItsSquareRoot) {
  // The neighbour of -0.5 goes through pow(). The absolute part: an ulp of the powers that the
  // linear term takes the difference of, divided by the learning rate.
  const float almost_half = std::nextafter(-0.5f, -1.0f);
  const Vector exact = TrainedRecord(Ftrl(0.2f, 0.01f, 0.1f));
  const Vector general = TrainedRecord(Ftrl(0.2f, 0.01f, 0.1f, almost_half));
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_NEAR(general[i], exact[i], 3e-6f * std::fabs(exact[i]) + 6e-7f) << "float " << i;
  }
}

TEST(OptimizerTest, FtrlWithoutPenaltiesEqualsAdagradFromZeroWeights) {
  constexpr std::int64_t kDim = 100;
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Vector ftrl = NewRecord(Ftrl(0.2f), Vector(kDim));
  Vector adagrad = NewRecord(Adagrad(0.2f), Vector(kDim));
  Vector gradient(kDim);
  for (int step = 0; step < 20; ++step) {
    for (float& g : gradient) g = normal(random);
    UpdateRow(Ftrl(0.2f), 1, kDim, ftrl.data(), gradient.data());
    UpdateRow(Adagrad(0.2f), 1, kDim, adagrad.data(), gradient.data());
  }
  for (std::size_t i = 0; i < kDim; ++i) {
    // FTRL keeps the sum that Adagrad adds up in other portions: 20 roundings of numbers near 1.
    EXPECT_NEAR(ftrl[i], adagrad[i], 2e-6f) << "weight " << i;
    EXPECT_EQ(ftrl[kDim + i], adagrad[kDim + i]) << "accumulator " << i;
  }
}

TEST(OptimizerTest, FtrlKeepsWeightsBelowL1AtZero) {
  const OptimizerSpec spec = Ftrl(0.2f, /*l1=*/1.0f);
  Vector record = NewRecord(spec, {0.0f});
  const float gradient = 1.0f;
  UpdateRow(spec, 1, 1, record.data(), &gradient);
  EXPECT_EQ(record[0], 0.0f);  // |z| == l1.
  UpdateRow(spec, 1, 1, record.data(), &gradient);
  EXPECT_LT(record[0], 0.0f);
}

TEST(OptimizerTest, FtrlWithNothingAccumulatedStaysFinite) {
  OptimizerSpec spec = Ftrl(0.2f);
  spec.initial_accumulator = 0;
  Vector record = NewRecord(spec, {0.0f});
  const float gradient = 0.0f;
  UpdateRow(spec, 1, 1, record.data(), &gradient);
  EXPECT_THAT(record, ElementsAre(0.0f, 0.0f, 0.0f));
}

class UpdateRowsTest : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(UpdateRowsTest, EqualsUpdateRowForEachIdAndLeavesTheOthers) {
  const std::int64_t dim = GetParam();
  constexpr std::int64_t kRows = 50;
  constexpr std::int64_t kStep = 3;
  const std::vector<std::int64_t> ids = {7, 0, 49, 13, 12, 48, 1, 30, 31, 32, 2,  40,
                                         9, 8, 22, 27, 5,  6,  3, 20, 10, 11, 39, 44};
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (const OptimizerSpec& spec :
       {Sgd(0.1f), Momentum(0.1f, false), Momentum(0.1f, true), Adagrad(0.1f), Adam(0.1f),
        Ftrl(0.1f), Ftrl(0.1f, 0.2f, 0.3f), Ftrl(0.1f, 0, 0.3f, -0.7f), RmsProp(0.1f), ShrunkFtrl(),
        Proximal(OptimizerKind::kProximalSgd), Proximal(OptimizerKind::kProximalAdagrad)}) {
    const std::int64_t record_floats = dim * (1 + NumSlots(spec.kind));
    Vector together;
    for (std::int64_t row = 0; row < kRows; ++row) {
      Vector weights(static_cast<std::size_t>(dim));
      for (float& w : weights) w = normal(random);
      const Vector record = NewRecord(spec, weights);
      together.insert(together.end(), record.begin(), record.end());
    }
    Vector one_by_one = together;
    Vector gradients(ids.size() * static_cast<std::size_t>(dim));
    for (float& g : gradients) g = normal(random);

    UpdateRows(spec, kStep, dim, kRows, together.data(), ids, gradients.data());
    const Vector zeros(static_cast<std::size_t>(dim));
    for (std::int64_t row = 0; row < kRows; ++row) {
      const auto id = std::ranges::find(ids, row);
      if (id == ids.end() && !MovesAllRows(spec.kind)) continue;
      UpdateRow(spec, kStep, dim, one_by_one.data() + row * record_floats,
                id == ids.end() ? zeros.data() : gradients.data() + (id - ids.begin()) * dim);
    }
    EXPECT_EQ(together, one_by_one);
  }
}

INSTANTIATE_TEST_SUITE_P(Dims, UpdateRowsTest, ::testing::Values(1, 2, 3, 8, 16, 17, 33, 100));

TEST(UpdateRowsTest, NoRowsChangeNothing) {
  Vector records = {1, 2, 3};
  UpdateRows(Ftrl(0.1f), 1, 1, 1, records.data(), {}, nullptr);
  EXPECT_THAT(records, ElementsAre(1, 2, 3));
}

}  // namespace
}  // namespace dime::ops
