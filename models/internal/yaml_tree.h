// models/internal/yaml_tree.h - what this folder takes of runtime/base/yaml_tree.h.
#pragma once

#include "runtime/base/yaml_tree.h"

namespace dime::models::internal {

using base::CheckKeys;
using base::Choice;
using base::ChoiceName;
using base::FormatYaml;
using base::FormatYamlLine;
using base::kMaxYamlBytes;
using base::kMaxYamlNodes;
using base::Listed;
using base::ParseYaml;
using base::ReadBool;
using base::ReadChoice;
using base::ReadFloat;
using base::ReadInteger;
using base::ReadText;
using base::ReadTexts;
using base::ReadUnsigned;
using base::UnknownName;
using base::YamlNode;

}  // namespace dime::models::internal
