// Markdown is read as CommonMark and its table extension have it, as far as cutting needs it: there is no nesting, a
// block inside of a list item or a quotation is part of it unless it is fenced code. What is different on purpose:
// a heading has at most kMostHeadingBytes, one that is underlined has one line, and an indented line is code only if
// the lines after it are, too, so that paragraphs with an indented first line stay whole. Each decision looks at one
// line and the one after it.
#include "chunker/blocks.h"

#include <algorithm>
#include <array>

#include "chunker/break_tables.h"
#include "tokenizer/utf8.h"

namespace bgem3 {

namespace {

constexpr size_t kMostHeadingBytes = 1000;  // every chunk below a heading carries its title
constexpr size_t kMostPlainHeadingBytes = 200;
constexpr size_t kCodeColumns = 4;
constexpr size_t kItemColumns = 2;  // of what belongs to the item before it
constexpr size_t kDeepestHeading = 6;

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// How many times the content's first character stands at its begin.
size_t run_length(std::string_view content) {
  return content.empty() ? 0 : std::min(content.find_first_not_of(content[0]), content.size());
}

std::string_view strip(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// "# Title", "## Title ##": the level, or 0.
size_t hash_heading_level(const Line& line) {
  if (line.indent_columns >= kCodeColumns || !line.content.starts_with('#')) return 0;
  const size_t level = run_length(line.content);
  const bool marked = level == line.content.size() || is_blank(line.content[level]);
  return marked && level <= kDeepestHeading && line.content.size() <= kMostHeadingBytes ? level : 0;
}

std::string_view hash_heading_title(std::string_view content) {
  content = strip(content.substr(run_length(content)));
  const size_t end = content.find_last_not_of('#');
  if (end == std::string_view::npos) return {};
  if (end + 1 < content.size() && is_blank(content[end])) content = strip(content.substr(0, end));
  return content;
}

// A line of = or - below a title: its level, or 0.
size_t underline_level(const Line& line) {
  const std::string_view content = line.content;
  if (line.indent_columns >= kCodeColumns || content.empty() || run_length(content) != content.size()) return 0;
  return content[0] == '=' ? 1 : content[0] == '-' ? 2 : 0;
}

// "---", "* * *", "___"
bool is_rule(const Line& line) {
  if (line.content.empty() || std::string_view("-*_").find(line.content[0]) == std::string_view::npos) return false;
  size_t marks = 0;
  for (const char c : line.content) {
    if (c != line.content[0] && !is_blank(c)) return false;
    marks += c == line.content[0];
  }
  return marks >= 3;
}

// The length of the fence that opens a block of code, or 0.
size_t fence_length(std::string_view content) {
  if (!content.starts_with("```") && !content.starts_with("~~~")) return 0;
  const size_t length = run_length(content);
  const bool is_inline = content[0] == '`' && content.find('`', length) != std::string_view::npos;
  return is_inline ? 0 : length;
}

bool is_grid_row(std::string_view content) {
  return content.starts_with('|') || content.starts_with("+-") || content.starts_with("+=");
}
bool has_bar(std::string_view content) { return content.find('|') != std::string_view::npos; }
bool is_tab_row(std::string_view content) { return content.find('\t') != std::string_view::npos; }

// "|---|:--:|"
bool is_delimiter_row(std::string_view content) {
  return has_bar(content) && content.find('-') != std::string_view::npos &&
         content.find_first_not_of("|-: \t") == std::string_view::npos;
}

// The bytes of "12. " or "12) " without the space, or 0.
size_t number_length(std::string_view content) {
  size_t digits = 0;
  while (digits < content.size() && digits < 10 && is_digit(content[digits])) ++digits;
  const bool marked =
      digits > 0 && digits < 10 && digits < content.size() && (content[digits] == '.' || content[digits] == ')');
  return marked ? digits + 1 : 0;
}

size_t bullet_length(std::string_view content) {
  for (const std::string_view bullet : {"-", "*", "+", "•", "‣", "◦", "▪"}) {
    if (content.starts_with(bullet)) return bullet.size();
  }
  return 0;
}

bool has_space_at(std::string_view content, size_t at) {
  return at > 0 && at < content.size() && is_blank(content[at]);
}

// "1.2 Methods", "1.2.3. More": how many numbers, or 0.
size_t numbered_heading_level(std::string_view content) {
  size_t numbers = 0, at = 0;
  while (at < content.size() && is_digit(content[at])) {
    while (at < content.size() && is_digit(content[at])) ++at;
    ++numbers;
    if (at < content.size() && content[at] == '.') ++at;
  }
  return numbers >= 2 && has_space_at(content, at) ? std::min(numbers, kDeepestHeading) : 0;
}

// The level of a line that stands alone and reads like a heading: numbered, or all in capitals; or 0.
size_t plain_heading_level(std::string_view content) {
  using unicode::SentenceBreak;
  if (content.size() > kMostPlainHeadingBytes) return 0;
  size_t capitals = 0;
  bool small = false;
  SentenceBreak last = SentenceBreak::other;
  for (size_t at = 0; at < content.size();) {
    const auto c = utf8::decode(content, at);
    last = unicode::sentence_break(c.value);
    capitals += last == SentenceBreak::upper;
    small = small || last == SentenceBreak::lower;
    at += c.length;
  }
  if (last == SentenceBreak::a_term || last == SentenceBreak::s_term || last == SentenceBreak::s_continue) return 0;
  if (const size_t level = numbered_heading_level(content)) return level;
  return capitals >= 2 && !small ? 1 : 0;
}

Block heading(const Line& line, size_t end, size_t level, std::string_view title) {
  return {ChunkType::heading, {line.begin, end}, level, title};
}

}  // namespace

Line read_line(std::string_view text, size_t begin) {
  Line line;
  line.begin = begin;
  line.end = std::min(text.find_first_of("\n\r", begin), text.size());
  line.next = line.end;
  if (line.next < text.size()) line.next += text.substr(line.next).starts_with("\r\n") ? 2 : 1;
  size_t at = begin;
  for (; at < line.end && is_blank(text[at]); ++at) {
    line.indent_columns += text[at] == '\t' ? kCodeColumns - line.indent_columns % kCodeColumns : 1;
  }
  size_t end = line.end;
  while (end > at) {  // all white space of Unicode: lines of an ideographic space are blank, too
    size_t last = end - 1;
    while (!utf8::is_boundary(text, last)) --last;
    if (!unicode::is(unicode::kWhiteSpace, utf8::decode(text, last).value)) break;
    end = last;
  }
  line.content = text.substr(at, end - at);
  return line;
}

bool begins_list_item(std::string_view content) {
  return has_space_at(content, bullet_length(content)) || has_space_at(content, number_length(content));
}

BlockReader::BlockReader(std::string_view text) : text_(text) {
  if (text.empty()) return;
  line_ = read_line(text, 0);
  if (line_->next < text.size()) ahead_ = read_line(text, line_->next);
}

void BlockReader::advance() {
  line_ = ahead_;
  ahead_.reset();
  if (line_ && line_->next < text_.size()) ahead_ = read_line(text_, line_->next);
  after_blank_ = false;
}

void BlockReader::skip_blank_lines() {
  while (line_ && line_->content.empty()) {
    advance();
    after_blank_ = true;
  }
}

std::optional<Block> BlockReader::next() {
  skip_blank_lines();
  if (at_end()) return {};
  if (fence_length(line_->content) > 0) return read_fenced_code();
  if (const size_t level = hash_heading_level(*line_)) {
    const Line line = *line_;
    advance();
    return heading(line, line.end, level, hash_heading_title(line.content));
  }
  if (is_rule(*line_)) return read_one_line(ChunkType::paragraph);
  if (begins_table()) return read_table();
  if (begins_list_item(line_->content)) return read_list();
  if (after_blank_ && line_->indent_columns >= kCodeColumns) return read_indented_code();
  return read_paragraph();
}

bool BlockReader::begins_table() const {
  if (!ahead_) return false;
  const std::string_view row = line_->content, below = ahead_->content;
  return (is_grid_row(row) && is_grid_row(below)) || (has_bar(row) && is_delimiter_row(below)) ||
         (is_tab_row(row) && is_tab_row(below));
}

Block BlockReader::read_one_line(ChunkType type) {
  const Line line = *line_;
  advance();
  return {type, {line.begin, line.end}, 0, {}};
}

Block BlockReader::read_fenced_code() {
  const char mark = line_->content[0];
  const size_t length = fence_length(line_->content);
  Block block = read_one_line(ChunkType::code);
  bool closed = false;
  while (!at_end() && !closed) {
    const std::string_view content = line_->content;
    closed = content.starts_with(mark) && run_length(content) >= length && run_length(content) == content.size();
    block.range.end = read_one_line(ChunkType::code).range.end;
  }
  return block;
}

Block BlockReader::read_table() {
  const bool tabs = !has_bar(line_->content) && !is_grid_row(line_->content);
  Block block = read_one_line(ChunkType::table);
  while (!at_end() && (tabs ? is_tab_row(line_->content) : has_bar(line_->content) || is_grid_row(line_->content))) {
    block.range.end = read_one_line(ChunkType::table).range.end;
  }
  return block;
}

Block BlockReader::read_list() {
  Block block = read_one_line(ChunkType::list);
  while (true) {
    skip_blank_lines();
    if (at_end() || fence_length(line_->content) > 0 || hash_heading_level(*line_) > 0 || is_rule(*line_)) break;
    if (after_blank_ && !begins_list_item(line_->content) && line_->indent_columns < kItemColumns) break;
    block.range.end = read_one_line(ChunkType::list).range.end;
  }
  return block;
}

Block BlockReader::read_indented_code() {
  Block block = read_one_line(ChunkType::code);
  if (!at_end() && !line_->content.empty() && line_->indent_columns < kCodeColumns && !ends_paragraph()) {
    block.type = ChunkType::paragraph;  // only its first line is indented
    block.range.end = read_paragraph().range.end;
    return block;
  }
  while (!at_end() && !line_->content.empty() && line_->indent_columns >= kCodeColumns) {
    block.range.end = read_one_line(ChunkType::code).range.end;
  }
  return block;
}

bool BlockReader::ends_paragraph() const {
  const std::string_view content = line_->content;
  const size_t number = number_length(content);
  return content.empty() || fence_length(content) > 0 || hash_heading_level(*line_) > 0 || is_rule(*line_) ||
         begins_table() || has_space_at(content, bullet_length(content)) ||
         (has_space_at(content, number) && content[0] == '1' && number == 2);
}

Block BlockReader::read_paragraph() {
  const Line first = *line_;
  const bool alone_above = after_blank_;
  Block block = read_one_line(ChunkType::paragraph);
  if (at_end() || line_->content.empty()) {
    const size_t level = alone_above ? plain_heading_level(first.content) : 0;
    return level > 0 ? heading(first, first.end, level, first.content) : block;
  }
  if (const size_t level = underline_level(*line_); level > 0 && first.content.size() <= kMostHeadingBytes) {
    return heading(first, read_one_line(ChunkType::heading).range.end, level, first.content);
  }
  while (!at_end() && !ends_paragraph()) block.range.end = read_one_line(ChunkType::paragraph).range.end;
  return block;
}

}  // namespace bgem3
