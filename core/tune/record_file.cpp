// One file of records: JSON lines. Packs of pre-tuned results are such files, so that a program reads them without SQLite, without locks
// and from a folder that it can't write to. Only what these files hold is read: flat objects of texts and numbers.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/tune/database.h"

namespace gems {
namespace {

constexpr const char* kFormat = "flag_gems tuning records";
constexpr int64_t kFormatVersion = 1;

// Order of a line's members.
constexpr TextColumn kMembers[] = {kText[4], kText[5], kText[6], kText[0], kText[1], kText[2], kText[7], kText[3]};

constexpr size_t kMembersOfALine = 12;  // and median_us, spread, count, date

struct Member {
  std::string name, value;  // of a number: as it was written
  bool is_text = false;
};

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      out += code;
    } else out += c;
  }
  return out + '"';
}

template <class T> std::string number(T v) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr};  // the shortest text that gives the same value back
}

// Throws a const char*, the reason, at the first thing that isn't JSON of this shape; never leaves this file.
class LineReader {
 public:
  explicit LineReader(const std::string& line) : p_(line.data()), end_(line.data() + line.size()) {}

  std::vector<Member> object() {
    std::vector<Member> members;
    expect('{');
    if (!take('}')) {
      do {
        Member m;
        m.name = text();
        expect(':');
        space();
        m.is_text = p_ < end_ && *p_ == '"';
        m.value = m.is_text ? text() : digits();
        if (std::any_of(members.begin(), members.end(), [&](const Member& o) { return o.name == m.name; }))
          throw "a member stands twice";
        members.push_back(std::move(m));
      } while (take(','));
      expect('}');
    }
    space();
    if (p_ != end_) throw "something follows the object";
    return members;
  }

 private:
  void space() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\t' || *p_ == '\r')) p_++;
  }
  bool take(char c) {
    space();
    if (p_ == end_ || *p_ != c) return false;
    p_++;
    return true;
  }
  void expect(char c) {
    if (take(c)) return;
    throw p_ == end_ ? "the line is cut short" : "it isn't a JSON object of texts and numbers";
  }
  char next() {
    if (p_ == end_) throw "the line is cut short";
    return *p_++;
  }

  std::string text() {
    expect('"');
    std::string s;
    for (char c; (c = next()) != '"';) {
      if (static_cast<unsigned char>(c) < 0x20) throw "a control character stands in a text";
      if (c != '\\') {
        s += c;
        continue;
      }
      switch (c = next()) {
        case '"':
        case '\\':
        case '/': s += c; break;
        case 'b': s += '\b'; break;
        case 'f': s += '\f'; break;
        case 'n': s += '\n'; break;
        case 'r': s += '\r'; break;
        case 't': s += '\t'; break;
        case 'u': append(&s, code_point()); break;
        default: throw "an unknown escape stands in a text";
      }
    }
    return s;
  }
  unsigned hex4() {
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
      const char c = next();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) throw "\\u needs four hexadecimal digits";
      v = v << 4 | static_cast<unsigned>(digit);
    }
    return v;
  }
  unsigned code_point() {
    const unsigned high = hex4();
    if (high < 0xd800 || high > 0xdfff) return high;
    if (high > 0xdbff || next() != '\\' || next() != 'u') throw "half of a surrogate pair";
    const unsigned low = hex4();
    if (low < 0xdc00 || low > 0xdfff) throw "half of a surrogate pair";
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
  }
  static void append(std::string* s, unsigned c) {
    auto byte = [&](unsigned b) { *s += static_cast<char>(b); };
    if (c < 0x80) return byte(c);
    if (c < 0x800) byte(0xc0 | c >> 6);
    else {
      if (c < 0x10000) byte(0xe0 | c >> 12);
      else {
        byte(0xf0 | c >> 18);
        byte(0x80 | (c >> 12 & 0x3f));
      }
      byte(0x80 | (c >> 6 & 0x3f));
    }
    byte(0x80 | (c & 0x3f));
  }

  // JSON's grammar of numbers; what it means is read by whoever knows the type.
  std::string digits() {
    const char* begin = p_;
    auto some = [&] {
      const char* from = p_;
      while (p_ < end_ && *p_ >= '0' && *p_ <= '9') p_++;
      if (p_ == from) throw p_ == end_ ? "the line is cut short" : "a value is neither a text nor a number";
    };
    if (p_ < end_ && *p_ == '-') p_++;
    const bool zero = p_ < end_ && *p_ == '0';
    const char* first = p_;
    some();
    if (zero && p_ - first > 1) throw "a number begins with 0";
    if (p_ < end_ && *p_ == '.') {
      p_++;
      some();
    }
    if (p_ < end_ && (*p_ == 'e' || *p_ == 'E')) {
      p_++;
      if (p_ < end_ && (*p_ == '+' || *p_ == '-')) p_++;
      some();
    }
    return {begin, p_};
  }

  const char* p_;
  const char* end_;
};

