// worker/input/pieces.h - how a window of a file is shared out among threads.
#pragma once

#include <cstddef>

namespace dime::worker {

// How many parts a window is cut into: enough for all threads to end together, few enough to forget
// the cost of handing them out.
inline constexpr std::size_t kPiecesPerWindow = 64;

}  // namespace dime::worker
