#include "runtime/base/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <sstream>

#include "runtime/base/text.h"

namespace dime::base {
namespace {

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxPathBytes = std::size_t{64} << 20;  // All nodes' together.
constexpr std::size_t kMaxKeyBytes = 256;  // Every node below carries it in its path.

// What the builder throws through yaml-cpp's parser, to be caught in ParseYaml().
struct Refused {
  absl::Status status;
};

// An unclosed list or mapping at the start of a page reads as a key, too.
std::string_view WhyNoKey(YamlNode::Kind kind) {
  if (kind == YamlNode::Kind::kList) return "a key must be a text, not a list; is a ] missing?";
  if (kind == YamlNode::Kind::kMap) return "a key must be a text, not a mapping; is a } missing?";
  return "a key must be a text; put it in quotes";
}

// Receives yaml-cpp's events. Building from events sees anchors and tags before anything is done
// about them.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file_name)
      : file_(std::make_shared<const std::string>(file_name)) {
    root_.file = file_;
    root_.line = 1;
  }

  [[nodiscard]] YamlNode Take() { return std::move(root_); }

  // Where what the parser was in the middle of begins, when it has to be closed by a bracket.
  [[nodiscard]] std::string HintOnUnclosed() const {
    if (open_.empty() || open_.back().bracket_line == 0) return "";
    const bool is_list = open_.back().node.kind == YamlNode::Kind::kList;
    return fmt::format("; is a {} missing for the {} in line {}?", is_list ? ']' : '}',
                       is_list ? '[' : '{', open_.back().bracket_line);
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++num_documents_ > 1) Refuse(mark, "a second document starts here; one is allowed");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    RefuseAnchor(mark, anchor);
    AddLeaf(MakeNode(mark, YamlNode::Kind::kNull));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t /*anchor*/) override {
    Refuse(mark, "aliases (*name) are not allowed; write the value out");
  }
  void OnAnchor(const YAML::Mark& mark, const std::string& /*name*/) override {
    RefuseAnchor(mark, 1);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (!open_.empty() && open_.back().node.kind == YamlNode::Kind::kMap && !open_.back().has_key) {
      return SetKey(mark, value);
    }
    YamlNode node = MakeNode(mark, YamlNode::Kind::kText);
    node.text = value;
    AddLeaf(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    Open(mark, tag, anchor, YamlNode::Kind::kList, style);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    Open(mark, tag, anchor, YamlNode::Kind::kMap, style);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override {
    RefuseKeysGivenTwice(open_.back().node);
    Close();
  }

 private:
  struct OpenNode {
    YamlNode node;
    int bracket_line = 0;  // 0: it is written without brackets.
    bool has_key = false;  // A map's next value has its key already.
    std::string key;
    int key_line = 0;
  };

  [[noreturn]] void Refuse(const YAML::Mark& mark, std::string_view why) const {
    YamlNode place;
    place.file = file_;
    place.line = mark.line + 1;
    if (!open_.empty()) {
      const OpenNode& parent = open_.back();
      place.path = parent.has_key ? PathOf(parent.node, parent.key) : parent.node.path;
    }
    throw Refused{place.Error("{}", why)};
  }
  static std::string PathOf(const YamlNode& map, const std::string& key) {
    return map.path.empty() ? key : map.path + "." + key;
  }
  void RefuseAnchor(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) Refuse(mark, "anchors (&name) are not allowed; write the value out");
  }
  void RefuseTag(const YAML::Mark& mark, const std::string& tag) const {
    const bool is_plain_or_quoted = tag.empty() || tag == "?" || tag == "!";
    if (!is_plain_or_quoted) Refuse(mark, "tags (!name) are not allowed; leave it out");
  }
  void RefuseKeysGivenTwice(const YamlNode& map) const {
    std::map<std::string_view, int> lines;
    for (const YamlNode& child : map.children) {
      const auto [first, is_new] = lines.emplace(child.key, child.line);
      if (!is_new) {
        throw Refused{child.Error("is given twice, first in line {}", first->second)};
      }
    }
  }

  void SetKey(const YAML::Mark& mark, const std::string& key) {
    if (key.size() > kMaxKeyBytes) {
      Refuse(mark, fmt::format("a key is {} bytes long; at most {} are allowed", key.size(),
                               kMaxKeyBytes));
    }
    OpenNode& map = open_.back();
    map.has_key = true;
    map.key = key;
    map.key_line = mark.line + 1;
  }

  YamlNode MakeNode(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++num_nodes_ > kMaxYamlNodes) {
      Refuse(mark, fmt::format("the file has more than {} values", kMaxYamlNodes));
    }
    YamlNode node;
    node.kind = kind;
    node.file = file_;
    node.line = mark.line + 1;
    if (open_.empty()) return node;
    OpenNode& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kList) {
      node.path = fmt::format("{}[{}]", parent.node.path, parent.node.children.size());
      CountPath(mark, node);
      return node;
    }
    if (!parent.has_key) Refuse(mark, WhyNoKey(kind));
    node.key = parent.key;
    node.line = parent.key_line;
    node.path = PathOf(parent.node, parent.key);
    parent.has_key = false;
    CountPath(mark, node);
    return node;
  }

  void CountPath(const YAML::Mark& mark, const YamlNode& node) {
    path_bytes_ += node.path.size();
    if (path_bytes_ > kMaxPathBytes) Refuse(mark, "the keys above so many values are too long");
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
            YamlNode::Kind kind, YAML::EmitterStyle::value style) {
    RefuseAnchor(mark, anchor);
    RefuseTag(mark, tag);
    if (open_.size() >= kMaxDepth) {
      Refuse(mark, fmt::format("the file is nested more than {} levels deep", kMaxDepth));
    }
    YamlNode node = MakeNode(mark, kind);
    OpenNode& open = open_.emplace_back();
    open.node = std::move(node);
    if (style == YAML::EmitterStyle::Flow) open.bracket_line = mark.line + 1;
  }
  void Close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    AddLeaf(std::move(node));
  }
  void AddLeaf(YamlNode node) {
    YamlNode* place = open_.empty() ? nullptr : &open_.back().node;
    if (place == nullptr) {
      root_ = std::move(node);
    } else {
      place->children.push_back(std::move(node));
    }
  }

  std::shared_ptr<const std::string> file_;
  YamlNode root_;
  std::vector<OpenNode> open_;
  std::size_t num_nodes_ = 0;
  std::size_t path_bytes_ = 0;
  int num_documents_ = 0;
};

