// The store of tuning records without Python: memory and SQLite, the file of JSON lines, and where the settings put them.
// Each test is a process of its own (ctest), so that settings can be given.
#include "core/tune/records.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

static bool g_nothing_opens = false;
// In front of libc's: a machine without SQLite and libpq.
extern "C" __attribute__((visibility("default"))) void* dlopen(const char* name, int flags) {
  static const auto real = reinterpret_cast<void* (*)(const char*, int)>(dlsym(RTLD_NEXT, "dlopen"));
  return g_nothing_opens ? nullptr : real(name, flags);
}

namespace {
using gems::TuneRecord;
namespace fs = std::filesystem;

TuneRecord record(const std::string& bucket, const std::string& candidate, double us, int64_t date = 1000, int64_t count = 10) {
  TuneRecord r;
  r.op = "mm";
  r.bucket = bucket;
  r.candidate = candidate;
  r.device = "H200";
  r.driver = "560.1";
  r.compiler = "nvrtc 13.0";
  r.kernel_hash = "abc";
  r.library = "0.1.0";
  r.median_us = us;
  r.spread = 0.125;
  r.count = count;
  r.date = date;
  return r;
}

class Records : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("gems_records_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string place() const { return std::string(GetParam()) == "memory" ? "" : (folder_ / "deep" / "tune.sqlite").string(); }
  fs::path folder_;
};

TEST_P(Records, MergesAndPicksTheFastest) {
  auto store = gems::open_records(place());
  EXPECT_EQ(store->problem(), "");
  EXPECT_EQ(store->put({record("b1", "own", 10), record("b1", "native", 8), record("b2", "own", 5), record("b2", "native", 5)}),
            4u);
  const auto best = store->winners(record("", "own", 1).env());
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[0].candidate, "native");
  EXPECT_EQ(best[1].candidate, "native") << "of equals the first by name";
  store->put({record("b1", "native", 99, 999), record("b1", "native", 98, 1000, 9)});
  EXPECT_EQ(store->winners(record("", "own", 1).env())[0].median_us, 8) << "an older record, or one with fewer measurements, won";
  store->put({record("b1", "native", 97, 1000, 11), record("b2", "own", 96, 1001, 1)});
  EXPECT_EQ(store->winners(record("", "own", 1).env())[0].candidate, "own");
  EXPECT_EQ(store->all().size(), 4u);
}

TEST_P(Records, EnvironmentsAndKernelsNeverMix) {
  auto store = gems::open_records(place());
  store->put({record("b", "own", 10), record("b", "native", 12)});
  for (std::string gems::TuneEnv::*part :
       {&gems::TuneEnv::device, &gems::TuneEnv::driver, &gems::TuneEnv::compiler, &gems::TuneEnv::library}) {
    gems::TuneEnv other = record("", "own", 1).env();
    other.*part += "x";
    testing::internal::CaptureStderr();
    EXPECT_TRUE(store->winners(other).empty());
    EXPECT_TRUE(store->winners(other).empty());
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_NE(said.find(other.*part), std::string::npos) << said;
  }
  const auto best =
      store->winners(record("", "own", 1).env(), [](const TuneRecord& r) { return r.candidate == "own" ? "def" : ""; });
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].candidate, "native");
}

TEST_P(Records, RefusesWhatNoStoreCouldKeep) {
  auto store = gems::open_records(place());
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  std::vector<TuneRecord> bad(12, record("b", "own", 1));
  bad[0].median_us = nan;
  bad[1].median_us = inf;
  bad[2].median_us = 0;
  bad[3].spread = nan;
  bad[4].spread = -1;
  bad[5].count = 0;
  bad[6].date = -1;
  bad[7].op = "";
  bad[8].bucket = std::string("a\0b", 3);
  bad[9].bucket = "\xc3";
  bad[10].bucket = "\xed\xa0\x80";
  bad[11].bucket = std::string(3000, 'x');
  EXPECT_EQ(store->put(bad), 0u);
  EXPECT_TRUE(store->all().empty());
  TuneRecord edge = record("b", "own", std::numeric_limits<double>::denorm_min(), std::numeric_limits<int64_t>::max());
  edge.spread = std::numeric_limits<double>::max();
  EXPECT_EQ(store->put({edge}), 1u);
  EXPECT_EQ(store->all().at(0), edge);
}

