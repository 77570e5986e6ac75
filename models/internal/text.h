// models/internal/text.h - what this folder takes of runtime/base/text.h.
#pragma once

#include "runtime/base/text.h"

namespace dime::models::internal {

using base::FindUnprintable;
using base::ParseFloat;
using base::ParseInt32;
using base::Printable;
using base::Quoted;
using base::Trimmed;

}  // namespace dime::models::internal
