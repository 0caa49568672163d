// The GPU kernels of the sort family, run on the host thread by thread, against std::stable_sort.
#include "tests/simt/emulation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

inline unsigned atomicAdd(unsigned* p, unsigned v) { return std::exchange(*p, *p + v); }  // fibers don't preempt each other
#include "kernels/simt/sort.cuh"

namespace {

using gems::i64;
using gems::u32;
typedef gems::FloatKey<u32, u32, 0x7f800000u> Key;

bool before(float a, float b) { return std::isnan(b) ? !std::isnan(a) : a < b; }

struct Lines {
  int rows, n, m;
  std::vector<float> in, values;
  std::vector<i64> indices;
  gems::simt::LinesArgs a{};

  // across: neighbours in memory are of different lines
  Lines(int rows, int n, int m, bool across, bool ties)
      : rows(rows), n(n), m(m), in(rows * n), values(rows * m), indices(rows * m) {
    std::mt19937 g(n);
    std::normal_distribution<float> d;
    for (float& x : in) x = ties ? std::floor(d(g) * 2) : d(g);
    for (size_t i = 0; i < in.size(); i += 7) in[i] = i % 3 ? -0.0f : 0.0f;
    for (size_t i = 3; i < in.size(); i += 11) in[i] = i % 2 ? NAN : INFINITY;
    a = {values.data(), indices.data(), in.data()};
    a.n = n, a.m = m;
    a.kept.ndim = 1;
    a.kept.rows = a.kept.size[0] = rows;
    const int length[3] = {m, m, n};
    for (int k = 0; k < 3; k++) {
      a.step[k] = across ? rows : 1;
      a.kept.stride[k][0] = across ? 1 : length[k];
    }
  }
  float at(int row, i64 i) const { return in[row * a.kept.stride[2][0] + i * a.step[2]]; }
  std::vector<i64> order(int row, bool down) const {
    std::vector<i64> o(n);
    std::iota(o.begin(), o.end(), 0);
    std::stable_sort(o.begin(), o.end(),
                     [&](i64 x, i64 y) { return down ? before(at(row, y), at(row, x)) : before(at(row, x), at(row, y)); });
    return o;
  }
  void expect(int row, int i, i64 index, const char* what) const {
    ASSERT_EQ(indices[row * a.kept.stride[1][0] + i * a.step[1]], index) << what << " row " << row << " at " << i;
    const float v = values[row * a.kept.stride[0][0] + i * a.step[0]], w = at(row, index);
    ASSERT_EQ(memcmp(&v, &w, 4), 0) << what;
  }
};

void sorted(int rows, int n, int m, bool across, bool ties, bool selects) {
  for (int down = 0; down < 2; down++) {
    Lines l(rows, n, m, across, ties);
    l.a.flag = down;
    emu::launch(2, 1, 256, [&] {
      if (selects) gems::simt::select_lines<Key, 0>(l.a);
      else gems::simt::sort_lines<Key, 0>(l.a);
    });
    for (int r = 0; r < rows; r++) {
      const auto o = l.order(r, down);
      for (int i = 0; i < m; i++) l.expect(r, i, o[i], "sorted");
    }
  }
}

TEST(SimtSort, Lines) {
  for (int n : {1, 2, 3, 33, 1000, 4096}) sorted(3, n, n, n % 2 == 0, n % 3 == 0, false);
  sorted(3, 700, 5, true, true, false);
}
TEST(SimtSort, TopOfLongLines) {
  sorted(3, 9000, 64, false, false, true);
  sorted(2, 9000, 4096, true, false, true);
  sorted(2, 20000, 3000, false, true, true);  // more equal ones than fit into shared memory
}
TEST(SimtSort, Nth) {
  for (int n : {1, 5, 1000, 9000, 20000})
    for (int rule = 0; rule < 3; rule++)
      for (bool ties : {false, true}) {
        Lines l(2, n, 1, ties, ties);
        l.a.k = n / 3;
        l.a.flag = rule;
        emu::launch(1, 1, 128, [&] {
          if (n > gems::simt::kMostSorted) gems::simt::select_lines<Key, 1>(l.a);
          else gems::simt::sort_lines<Key, 1>(l.a);
        });
        for (int r = 0; r < 2; r++) {
          const auto o = l.order(r, false);
          const int numbers = (int)std::count_if(o.begin(), o.end(), [&](i64 i) { return !std::isnan(l.at(r, i)); });
          const int median = numbers == n ? (n - 1) / 2 : rule == 1 ? numbers : std::max(numbers - 1, 0) / 2;
          l.expect(r, 0, o[rule ? median : n / 3], "nth");
        }
      }
}
TEST(SimtSort, Running) {
  for (int n : {1, 31, 129, 3000})
    for (int least = 0; least < 2; least++) {
      Lines l(3, n, n, n % 2, true);
      l.a.flag = least;
      emu::launch(2, 1, 128, [&] { gems::simt::running_lines<Key>(l.a); });
      for (int r = 0; r < 3; r++) {
        i64 best = 0;
        for (int i = 0; i < n; i++) {
          const float x = l.at(r, i), b = l.at(r, best);
          if (std::isnan(x) || (!std::isnan(b) && (least ? x <= b : x >= b))) best = i;
          l.expect(r, i, best, "running");
        }
      }
    }
}

}  // namespace