TEST_P(Records, TrimErasesClosesAndStaysUsable) {
  auto store = gems::open_records(place());
  const int64_t now = std::time(nullptr), day = 86400;
  store->put({record("b1", "own", 1, now), record("b2", "own", 1, now - 3 * day), record("b3", "own", 1, now - 9 * day),
              record("b4", "own", 1, now + 9 * day)});
  EXPECT_EQ(store->verify().size(), 1u) << "a date in the future";
  EXPECT_EQ(store->trim(-1, 5), 2u);
  EXPECT_EQ(store->trim(1, -1), 1u);
  EXPECT_EQ(store->all().at(0).bucket, "b1");
  gems::RecordFilter f;
  f.bucket = "b2";
  EXPECT_EQ(store->erase(f), 0u);
  EXPECT_EQ(store->erase({}), 1u);
  EXPECT_TRUE(store->verify().empty());
  store->close();
  EXPECT_EQ(store->put({record("b", "own", 1)}), 0u);
  EXPECT_TRUE(store->all().empty());
  store->close();
}

TEST_P(Records, SurviveFork) {
  auto store = gems::open_records(place());
  store->put({record("parent", "own", 1)});
  const pid_t child = fork();
  if (child == 0) {
    const bool good = store->all().size() == 1 && store->put({record("child", "own", 1)}) == 1 && store->all().size() == 2;
    store->close();
    _exit(good ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(store->all().size(), std::string(GetParam()) == "memory" ? 1u : 2u);
}

INSTANTIATE_TEST_SUITE_P(Stores, Records, testing::Values("memory", "sqlite"),
                         [](const auto& p) { return std::string(p.param); });

class RecordFiles : public Records {};
INSTANTIATE_TEST_SUITE_P(Stores, RecordFiles, testing::Values("sqlite"), [](const auto& p) { return std::string(p.param); });

TEST_P(RecordFiles, KeepsRecordsBetweenStores) {
  const TuneRecord r = record("b \"quoted\" \n \xc3\xa9", "own", 0.1 + 0.2);
  gems::open_records(place())->put({r});
  auto again = gems::open_records("sqlite:///" + place());
  ASSERT_EQ(again->all().size(), 1u);
  EXPECT_EQ(again->all()[0], r);
}

TEST_P(RecordFiles, DamagedFileIsMovedAsideAndItsSoundRecordsAreKept) {
  std::vector<TuneRecord> many;
  for (int i = 0; i < 2000; i++) many.push_back(record("bucket " + std::to_string(i), "own", i + 1));
  gems::open_records(place())->put(many);
  {
    std::fstream file(place(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(10 * 4096);
    file << std::string(3 * 4096, '\xff');
  }
  auto store = gems::open_records(place());
  testing::internal::CaptureStderr();
  const size_t left = store->all().size();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_GT(left, 200u);
  EXPECT_LT(left, 2000u);
  EXPECT_NE(said.find(".corrupt-"), std::string::npos) << said;
  EXPECT_EQ(store->problem(), "");
  EXPECT_EQ(store->put(many), 2000u);
  EXPECT_EQ(store->all().size(), 2000u);
  EXPECT_EQ(store->verify().size(), 1u) << "it tells what was done";
  store->close();
  EXPECT_TRUE(gems::open_records(place())->verify().empty());
}

TEST_P(RecordFiles, UnusablePlacesAreMemoryOnlyWithOneLine) {
  for (const std::string& where :
       {folder_.string(), std::string("/proc/nowhere/tune.sqlite"), std::string("mysql://user:secret@host/db")}) {
    testing::internal::CaptureStderr();
    auto store = gems::open_records(where);
    EXPECT_EQ(store->put({record("b", "own", 1)}), 1u);
    EXPECT_EQ(store->all().size(), 1u);
    EXPECT_NE(store->problem(), "");
    EXPECT_EQ(store->verify().size(), 1u);
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_EQ(said.find("secret"), std::string::npos) << said;
  }
}

TEST(RecordText, RoundTripsAndReportsEachBadLine) {
  std::vector<TuneRecord> records = {record("b2", "own", 1e-300), record("b1", "t\xf0\x9f\x98\x80\x01", 12345.678)};
  std::string text = gems::records_to_text(records, "0.1.0");
  auto file = gems::records_from_text(text, "f");
  EXPECT_TRUE(file.problems.empty());
  EXPECT_EQ(file.library, "0.1.0");
  ASSERT_EQ(file.records.size(), 2u);
  EXPECT_EQ(file.records[0], records[1]);
  EXPECT_EQ(gems::records_to_text(file.records, "0.1.0"), text);
  file = gems::records_from_text(text + "{\"op\": 1}\n" + text.substr(text.find('\n') + 1, 40), "f");
  EXPECT_EQ(file.records.size(), 2u);
  ASSERT_EQ(file.problems.size(), 2u);
  EXPECT_EQ(file.problems[0].rfind("f:4: ", 0), 0u) << file.problems[0];
  EXPECT_EQ(file.problems[1], "f:5: the line is cut short");
  EXPECT_EQ(gems::records_from_text("", "f").problems.size(), 1u);
  EXPECT_EQ(gems::load_record_file("/nowhere").problems.size(), 1u);
}

// Settings are read once a process: each case is one of its own.
void expect_place(std::vector<std::pair<const char*, const char*>> settings, const std::string& want) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        for (const char* name : {"GEMS_TUNE_DB_URL", "FLAGGEMS_DB_URL", "GEMS_TUNE_DB", "GEMS_CACHE_DIR"}) unsetenv(name);
        for (const auto& s : settings) setenv(s.first, s.second, 1);
        exit(gems::default_records_place() == want ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}
TEST(RecordPlaces, AUrlIsFirstThenAFileThenTheCacheFolder) {
  expect_place({{"GEMS_TUNE_DB_URL", "postgresql://a"}, {"FLAGGEMS_DB_URL", "postgresql://b"}, {"GEMS_TUNE_DB", "/c"}},
               "postgresql://a");
  expect_place({{"FLAGGEMS_DB_URL", "postgresql+psycopg2://b"}, {"GEMS_TUNE_DB", "/c"}}, "postgresql+psycopg2://b");
  expect_place({{"GEMS_TUNE_DB", "/c"}, {"GEMS_CACHE_DIR", "/d"}}, "/c");
  expect_place({{"GEMS_CACHE_DIR", "/d"}}, "/d/tune.sqlite");
}

TEST_P(RecordFiles, MissingLibrariesAreMemoryOnlyWithOneLine) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const std::string& where : {place(), std::string("postgresql:///x")}) {
    EXPECT_EXIT(
        {
          g_nothing_opens = true;
          auto store = gems::open_records(where);
          const bool good = store->put({record("b", "own", 1)}) == 1 && store->all().size() == 1 && !store->problem().empty();
          fs::remove_all(folder_);  // the child has no TearDown
          exit(good ? 0 : 1);
        },
        testing::ExitedWithCode(0), "^[^\n]*can't be opened \\(Debian: apt-get install [^\n]*\n$");
  }
}

TEST(RecordSpeed, Figures) {
  const std::string path = fs::temp_directory_path() / ("gems_records_" + std::to_string(getpid()) + ".sqlite");
  for (const std::string& where : {std::string(), path}) {
    auto store = gems::open_records(where);
    std::vector<TuneRecord> many;
    for (int i = 0; i < 10000; i++) many.push_back(record("b" + std::to_string(i / 5), "c" + std::to_string(i % 5), 1 + i % 7));
    auto clock = [&](auto f) {
      const auto t = std::chrono::steady_clock::now();
      f();
      return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - t).count();
    };
    const double batch = clock([&] { store->put(many); });
    const double one = clock([&] {
      for (int i = 0; i < 100; i++) store->put({record("single" + std::to_string(i), "own", 1)});
    });
    size_t n = 0;
    const double winners = clock([&] { n = store->winners(many[0].env()).size(); });
    std::printf("%s: put of 10000 %.1f ms, of one %.3f ms; winners of 10100 %.1f ms\n", store->where().c_str(), batch, one / 100,
                winners);
    EXPECT_EQ(n, 2100u);
  }
  for (const char* side : {"", "-wal", "-shm"}) unlink((path + side).c_str());
}

}  // namespace
