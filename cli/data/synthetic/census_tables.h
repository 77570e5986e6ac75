// cli/data/synthetic/census_tables.h - how often what is found in the census data (UCI Adult, CC
// BY 4.0), and how much it says of somebody's income.
//
// Counts are those of adult.data, whose rows are 32,561. Weights are log-odds in units of 1/256,
// from a logistic regression on the same rows.
#pragma once

#include <string_view>

namespace dime::cli::census {

struct WeightedValue {
  std::string_view text;
  int count = 0;
  int weight = 0;
};

inline constexpr WeightedValue kWorkclasses[] = {
    {"Private", 22696, 8},     {"Self-emp-not-inc", 2541, -95}, {"Local-gov", 2093, -49},
    {"?", 1836, -44},          {"State-gov", 1298, -72},        {"Self-emp-inc", 1116, 61},
    {"Federal-gov", 960, 113}, {"Without-pay", 14, -300},       {"Never-worked", 7, -105}};

// In the order of education_num, which starts at 1.
inline constexpr WeightedValue kEducations[] = {
    {"Preschool", 51, -538},     {"1st-4th", 168, -448}, {"5th-6th", 333, -438},
    {"7th-8th", 646, -415},      {"9th", 514, -356},     {"10th", 933, -300},
    {"11th", 1175, -305},        {"12th", 433, -195},    {"HS-grad", 10501, -123},
    {"Some-college", 7291, -36}, {"Assoc-voc", 1382, 5}, {"Assoc-acdm", 1067, -3},
    {"Bachelors", 5355, 151},    {"Masters", 1723, 220}, {"Prof-school", 576, 374},
    {"Doctorate", 413, 407}};

inline constexpr WeightedValue kMaritalStatuses[] = {{"Married-civ-spouse", 14976, 300},
                                                     {"Never-married", 10683, -294},
                                                     {"Divorced", 4443, -261},
                                                     {"Separated", 1025, -294},
                                                     {"Widowed", 993, -166},
                                                     {"Married-spouse-absent", 418, -236},
                                                     {"Married-AF-spouse", 23, 348}};

inline constexpr WeightedValue kOccupations[] = {{"Prof-specialty", 4140, 95},
                                                 {"Craft-repair", 4099, -49},
                                                 {"Exec-managerial", 4066, 154},
                                                 {"Adm-clerical", 3770, -28},
                                                 {"Sales", 3650, 31},
                                                 {"Other-service", 3295, -243},
                                                 {"Machine-op-inspct", 2002, -136},
                                                 {"Transport-moving", 1597, -87},
                                                 {"Handlers-cleaners", 1370, -223},
                                                 {"Farming-fishing", 994, -269},
                                                 {"Tech-support", 928, 136},
                                                 {"Protective-serv", 649, 128},
                                                 {"Priv-house-serv", 149, -476},
                                                 {"Armed-Forces", 9, -189}};

inline constexpr WeightedValue kRelationships[] = {
    {"Husband", 13193, 0},  {"Not-in-family", 8305, 0}, {"Own-child", 5068, 0},
    {"Unmarried", 3446, 0}, {"Wife", 1568, 0},          {"Other-relative", 981, 0}};

inline constexpr WeightedValue kRaces[] = {{"White", 27816, 0},
                                           {"Black", 3124, 0},
                                           {"Asian-Pac-Islander", 1039, 0},
                                           {"Amer-Indian-Eskimo", 311, 0},
                                           {"Other", 271, 0}};

inline constexpr WeightedValue kGenders[] = {{"Female", 10771, -5}, {"Male", 21790, 26}};

inline constexpr WeightedValue kCountries[] = {{"United-States", 29170, 0},
                                               {"Mexico", 643, 0},
                                               {"?", 583, 0},
                                               {"Philippines", 198, 0},
                                               {"Germany", 137, 0},
                                               {"Canada", 121, 0},
                                               {"Puerto-Rico", 114, 0},
                                               {"El-Salvador", 106, 0},
                                               {"India", 100, 0},
                                               {"Cuba", 95, 0},
                                               {"England", 90, 0},
                                               {"Jamaica", 81, 0},
                                               {"South", 80, 0},
                                               {"China", 75, 0},
                                               {"Italy", 73, 0},
                                               {"Dominican-Republic", 70, 0},
                                               {"Vietnam", 67, 0},
                                               {"Guatemala", 64, 0},
                                               {"Japan", 62, 0},
                                               {"Poland", 60, 0},
                                               {"Columbia", 59, 0},
                                               {"Taiwan", 51, 0},
                                               {"Haiti", 44, 0},
                                               {"Iran", 43, 0},
                                               {"Portugal", 37, 0},
                                               {"Nicaragua", 34, 0},
                                               {"Peru", 31, 0},
                                               {"France", 29, 0},
                                               {"Greece", 29, 0},
                                               {"Ecuador", 28, 0},
                                               {"Ireland", 24, 0},
                                               {"Hong", 20, 0},
                                               {"Cambodia", 19, 0},
                                               {"Trinadad&Tobago", 19, 0},
                                               {"Thailand", 18, 0},
                                               {"Laos", 18, 0},
                                               {"Yugoslavia", 16, 0},
                                               {"Outlying-US(Guam-USVI-etc)", 14, 0},
                                               {"Honduras", 13, 0},
                                               {"Hungary", 13, 0},
                                               {"Scotland", 12, 0},
                                               {"Holand-Netherlands", 1, 0}};

// By gender, then by whether somebody is younger than 25, 35, 50, or older.
inline constexpr int kMaritalStatusCounts[2][4][7] = {
    {{116, 2254, 62, 48, 2, 22, 4},
     {501, 1524, 507, 182, 22, 59, 5},
     {717, 771, 1394, 287, 162, 80, 4},
     {323, 218, 709, 114, 639, 44, 1}},
    {{355, 2640, 29, 24, 1, 13, 0},
     {3003, 2118, 372, 119, 4, 56, 7},
     {5872, 916, 939, 185, 26, 95, 2},
     {4089, 242, 431, 66, 137, 49, 0}},
};

// By gender, then by marital status.
inline constexpr int kRelationshipCounts[2][7][6] = {
    {{1, 5, 44, 0, 1554, 53},
     {0, 2006, 1953, 581, 0, 227},
     {0, 1177, 151, 1279, 0, 65},
     {0, 164, 53, 380, 0, 34},
     {0, 450, 13, 320, 0, 42},
     {0, 73, 30, 94, 0, 8},
     {0, 0, 1, 0, 12, 1}},
    {{13183, 12, 51, 0, 2, 71},
     {0, 2700, 2532, 300, 0, 384},
     {0, 1227, 177, 322, 0, 45},
     {0, 256, 46, 71, 0, 21},
     {0, 97, 2, 63, 0, 6},
     {0, 138, 15, 36, 0, 24},
     {9, 0, 0, 0, 0, 0}},
};

// By gender, then by education: less than high school, high school, some college, a degree.
inline constexpr int kOccupationCounts[2][4][14] = {
    {{21, 34, 28, 109, 192, 437, 173, 10, 38, 17, 9, 6, 65, 0},
     {100, 102, 266, 968, 422, 725, 271, 51, 89, 21, 58, 22, 49, 0},
     {338, 69, 405, 1161, 460, 545, 89, 27, 33, 24, 195, 34, 21, 0},
     {1056, 17, 460, 299, 189, 93, 17, 2, 4, 3, 86, 14, 6, 0}},
    {{36, 651, 80, 67, 161, 398, 321, 336, 347, 241, 11, 28, 4, 1},
     {133, 1820, 541, 397, 647, 556, 752, 774, 522, 383, 101, 193, 1, 4},
     {400, 1166, 769, 480, 799, 429, 317, 323, 286, 216, 277, 250, 1, 2},
     {2056, 240, 1517, 289, 780, 112, 62, 74, 51, 89, 191, 102, 2, 2}},
};

inline constexpr int kFirstAge = 17;
inline constexpr int kAgeCounts[] = {
    395, 550, 712, 753, 720, 765, 877, 798, 841, 785, 835, 867, 813, 861, 888, 828, 875, 886, 876,
    898, 858, 827, 816, 794, 808, 780, 770, 724, 734, 737, 708, 543, 577, 602, 595, 478, 464, 415,
    419, 366, 358, 366, 355, 312, 300, 258, 230, 208, 178, 150, 151, 120, 108, 89,  72,  67,  64,
    51,  45,  46,  29,  23,  22,  22,  20,  12,  6,   10,  3,   1,   1,   3,   0,   43};

inline constexpr int kFirstHours = 1;
inline constexpr int kHoursCounts[] = {
    20, 32,  39,  54,  60,   64, 26, 145, 18, 278,  11, 173, 23, 34, 404,  205, 29,  75,  14, 1224,
    24, 44,  21,  252, 674,  30, 30, 86,  7,  1149, 5,  266, 39, 28, 1297, 220, 149, 476, 38, 15217,
    36, 219, 151, 212, 1824, 82, 49, 517, 29, 2819, 13, 138, 25, 41, 694,  97,  17,  28,  5,  1475,
    2,  18,  10,  14,  244,  17, 4,  12,  0,  291,  0,  71,  2,  1,  66,   3,   6,   8,   0,  133,
    3,  1,   0,   45,  13,   2,  1,  2,   2,  29,   3,  1,   0,  1,  2,    5,   2,   11,  85};

// Of fnlwgt: as many rows lie between two neighbours as between any others.
inline constexpr int kFnlwgtQuantiles[] = {12285,  39460,  65716,  91711,  106648, 117827, 130856,
                                           145409, 158662, 169496, 178356, 187720, 196338, 206359,
                                           219632, 237051, 259873, 289405, 329054, 379682, 1484705};

}  // namespace dime::cli::census