std::string take_text(std::vector<Member>* members, const char* name) {
  for (Member& m : *members)
    if (m.name == name && m.is_text) return std::move(m.value);
  throw "a text is missing, or isn't a text";
}
template <class T> T take_number(const std::vector<Member>& members, const char* name) {
  for (const Member& m : members) {
    if (m.name != name || m.is_text) continue;
    T v{};
    const char* end = m.value.data() + m.value.size();
    const auto r = std::from_chars(m.value.data(), end, v);
    if (r.ec != std::errc() || r.ptr != end) throw "a number is out of range, or isn't whole";
    return v;
  }
  throw "a number is missing, or isn't a number";
}

TuneRecord record_of(const std::string& line) {
  std::vector<Member> members = LineReader(line).object();
  if (members.size() != kMembersOfALine)
    throw members.size() < kMembersOfALine ? "a member is missing" : "it has an unknown member";
  TuneRecord r;
  for (const TextColumn& c : kMembers) r.*c.in_record = take_text(&members, c.name);
  r.median_us = take_number<double>(members, "median_us");
  r.spread = take_number<double>(members, "spread");
  r.count = take_number<int64_t>(members, "count");
  r.date = take_number<int64_t>(members, "date");
  if (const char* why = record_defect(r)) throw why;
  return r;
}

std::string library_of(const std::string& line) {
  std::vector<Member> members = LineReader(line).object();
  if (take_text(&members, "format") != kFormat) throw "it isn't a file of tuning records";
  const auto version = take_number<int64_t>(members, "version");
  if (version > kFormatVersion) throw "a newer library wrote this file";
  if (version < 1) throw "the format's version is unknown";
  return take_text(&members, "library");
}

}  // namespace

std::string records_to_text(std::vector<TuneRecord> records, const std::string& library) {
  std::sort(records.begin(), records.end(), [](const TuneRecord& a, const TuneRecord& b) { return a.key() < b.key(); });
  std::string out = "{\"format\": " + quoted(kFormat) + ", \"version\": " + number(kFormatVersion) +
                    ", \"library\": " + quoted(library) + "}\n";
  for (const TuneRecord& r : records) {
    out += '{';
    for (const TextColumn& c : kMembers) out += '"' + std::string(c.name) + "\": " + quoted(r.*c.in_record) + ", ";
    out += "\"median_us\": " + number(r.median_us) + ", \"spread\": " + number(r.spread) + ", \"count\": " + number(r.count) +
           ", \"date\": " + number(r.date) + "}\n";
  }
  return out;
}

RecordFile records_from_text(const std::string& text, const std::string& name) {
  RecordFile file;
  int64_t at = 0;
  for (size_t begin = 0; begin < text.size() || at == 0;) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    at++;
    try {
      if (at == 1) file.library = library_of(line);
      else file.records.push_back(record_of(line));
    } catch (const char* why) {
      file.problems.push_back(name + ":" + std::to_string(at) + ": " + why);
      if (at == 1) return file;  // whatever follows is of another kind
    }
  }
  return file;
}

RecordFile load_record_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  if (in && !in.bad()) return records_from_text(text.str(), path);
  RecordFile file;
  file.problems.push_back(path + ":0: it can't be read");
  return file;
}

}  // namespace gems