// yaml-cpp would replace damaged UTF-8, and takes 0x04 for the end of the file.
absl::Status CheckText(std::string_view text, const std::string& file_name) {
  if (text.size() > kMaxYamlBytes) {
    return InvalidArgument("{}: is {} bytes long; at most {} are allowed", file_name, text.size(),
                           kMaxYamlBytes);
  }
  const std::size_t bad = FindUnprintable(text);
  if (bad == std::string_view::npos) return absl::OkStatus();
  return InvalidArgument(
      "{}:{}: byte {:#04x} is no text; a UTF-8 file without control characters is expected",
      file_name,
      1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(bad), '\n'),
      static_cast<unsigned char>(text[bad]));
}

bool IsNullWord(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

bool IsPlain(std::string_view text) {
  constexpr auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  if (IsNullWord(text) || digits.empty() || digits.front() == '-' || digits.front() == '.') {
    return false;
  }
  return std::all_of(text.begin(), text.end(), is_plain);
}

std::string FormatText(std::string_view text) {
  if (IsPlain(text)) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// Maps of maps are blocks, lists of maps a line an item, everything below one line.
void FormatBlock(const YamlNode& map, int indent, std::string* out) {
  constexpr int kMaxBlockIndent = 2;
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (const YamlNode& child : map.children) {
    *out += fmt::format("{}{}:", margin, FormatText(child.key));
    const bool is_block = !child.children.empty() && indent < kMaxBlockIndent;
    if (is_block && child.kind == YamlNode::Kind::kMap) {
      *out += '\n';
      FormatBlock(child, indent + kMaxBlockIndent, out);
      continue;
    }
    if (child.kind == YamlNode::Kind::kList && !child.children.empty() &&
        child.children.front().kind == YamlNode::Kind::kMap) {
      *out += '\n';
      for (const YamlNode& item : child.children) {
        *out += fmt::format("{}  - {}\n", margin, FormatYamlLine(item));
      }
      continue;
    }
    *out += fmt::format(" {}\n", FormatYamlLine(child));
  }
}

int LineOf(const YAML::Exception& error) { return std::max(error.mark.line, 0) + 1; }

// The line, at `last_line` or before, that is indented with a tab; 0: there is none.
int FindTabIndent(std::string_view text, int last_line) {
  for (int line = 1; line <= last_line && !text.empty(); ++line) {
    const std::string_view indent = text.substr(0, text.find_first_not_of(" \t"));
    const bool is_blank = indent.size() == text.size() || text[indent.size()] == '\n';
    if (!is_blank && indent.find('\t') != indent.npos) return line;
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  }
  return 0;
}

}  // namespace

YamlNode YamlNode::Text(std::string text) {
  YamlNode node;
  node.kind = Kind::kText;
  node.text = std::move(text);
  return node;
}

YamlNode YamlNode::List(std::vector<YamlNode> items) {
  YamlNode node;
  node.kind = Kind::kList;
  node.children = std::move(items);
  return node;
}

YamlNode YamlNode::TextList(std::span<const std::string> items) {
  YamlNode node = List({});
  for (const std::string& item : items) node.children.push_back(Text(item));
  return node;
}

YamlNode YamlNode::Map() {
  YamlNode node;
  node.kind = Kind::kMap;
  return node;
}

YamlNode& YamlNode::Add(std::string_view child_key, YamlNode child) & {
  child.key = child_key;
  children.push_back(std::move(child));
  return *this;
}

YamlNode YamlNode::Add(std::string_view child_key, YamlNode child) && {
  return std::move(Add(child_key, std::move(child)));
}

std::size_t YamlNode::CountNodes() const {
  std::size_t count = 1;
  for (const YamlNode& child : children) count += child.CountNodes();
  return count;
}

const YamlNode* YamlNode::Find(std::string_view child_key) const {
  for (const YamlNode& child : children) {
    if (child.key == child_key) return &child;
  }
  return nullptr;
}

std::string YamlNode::Place() const {
  const std::string_view name = file == nullptr ? std::string_view() : std::string_view(*file);
  if (path.empty()) return fmt::format("{}:{}", name, line);
  return fmt::format("{}:{}: {}", name, line, Printable(path, path.size()));
}

absl::Status YamlNode::ErrorText(std::string_view what) const {
  return InvalidArgument("{}: {}", Place(), what);
}

absl::StatusOr<YamlNode> ParseYaml(std::string_view text, const std::string& file_name) {
  DIME_RETURN_IF_ERROR(CheckText(text, file_name));
  TreeBuilder builder(file_name);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.Take();
  } catch (const Refused& refused) {
    return refused.status;
  } catch (const YAML::Exception& error) {
    if (const int line = FindTabIndent(text, LineOf(error)); line > 0) {
      return InvalidArgument("{}:{}: is indented with a tab; YAML takes blanks only", file_name,
                             line);
    }
    return InvalidArgument("{}:{}: is not YAML: {}{}", file_name, LineOf(error), error.msg,
                           builder.HintOnUnclosed());
  }
}

std::string FormatYaml(const YamlNode& map) {
  std::string out;
  FormatBlock(map, 0, &out);
  return out;
}

std::string FormatYamlLine(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) return "~";
  if (node.kind == YamlNode::Kind::kText) return FormatText(node.text);
  const bool is_map = node.kind == YamlNode::Kind::kMap;
  std::string out = is_map ? "{" : "[";
  for (const YamlNode& child : node.children) {
    if (&child != &node.children.front()) out += ", ";
    if (is_map) out += FormatText(child.key) + ": ";
    out += FormatYamlLine(child);
  }
  return out + (is_map ? "}" : "]");
}

}  // namespace dime::base
