// The kernel cache as processes meet it: many at once, killed, on damaged, full, read-only, deleted and foreign folders.
#include <sys/file.h>
#include <sys/resource.h>

#include <random>
#include <thread>

#include "core/cache/checksum.h"
#include "tests/cpp/cache_process.h"

namespace gems::test {
namespace {

using std::chrono::milliseconds;

TEST(Checksum, IsXxh64) {
  EXPECT_EQ(Checksum::of("", 0), 0xEF46DB3751D8E999u);
  EXPECT_EQ(Checksum::of("abc", 3), 0x44BC2CF5AD770999u);
  const std::string s = "Nobody inspects the spammish repetition";
  EXPECT_EQ(Checksum::of(s.data(), s.size()), 0xFBCEA83C8A378BF1u);
}

TEST_F(CacheTest, StoresAndLoads) {
  Worker a(env);
  EXPECT_EQ(a.ask("load 1"), "miss");
  EXPECT_FALSE(fs::exists(base));  // looking makes no folder
  for (int size : {0, 1, 100, 300000}) a.ask("store " + std::to_string(size) + " " + std::to_string(size));
  Worker b(env);
  for (int size : {0, 1, 100, 300000}) EXPECT_EQ(b.ask("load " + std::to_string(size)), "hit") << size;
  EXPECT_EQ(fs::file_size(entry(100)), 196u);
  struct stat st;
  ASSERT_EQ(stat(kernels.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(entry(1).c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_EQ(b.ask("stats").substr(0, 20), "user=4 pack=0 miss=0");
  EXPECT_EQ(others(), 0);
}

// ---- many processes ----

TEST_F(CacheTest, EightProcessesCompileEachKeyOnce) {
  constexpr int kKeys = 40;
  for (int round = 0; round < 3; round++) {
    fs::remove_all(base);
    const fs::path counts = root / ("counts" + std::to_string(round));
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < 8; i++) workers.push_back(std::make_unique<Worker>(env));
    for (auto& w : workers) w->ask("stats");  // all are up
    const auto start = Clock::now();
    // All in one order (they meet at each key), or from eight places on.
    for (int i = 0; i < 8; i++)
      workers[i]->send("fill 1 " + std::to_string(kKeys) + " " + std::to_string(round == 0 ? 0 : i * 5) + " 10 " +
                       counts.string());
    for (auto& w : workers) EXPECT_EQ(w->reply(), "ok");
    std::printf("8 processes, %d keys of 10 ms: %.0f ms\n", kKeys, 1e3 * seconds_since(start));
    std::map<std::string, int> compiled;
    std::istringstream lines(read_file(counts));
    for (std::string line; std::getline(lines, line);) compiled[line]++;
    EXPECT_EQ(compiled.size(), static_cast<size_t>(kKeys));
    for (const auto& c : compiled) EXPECT_EQ(c.second, 1) << "key " << c.first;
    int64_t waits = 0, timeouts = 0;
    for (auto& w : workers) waits += w->stat("wait"), timeouts += w->stat("timeout");
    EXPECT_GT(waits, 0);  // they did meet
    EXPECT_EQ(timeouts, 0);
    EXPECT_EQ(entries(), kKeys);
    EXPECT_EQ(others(), 0);
  }
}

TEST_F(CacheTest, KilledAtAnyMomentNothingIsPoisoned) {
  std::mt19937 random(1);
  const auto end = Clock::now() + std::chrono::seconds(4);
  int kills = 0, wrong = 0;
  while (Clock::now() < end) {
    std::vector<std::unique_ptr<Worker>> workers;
    for (int i = 0; i < 3; i++) {
      workers.push_back(std::make_unique<Worker>(env));
      workers.back()->send("hammer 12 60000");
    }
    std::this_thread::sleep_for(milliseconds(3 + random() % 40));
    for (auto& w : workers) {
      w->signal(SIGKILL);
      const int status = w->wait();
      wrong += !WIFSIGNALED(status);
      kills++;
    }
  }
  EXPECT_EQ(wrong, 0);
  std::printf("%d processes killed; %d locks and temporary files left\n", kills, others());
  EXPECT_GT(kills, 20);
  Worker after(env);
  const auto start = Clock::now();
  for (int key = 0; key < 12; key++) {
    const std::string k = std::to_string(key), got = after.ask("load " + k);
    EXPECT_NE(got, "WRONG");
    if (got == "miss") {
      EXPECT_EQ(after.ask("begin " + k), "1");
      after.ask("store " + k + " 60000");
      after.ask("end " + k);
    }
    EXPECT_EQ(after.ask("load " + k), "hit");
  }
  EXPECT_LT(seconds_since(start), 2);  // no dead owner was waited for
  EXPECT_EQ(after.stat("corrupt"), 0);
  EXPECT_EQ(after.stat("timeout"), 0);
  Worker cleaner(env);
  cleaner.ask("store 99 100");  // the first store of a process cleans up
  EXPECT_EQ(others(), 0);
}

TEST_F(CacheTest, AWaiterTakesWhatTheOwnerStored) {
  Worker a(env), b(env), c(env);
  EXPECT_EQ(a.ask("begin 1"), "1");
  b.send("begin 1");
  EXPECT_EQ(c.ask("begin 2"), "1");  // another key isn't held up
  std::this_thread::sleep_for(milliseconds(100));
  a.ask("store 1 500");
  EXPECT_EQ(b.reply(), "0");
  EXPECT_EQ(b.ask("load 1"), "hit");
  a.ask("end 1");
  EXPECT_EQ(b.stat("wait"), 1);
  EXPECT_EQ(c.stat("wait"), 0);
  EXPECT_EQ(a.ask("begin 1"), "0");
}

TEST_F(CacheTest, AnOwnerThatFailsLetsTheNextTry) {
  Worker a(env), b(env), c(env);
  EXPECT_EQ(a.ask("begin 1"), "1");
  b.send("begin 1");
  std::this_thread::sleep_for(milliseconds(50));
  a.ask("end 1");
  EXPECT_EQ(b.reply(), "1");
  c.send("begin 1");  // b's lock isn't the file that a has removed
  EXPECT_EQ(c.reply(200), "(no answer)");
  b.ask("end 1");
  EXPECT_EQ(c.reply(), "1");
}

TEST_F(CacheTest, ADeadOwnerDoesNotBlock) {
  auto a = std::make_unique<Worker>(env);
  Worker b(env), c(env);
  EXPECT_EQ(a->ask("begin 1"), "1");
  EXPECT_EQ(a->ask("begin 2"), "1");
  b.send("begin 1");
  std::this_thread::sleep_for(milliseconds(50));
  const auto start = Clock::now();
  a->signal(SIGKILL);
  EXPECT_EQ(b.reply(), "1");
  EXPECT_EQ(c.ask("begin 2"), "1");
  EXPECT_LT(seconds_since(start), 1);
}

TEST_F(CacheTest, ASlowOwnerBlocksABoundedTime) {
  env["GEMS_CACHE_WAIT_MS"] = "300";
  Worker a(env), b(env);
  EXPECT_EQ(a.ask("begin 1"), "1");
  a.signal(SIGSTOP);
  const auto start = Clock::now();
  EXPECT_EQ(b.ask("begin 1"), "1");
  EXPECT_GE(seconds_since(start), 0.3);
  EXPECT_LT(seconds_since(start), 2);
  EXPECT_EQ(b.stat("timeout"), 1);
  b.ask("store 1 100");
  b.ask("end 1");  // not b's lock
  EXPECT_TRUE(fs::exists(kernels / (key_name(1) + ".lock")));
  a.signal(SIGCONT);
  EXPECT_EQ(a.ask("store 1 100"), "ok");
  a.ask("end 1");
  EXPECT_EQ(b.ask("load 1"), "hit");
  EXPECT_EQ(others(), 0);
}

TEST_F(CacheTest, WorksWithoutLocks) {
  env["LD_PRELOAD"] = GEMS_NO_FLOCK;
  Worker a(env), b(env);
  EXPECT_EQ(a.ask("begin 1"), "1");
  EXPECT_EQ(b.ask("begin 1"), "1");  // compiled twice, which is all that happens
  a.ask("store 1 700");
  b.ask("store 1 700");
  a.ask("end 1");
  b.ask("end 1");
  EXPECT_EQ(b.ask("load 1"), "hit");
  EXPECT_EQ(a.ask("begin 2"), "1");
}

TEST_F(CacheTest, LeftOverFilesGoAndLiveOnesStay) {
  Worker a(env);
  a.ask("store 1 10");
  write_file(kernels / ".tmp-77-1-0", "half");
  write_file(kernels / (key_name(5) + ".lock"), "");
  write_file(kernels / "readme.txt", "not ours");
  const fs::path live = kernels / ".tmp-78-1-0";
  write_file(live, "being written");
  const int fd = open(live.c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
  ASSERT_EQ(a.ask("begin 6"), "1");
  Worker b(env);
  b.ask("store 2 10");
  EXPECT_FALSE(fs::exists(kernels / ".tmp-77-1-0"));
  EXPECT_FALSE(fs::exists(kernels / (key_name(5) + ".lock")));
  EXPECT_TRUE(fs::exists(live));
  EXPECT_TRUE(fs::exists(kernels / (key_name(6) + ".lock")));
  EXPECT_TRUE(fs::exists(kernels / "readme.txt"));
  close(fd);
}

// ---- damage ----

TEST_F(CacheTest, EveryBitCounts) {
  Worker w(env);
  w.ask("store 1 1000");
  const std::string good = read_file(entry(1));
  ASSERT_EQ(good.size(), 1096u);
  std::vector<size_t> bits;
  for (size_t b = 0; b < 96 * 8; b++) bits.push_back(b);
  std::mt19937 random(7);
  for (int i = 0; i < 300; i++) bits.push_back(96 * 8 + random() % 8000);
  for (size_t b : bits) {
    std::string bad = good;
    bad[b / 8] = static_cast<char>(bad[b / 8] ^ 1 << b % 8);
    write_file(entry(1), bad);
    ASSERT_EQ(w.ask("load 1"), "miss") << "bit " << b;
  }
  EXPECT_GT(w.stat("corrupt"), static_cast<int64_t>(bits.size()) - 33);  // another format version isn't damage
  w.ask("store 1 1000");
  EXPECT_EQ(w.ask("load 1"), "hit");
}

TEST_F(CacheTest, EveryTruncationIsAMiss) {
  Worker w(env);
  w.ask("store 1 120");
  const std::string good = read_file(entry(1));
  for (size_t n = 0; n < good.size(); n++) {
    write_file(entry(1), good.substr(0, n));
    ASSERT_EQ(w.ask("load 1"), "miss") << n << " bytes";
    ASSERT_FALSE(fs::exists(entry(1)));
  }
  write_file(entry(1), good + "x");
  EXPECT_EQ(w.ask("load 1"), "miss");
  write_file(entry(1), good);
  EXPECT_EQ(w.ask("load 1"), "hit");
}

TEST_F(CacheTest, ForeignEntriesAreMissesAndGetRebuilt) {
  Worker w(env);
  w.ask("store 1 120");
  fs::copy_file(entry(1), entry(2));  // a good entry under another key's name
  EXPECT_EQ(w.ask("load 2"), "miss");
  std::string other = read_file(entry(1));
  other[8] = 9;
  write_file(entry(1), other);
  EXPECT_EQ(w.ask("load 1"), "miss");
  EXPECT_TRUE(fs::exists(entry(1)));  // maybe another library's
  EXPECT_EQ(w.ask("begin 1"), "1");
  w.ask("store 1 120");
  w.ask("end 1");
  EXPECT_EQ(w.ask("load 1"), "hit");
  write_file(entry(3), "#!/bin/sh\necho hello\n" + std::string(200, ' '));
  EXPECT_EQ(w.ask("load 3"), "miss");
  fs::create_directory(entry(4));
  EXPECT_EQ(w.ask("load 4"), "miss");
  ASSERT_EQ(mkfifo(entry(5).c_str(), 0600), 0);
  EXPECT_EQ(w.ask("load 5"), "miss");
  EXPECT_EQ(w.ask("store 4 10"), "ok");  // can't replace a directory, and doesn't fail
  EXPECT_EQ(w.ask("load 4"), "miss");
}

TEST_F(CacheTest, VerifyNamesTheBadOnes) {
  Worker w(env);
  for (int k = 1; k <= 5; k++) w.ask("store " + std::to_string(k) + " 200");
  EXPECT_EQ(w.ask("verify"), "good");
  std::string b = read_file(entry(3));
  b[150] ^= 1;
  write_file(entry(3), b);
  EXPECT_EQ(w.ask("verify"), entry(3).string() + " has a wrong checksum; ");
  EXPECT_EQ(w.ask("verify " + base.string()), entry(3).string() + " has a wrong checksum; ");
  EXPECT_TRUE(fs::exists(entry(3)));
  EXPECT_NE(w.ask("verify " + (root / "nowhere").string()).find("doesn't exist"), std::string::npos);
}

// ---- folders ----

TEST_F(CacheTest, FullDisk) {
  const std::string why = mount_tmpfs(base, "size=400k,mode=700");
  if (!why.empty()) GTEST_SKIP() << why;
  Worker w(env);
  for (int k = 0; k < 12; k++) {
    const std::string key = std::to_string(k);
    EXPECT_EQ(w.ask("begin " + key), "1");
    EXPECT_EQ(w.ask("store " + key + " 60000"), "ok");
    EXPECT_EQ(w.ask("end " + key), "ok");
  }
  EXPECT_GT(w.stat("store"), 3);
  EXPECT_GT(w.stat("failed"), 3);
  EXPECT_NE(w.log().find("No space left"), std::string::npos) << w.log();
  EXPECT_EQ(others(), 0);
  Worker r(env);
  int hits = 0;
  for (int k = 0; k < 12; k++) {
    const std::string got = r.ask("load " + std::to_string(k));
    EXPECT_NE(got, "WRONG");
    hits += got == "hit";
  }
  EXPECT_EQ(hits, w.stat("store"));
  EXPECT_EQ(r.stat("corrupt"), 0);
}

TEST_F(CacheTest, LimitOfFileSizes) {
  Worker w(env, [] {
    const struct rlimit limit = {8192, 8192};
    setrlimit(RLIMIT_FSIZE, &limit);
  });
  EXPECT_EQ(w.ask("store 1 60000"), "ok");  // and no SIGXFSZ
  EXPECT_EQ(w.ask("load 1"), "miss");
  EXPECT_EQ(w.ask("store 2 600"), "ok");
  EXPECT_EQ(w.ask("load 2"), "hit");
  EXPECT_EQ(others(), 0);
}

TEST_F(CacheTest, ReadOnlyFolder) {
  const std::string why = mount_tmpfs(base, "size=4m,mode=700");
  if (!why.empty()) GTEST_SKIP() << why;
  Worker(env).ask("store 1 500");
  age(entry(1), 100000);
  ASSERT_EQ(mount(nullptr, base.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0) << strerror(errno);
  Worker w(env);
  EXPECT_EQ(w.ask("load 1"), "hit");
  EXPECT_EQ(w.ask("load 2"), "miss");
  EXPECT_EQ(w.ask("begin 2"), "1");
  EXPECT_EQ(w.ask("store 2 100"), "ok");
  EXPECT_EQ(w.ask("end 2"), "ok");
  EXPECT_EQ(w.ask("load 2"), "miss");
  EXPECT_EQ(w.ask("trim 0"), "0");
  EXPECT_EQ(w.log(), "");  // often meant
  EXPECT_EQ(w.stat("failed"), 1);
  // Nothing there and nothing can be made: said once.
  env["GEMS_CACHE_DIR"] = (base / "deeper").string();
  Worker n(env);
  EXPECT_EQ(n.ask("begin 1"), "1");
  n.ask("store 1 10");
  n.ask("store 2 10");
  EXPECT_EQ(n.ask("load 1"), "miss");
  EXPECT_NE(n.log().find("can't be made: Read-only file system"), std::string::npos) << n.log();
  EXPECT_EQ(n.log().find('\n'), n.log().size() - 1);
}

TEST_F(CacheTest, NoFolderAtAll) {
  write_file(root / "file", "x");
  for (const std::string& dir :
       {(root / "file").string(), (root / "file" / "below").string(), std::string("/proc/nothing/here")}) {
    Worker w(Worker::Env{{"GEMS_CACHE_DIR", dir}});
    EXPECT_EQ(w.ask("load 1"), "miss");
    EXPECT_EQ(w.ask("begin 1"), "1");
    EXPECT_EQ(w.ask("store 1 100"), "ok");
    EXPECT_EQ(w.ask("end 1"), "ok");
    EXPECT_EQ(w.ask("load 1"), "miss");
    EXPECT_EQ(w.ask("clear"), "0");
    EXPECT_NE(w.log().find("kept in memory only"), std::string::npos) << dir << w.log();
  }
  Worker w(Worker::Env{{"HOME", ""}});
  EXPECT_EQ(w.ask("begin 1"), "1");
  EXPECT_EQ(w.ask("store 1 100"), "ok");
  EXPECT_EQ(w.ask("load 1"), "miss");
  Worker home(Worker::Env{{"HOME", root.string()}});
  home.ask("store 1 100");
  EXPECT_TRUE(fs::exists(root / ".cache/flag_gems/kernels" / key_name(1)));
  Worker xdg({{"HOME", "/nowhere"}, {"XDG_CACHE_HOME", (root / "x").string()}});
  xdg.ask("store 1 100");
  EXPECT_TRUE(fs::exists(root / "x/flag_gems/kernels" / key_name(1)));
}

TEST_F(CacheTest, FolderDeletedWhileRunning) {
  Worker w(env);
  w.ask("store 1 100");
  EXPECT_EQ(w.ask("load 1"), "hit");
  fs::remove_all(base);
  EXPECT_EQ(w.ask("load 1"), "miss");
  EXPECT_EQ(w.ask("begin 1"), "1");
  w.ask("store 1 100");
  w.ask("end 1");
  EXPECT_EQ(w.ask("load 1"), "hit");
  EXPECT_EQ(Worker(env).ask("load 1"), "hit");
  EXPECT_EQ(w.ask("begin 2"), "1");
  fs::remove_all(root / "cache");  // between begin and store
  w.ask("store 2 100");
  w.ask("end 2");
  EXPECT_EQ(w.ask("load 2"), "hit");
  EXPECT_EQ(w.stat("failed"), 0);
}

TEST_F(CacheTest, FoldersThatOthersMayWriteToAreRefused) {
  Worker(env).ask("store 1 100");
  const auto refused = [&](const char* text) {
    Worker w(env);
    EXPECT_EQ(w.ask("load 1"), "miss") << text;
    EXPECT_EQ(w.ask("begin 2"), "1");
    EXPECT_EQ(w.ask("store 2 100"), "ok");
    EXPECT_EQ(w.ask("load 2"), "miss");
    EXPECT_NE(w.log().find(text), std::string::npos) << text << "\n" << w.log();
    EXPECT_NE(w.log().find("remedy:"), std::string::npos) << w.log();
    EXPECT_NE(w.log().find("memory only"), std::string::npos) << w.log();
    EXPECT_NE(w.ask("folder").find(text), std::string::npos);
    EXPECT_EQ(w.log().find('\n'), w.log().size() - 1);
  };
  const auto accepted = [&] { EXPECT_EQ(Worker(env).ask("load 1"), "hit"); };
  accepted();
  for (const fs::path& p : {kernels, base})
    for (mode_t mode : {0777, 0770}) {
      ASSERT_EQ(chmod(p.c_str(), mode), 0);
      refused("is writable by others");
      ASSERT_EQ(chmod(p.c_str(), 0755), 0);
      accepted();
    }
  // An entry that others may change, in a folder that they can reach.
  ASSERT_EQ(chmod(entry(1).c_str(), 0666), 0);
  EXPECT_EQ(Worker(env).ask("load 1"), "miss");
  ASSERT_EQ(chmod(entry(1).c_str(), 0600), 0);
  accepted();
  // Opened to others while we run, and closed again.
  Worker running(env);
  EXPECT_EQ(running.ask("load 1"), "hit");
  ASSERT_EQ(chmod(kernels.c_str(), 0777), 0);
  EXPECT_EQ(running.ask("load 1"), "miss");
  ASSERT_EQ(chmod(kernels.c_str(), 0700), 0);
  EXPECT_EQ(running.ask("load 1"), "hit");
  // Our own link is fine.
  fs::create_directory_symlink(base, root / "link");
  env["GEMS_CACHE_DIR"] = (root / "link").string();
  accepted();
  fs::create_directory_symlink("loop", root / "loop");
  Worker loop(Worker::Env{{"GEMS_CACHE_DIR", (root / "loop").string()}});
  EXPECT_EQ(loop.ask("load 1"), "miss");
  if (geteuid() != 0) GTEST_SKIP() << "root is needed to make another user's folder";
  ASSERT_EQ(lchown((root / "link").c_str(), 12345, 12345), 0);
  refused("is a symbolic link of user 12345");
  env["GEMS_CACHE_DIR"] = base.string();
  ASSERT_EQ(chown(base.c_str(), 12345, 12345), 0);
  refused("belongs to user 12345");
  ASSERT_EQ(chown(base.c_str(), 0, 0), 0);
  ASSERT_EQ(chown(kernels.c_str(), 12345, 12345), 0);
  refused("belongs to user 12345");
  ASSERT_EQ(chown(kernels.c_str(), 0, 0), 0);
  ASSERT_EQ(chown(entry(1).c_str(), 12345, 12345), 0);
  EXPECT_EQ(Worker(env).ask("load 1"), "miss");
}

// ---- size ----

TEST_F(CacheTest, TrimKeepsTheMostRecent) {
  Worker w(env);
  for (int k = 0; k < 20; k++) {
    w.ask("store " + std::to_string(k) + " 10000");
    age(entry(k), 5000 + 100 * k);  // key 19 is the oldest
  }
  EXPECT_EQ(w.ask("load 19"), "hit");  // and now the most recent
  EXPECT_EQ(w.ask("trim 50500"), "15");
  for (int k = 0; k < 20; k++) EXPECT_EQ(fs::exists(entry(k)), k < 4 || k == 19) << k;
  EXPECT_EQ(w.stat("trimmed"), 15);
  ASSERT_EQ(w.ask("begin 0"), "0");
  fs::remove(entry(0));
  ASSERT_EQ(w.ask("begin 0"), "1");
  w.ask("store 0 10000");
  EXPECT_EQ(w.ask("clear"), "4");  // not the one that is being compiled
  EXPECT_TRUE(fs::exists(entry(0)));
  w.ask("end 0");
  EXPECT_EQ(w.ask("clear"), "1");
  EXPECT_EQ(w.ask("folder").substr(0, 4), "0 0 ");
}

TEST_F(CacheTest, AStoreTrimsToTheCap) {
  env["GEMS_CACHE_MAX_MB"] = "1";
  Worker w(env);
  for (int k = 0; k < 30; k++) w.ask("store " + std::to_string(k) + " 50000");
  Worker(env).ask("store 30 50000");  // a first store, which trims
  EXPECT_EQ(entries(), 31);           // just written: another process may be about to load them
  for (int k = 0; k < 31; k++) age(entry(k), 1000 - 10 * k);
  Worker(env).ask("store 100 50000");
  int64_t bytes = 0;
  for (const auto& e : fs::directory_iterator(kernels)) bytes += static_cast<int64_t>(e.file_size());
  EXPECT_LE(bytes, 1 << 20);
  EXPECT_GT(bytes, (1 << 20) * 8 / 10);
  EXPECT_TRUE(fs::exists(entry(100)));
  EXPECT_TRUE(fs::exists(entry(29)));
  EXPECT_FALSE(fs::exists(entry(0)));
  // No entry beyond the cap, and none at all with a cap of 0.
  EXPECT_EQ(w.ask("store 200 2000000"), "ok");
  EXPECT_FALSE(fs::exists(entry(200)));
  env["GEMS_CACHE_MAX_MB"] = "0";
  Worker none(env);
  EXPECT_EQ(none.ask("begin 300"), "1");
  none.ask("store 300 10");
  EXPECT_FALSE(fs::exists(entry(300)));
  env["GEMS_CACHE_MAX_MB"] = "a lot";
  Worker odd(env);
  odd.ask("store 300 10");
  EXPECT_TRUE(fs::exists(entry(300)));
  EXPECT_NE(odd.log().find("GEMS_CACHE_MAX_MB=a lot"), std::string::npos);
}

TEST_F(CacheTest, TimeStampsMoveOnceAnHour) {
  Worker w(env);
  w.ask("store 1 100");
  age(entry(1), 1800);
  w.ask("load 1");
  EXPECT_NEAR(age_of(entry(1)), 1800, 60);
  age(entry(1), 4000);
  w.ask("load 1");
  EXPECT_NEAR(age_of(entry(1)), 0, 60);
  age(entry(1), -90000);  // a clock that was wrong
  w.ask("load 1");
  EXPECT_NEAR(age_of(entry(1)), 0, 60);
}

// ---- packs ----

TEST_F(CacheTest, PacksAreReadAndNeverWritten) {
  const fs::path one = root / "one", two = root / "two", late = root / "late";
  for (const fs::path& p : {one, two, late}) {
    Worker w(Worker::Env{{"GEMS_CACHE_DIR", p.string()}});
    const int first = p == one ? 1 : p == two ? 11 : 21;
    for (int k = first; k < first + 3; k++) w.ask("store " + std::to_string(k) + " 300");
    for (const auto& e : fs::directory_iterator(p / "kernels")) age(e.path(), 500000);
  }
  for (const auto& e : fs::directory_iterator(two / "kernels")) fs::rename(e.path(), two / e.path().filename());
  fs::remove(two / "kernels");  // entries directly in the folder
  std::string bad = read_file(one / "kernels" / key_name(2));
  bad[200] ^= 4;
  write_file(one / "kernels" / key_name(2), bad);
  const auto state = [&] {
    std::string r;
    for (const fs::path& p : {one, two, late})
      for (const auto& e : fs::recursive_directory_iterator(p)) {
        struct stat st;
        stat(e.path().c_str(), &st);
        r += e.path().string() + " " + std::to_string(st.st_ino) + " " + std::to_string(st.st_mtim.tv_sec) + " " +
             std::to_string(st.st_ctim.tv_sec) + "." + std::to_string(st.st_ctim.tv_nsec) + "\n";
      }
    return r;
  };
  const std::string before = state();
  env["GEMS_PACK_DIRS"] = one.string() + "::" + two.string() + ":" + (root / "missing").string();
  Worker w(env);
  EXPECT_EQ(w.ask("load 1"), "hit");
  EXPECT_EQ(w.ask("load 11"), "hit");
  EXPECT_EQ(w.ask("load 2"), "miss");  // damaged: built anew into the user's folder
  EXPECT_EQ(w.ask("begin 2"), "1");
  w.ask("store 2 300");
  w.ask("end 2");
  EXPECT_EQ(w.ask("load 2"), "hit");
  EXPECT_EQ(w.ask("load 21"), "miss");
  EXPECT_EQ(w.ask("pack " + late.string()), "ok");
  EXPECT_EQ(w.ask("load 21"), "hit");
  EXPECT_EQ(w.ask("stats").substr(0, 20), "user=1 pack=3 miss=2");
  EXPECT_NE(w.ask("verify").find(key_name(2) + " has a wrong checksum; "), std::string::npos);
  EXPECT_EQ(w.ask("trim 0"), "1");
  EXPECT_EQ(w.ask("clear"), "0");
  EXPECT_EQ(state(), before);
  EXPECT_NE(w.log().find("missing doesn't exist"), std::string::npos) << w.log();
  EXPECT_NE(w.ask("pack " + (root / "missing").string()).find("doesn't exist"), std::string::npos);
  ASSERT_EQ(chmod((late / "kernels").c_str(), 0777), 0);
  EXPECT_NE(Worker(env).ask("pack " + late.string()).find("writable by others"), std::string::npos);
  EXPECT_EQ(w.ask("load 22"), "miss");  // opened to others after it was added
  // A pack serves without any folder of the user, too.
  Worker alone(Worker::Env{{"HOME", ""}, {"GEMS_PACK_DIRS", one.string()}});
  EXPECT_EQ(alone.ask("load 3"), "hit");
}

TEST_F(CacheTest, PacksOfTheLibraryAreTrusted) {
  for (const char* name : {"a", "b"})
    Worker(Worker::Env{{"GEMS_CACHE_DIR", root / "packs" / name}})
        .ask(std::string("store ") + (*name == 'a' ? "1" : "2") + " 50");
  ASSERT_EQ(chmod((root / "packs/b/kernels").c_str(), 0775), 0);  // as an installation with umask 002 leaves it
  Worker w(env), none(env);
  EXPECT_EQ(w.ask("library " + (root / "packs").string()), "ok");
  EXPECT_EQ(w.ask("load 1"), "hit");
  EXPECT_EQ(w.ask("load 2"), "hit");
  EXPECT_EQ(w.stat("pack"), 2);
  EXPECT_EQ(none.ask("library " + (root / "nowhere").string()), "ok");
  EXPECT_EQ(none.ask("load 1"), "miss");
  EXPECT_EQ(w.log() + none.log(), "");
}

// ---- cost ----

TEST_F(CacheTest, LoadsInAFractionOfTheBudget) {
  env["GEMS_CACHE_DIR"] = base.string();
  Worker w(env);
  for (int size : {10000, 50000, 200000}) {
    double store = 0, load = 0, miss = 0;
    std::istringstream(w.ask("time 100 " + std::to_string(size))) >> store >> load >> miss;
    std::printf("%d bytes: store %.0f us, load %.0f us, miss %.1f us\n", size, store, load, miss);
    EXPECT_GT(load, 0);
    EXPECT_LT(load, 1000);
  }
}

}  // namespace
}  // namespace gems::test
