// Thin products: few rows of x against a large b, read once. Both kernels stream b at the speed of memory; x stays in cache.
// Included inside a unit's unnamed namespace, after matmul_vec.h.
#pragma once

namespace mm {

// Register tiles: 32 vector registers with AVX-512 and NEON, else 16. Integers have no speed to win there; fewer rows, less code.
#if GEMS_MM_AVX512 || defined(__aarch64__)
constexpr int kFloatDotRows = 6, kFloatOuterRows = 6, kOuterVectors = 4;
#elif defined(__AVX2__)
constexpr int kFloatDotRows = 3, kFloatOuterRows = 6, kOuterVectors = 2;
#else
constexpr int kFloatDotRows = 2, kFloatOuterRows = 4, kOuterVectors = 2;  // no fused multiply-add: a register for the product
#endif
template <class C> constexpr int kDotRows = gems::is_float<C> ? kFloatDotRows : 2;
template <class C> constexpr int kOuterRows = gems::is_float<C> ? kFloatOuterRows : 2;
constexpr int kDotColumns = 4;
// Up to this many rows memory is the limit, and one stream of b reaches 47 GB/s on two cores where four interleaved ones reach
// 37 (EPYC 9005); with more, four columns together save loads of x.
constexpr int kStreamRows = 3, kStreamUnroll = 4;
constexpr i64 kBlock = 64;  // outputs of a row that are finished together

// acc[r * kBlock + c] = x[r, :] . b[:, c] for ROWS rows and 4 columns of b, which are contiguous.
template <class T, int ROWS, int COLS>
GEMS_FN void dot_tile(const compute_of<T>* x, i64 x_rs, const T* b, i64 ldb, i64 k, i64 ahead, compute_of<T>* acc) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  constexpr int U = ROWS * COLS >= 12 ? 1 : 2;  // at least 8 independent accumulators hide the latency of the multiply-add
  vec<C> s[ROWS][COLS][U] = {};
  i64 l = 0;
  for (; l + U * L <= k; l += U * L) {
    repeat<U>([&](auto u) GEMS_MM_INLINE {
      vec<C> xv[ROWS];
      repeat<ROWS>([&](auto r) GEMS_MM_INLINE { xv[r] = read<vec<C>>(x + r * x_rs + l + u * L); });
      repeat<COLS>([&](auto c) GEMS_MM_INLINE {
        const T* at = b + c * ldb + l + u * L;
        if constexpr (u * L * sizeof(T) % 64 == 0) __builtin_prefetch(at + ahead);
        vec<C> bv = load(at);
        repeat<ROWS>([&](auto r) GEMS_MM_INLINE { s[r][c][u] += xv[r] * bv; });
      });
    });
  }
  for (; l < k; l += L) {
    i64 n = k - l;
    repeat<COLS>([&](auto c) GEMS_MM_INLINE {
      vec<C> bv = n >= L ? load(b + c * ldb + l) : load_part(b + c * ldb + l, n);
      repeat<ROWS>([&](auto r) GEMS_MM_INLINE {
        const C* at = x + r * x_rs + l;
        s[r][c][0] += (n >= L ? read<vec<C>>(at) : load_part(at, n)) * bv;
      });
    });
  }
  repeat<ROWS>([&](auto r) GEMS_MM_INLINE {
    if constexpr (U == 2) repeat<COLS>([&](auto c) GEMS_MM_INLINE { s[r][c][0] += s[r][c][1]; });
    if constexpr (COLS == 4) sum4<C>(acc + r * kBlock, s[r][0][0], s[r][1][0], s[r][2][0], s[r][3][0]);
    else repeat<COLS>([&](auto c) GEMS_MM_INLINE { acc[r * kBlock + c] = sum<C>(s[r][c][0]); });
  });
}

// The same for one column: its elements come as one stream from memory.
template <class T, int ROWS, int U>
GEMS_FN void dot_stream(const compute_of<T>* x, i64 x_rs, const T* b, i64 k, vec<compute_of<T>>* out) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  constexpr i64 kAhead = 4096 / (i64)sizeof(T);
  vec<C> s[ROWS][U] = {};
  i64 l = 0;
  for (; l + U * L <= k; l += U * L) {
    repeat<U>([&](auto u) GEMS_MM_INLINE {
      const T* at = b + l + u * L;
      if constexpr (u * L * sizeof(T) % 64 == 0) __builtin_prefetch(at + kAhead);
      vec<C> bv = load(at);
      repeat<ROWS>([&](auto r) GEMS_MM_INLINE { s[r][u] += read<vec<C>>(x + r * x_rs + l + u * L) * bv; });
    });
  }
  for (; l + L <= k; l += L) {
    vec<C> bv = load(b + l);
    repeat<ROWS>([&](auto r) GEMS_MM_INLINE { s[r][0] += read<vec<C>>(x + r * x_rs + l) * bv; });
  }
  if (l < k) {
    vec<C> bv = load_part(b + l, k - l);
    repeat<ROWS>([&](auto r) GEMS_MM_INLINE { s[r][0] += load_part(x + r * x_rs + l, k - l) * bv; });
  }
  repeat<ROWS>([&](auto r) GEMS_MM_INLINE {
    repeat<U - 1>([&](auto u) GEMS_MM_INLINE { s[r][0] += s[r][u + 1]; });
    out[r] = s[r][0];
  });
}

template <class T, int ROWS>
void dot_rows(const compute_of<T>* x, i64 x_rs, const T* b, i64 ldb, i64 k, i64 ahead, i64 columns, compute_of<T>* acc) {
  typedef compute_of<T> C;
  i64 c = 0;
  if constexpr (ROWS <= kStreamRows) {
    vec<C> s[kDotColumns][ROWS];
    for (; c + kDotColumns <= columns; c += kDotColumns) {
      for (int j = 0; j < kDotColumns; j++) dot_stream<T, ROWS, kStreamUnroll>(x, x_rs, b + (c + j) * ldb, k, s[j]);
      repeat<ROWS>([&](auto r) GEMS_MM_INLINE { sum4<C>(acc + r * kBlock + c, s[0][r], s[1][r], s[2][r], s[3][r]); });
    }
  } else {
    for (; c + kDotColumns <= columns; c += kDotColumns)
      dot_tile<T, ROWS, kDotColumns>(x, x_rs, b + c * ldb, ldb, k, ahead, acc + c);
  }
  for (; c < columns; c++) dot_tile<T, ROWS, 1>(x, x_rs, b + c * ldb, ldb, k, ahead, acc + c);
}
// Calls f(index<rows>{}) for 1 <= rows <= MAX.
template <int MAX, class F> GEMS_FN void with_rows(i64 rows, F&& f) {
  repeat<MAX>([&](auto i) GEMS_MM_INLINE {
    if (rows == i + 1) f(index<i + 1>{});
  });
}
// The number of rows of the next register tile: equal pieces, so that 7 rows are 4 + 3, not 6 + 1.
GEMS_FN i64 next_rows(i64 left, i64 most) {
  i64 pieces = (left + most - 1) / most;
  return (left + pieces - 1) / pieces;
}

template <class T> void dot(const gems_mm* p, const void* x_, i64 x_rs, i64 n0, i64 n1) {
  typedef compute_of<T> C;
  constexpr i64 kRows = 48;  // rows of x against which one block of b is used before the next; 12 KiB of sums
  const C* x = (const C*)x_;
  alignas(64) C acc[kRows * kBlock];
  const i64 k = p->k, ldb = p->b_cs;
  // How far ahead of the load b is prefetched: the next four columns where that's near, else a fixed distance.
  const i64 ahead = k * (i64)sizeof(T) <= 4096 ? kDotColumns * ldb : 2048 / (i64)sizeof(T);
  for (i64 n = n0; n < n1; n += kBlock) {
    i64 columns = n1 - n < kBlock ? n1 - n : kBlock;
    const T* b = (const T*)p->b + n * ldb;
    for (i64 m0 = 0; m0 < p->m; m0 += kRows) {
      i64 rows = p->m - m0 < kRows ? p->m - m0 : kRows;
      // Few columns at a time go through all rows: they are in the first cache after the first tile.
      for (i64 c = 0; c < columns; c += kDotColumns) {
        i64 width = columns - c < kDotColumns ? columns - c : kDotColumns;
        for (i64 m = 0, step; m < rows; m += step) {
          step = next_rows(rows - m, kDotRows<C>);
          with_rows<kDotRows<C>>(step, [&](auto r) GEMS_MM_INLINE {
            dot_rows<T, r>(x + (m0 + m) * x_rs, x_rs, b + c * ldb, ldb, k, ahead, width, acc + m * kBlock + c);
          });
        }
      }
      for (i64 m = 0; m < rows; m++) finish<T>(p, acc + m * kBlock, m0 + m, n, columns);
    }
  }
}

// acc[r][...] (+)= sum over l of x[r, l] * b[l, 0 .. VECS * lanes).
template <class T, int ROWS, int VECS, bool PART> GEMS_FN void outer_tile(const compute_of<T>* x, i64 x_rs, i64 x_cs, const T* b,
                                                                          i64 ldb, i64 k, i64 part, bool first,
                                                                          compute_of<T>* acc, i64 ldacc) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  constexpr int U = ROWS * VECS >= 6 ? 1 : ROWS * VECS >= 3 ? 2 : 4;  // independent sums over l, as in dot_tile
  constexpr i64 kAhead = 8;                                           // rows
  vec<C> s[U][ROWS][VECS] = {};
  auto step = [&](i64 l, auto u) GEMS_MM_INLINE {
    vec<C> bv[VECS];
    const T* at = b + l * ldb;
    repeat<VECS>([&](auto v) GEMS_MM_INLINE {
      if constexpr (v * L * sizeof(T) % 64 == 0) __builtin_prefetch(at + kAhead * ldb + v * L);
      if constexpr (PART) bv[v] = load_part(at + v * L, part);
      else bv[v] = load(at + v * L);
    });
    repeat<ROWS>([&](auto r) GEMS_MM_INLINE {
      C xs = x[r * x_rs + l * x_cs];
      repeat<VECS>([&](auto v) GEMS_MM_INLINE { s[u][r][v] += xs * bv[v]; });
    });
  };
  i64 l = 0;
  for (; l + U <= k; l += U) repeat<U>([&](auto u) GEMS_MM_INLINE { step(l + u, u); });
  if constexpr (U > 1)
    for (; l < k; l++) step(l, index<0>{});
  repeat<ROWS>([&](auto r) GEMS_MM_INLINE {
    repeat<VECS>([&](auto v) GEMS_MM_INLINE {
      vec<C> t = s[0][r][v];
      if constexpr (U == 2) t += s[1][r][v];
      if constexpr (U == 4) t = (t + s[1][r][v]) + (s[2][r][v] + s[3][r][v]);
      C* at = acc + r * ldacc + v * L;
      if (!first) t += read<vec<C>>(at);
      __builtin_memcpy(at, &t, sizeof t);
    });
  });
}

template <class T, int ROWS>
void outer_rows(const gems_mm* p, const compute_of<T>* x, i64 x_rs, i64 x_cs, i64 m, i64 n, i64 left) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>, V = ROWS == 1 ? 8 : kOuterVectors;
  constexpr i64 kDepth = 256;  // rows of b in one sum: one chain over all of k has a multiple of the error of native's blocks
  alignas(64) C acc[ROWS * V * L];
  const T* b = (const T*)p->b + n * p->b_cs;
  for (i64 i = 0, width; i < left; i += width) {
    const i64 rest = left - i;
    width = rest >= V * L ? V * L : rest >= kOuterVectors * L ? kOuterVectors * L : rest >= L ? L : rest;
    for (i64 l = 0; l < p->k; l += kDepth) {
      const i64 d = p->k - l < kDepth ? p->k - l : kDepth;
      const C* xl = x + l * x_cs;
      const T* bl = b + i + l * p->b_rs;
      if (width == V * L) outer_tile<T, ROWS, V, false>(xl, x_rs, x_cs, bl, p->b_rs, d, 0, l == 0, acc, V * L);
      else if (width == kOuterVectors * L)
        outer_tile<T, ROWS, kOuterVectors, false>(xl, x_rs, x_cs, bl, p->b_rs, d, 0, l == 0, acc, V * L);
      else if (width == L) outer_tile<T, ROWS, 1, false>(xl, x_rs, x_cs, bl, p->b_rs, d, 0, l == 0, acc, V * L);
      else outer_tile<T, ROWS, 1, true>(xl, x_rs, x_cs, bl, p->b_rs, d, width, l == 0, acc, V * L);
    }
    for (int r = 0; r < ROWS; r++) finish<T>(p, acc + r * V * L, m + r, n + i, width);
  }
}

template <class T> void outer(const gems_mm* p, const void* x_, i64 x_rs, i64 x_cs, i64 n0, i64 n1) {
  typedef compute_of<T> C;
  const C* x = (const C*)x_;
  constexpr i64 kStrip = 8 * lanes<C>;  // columns of b that go through all rows of x
  for (i64 n = n0; n < n1; n += kStrip) {
    i64 columns = n1 - n < kStrip ? n1 - n : kStrip;
    for (i64 m = 0, step; m < p->m; m += step) {
      step = next_rows(p->m - m, kOuterRows<C>);
      with_rows<kOuterRows<C>>(step,
                               [&](auto r) GEMS_MM_INLINE { outer_rows<T, r>(p, x + m * x_rs, x_rs, x_cs, m, n, columns); });
    }
  }
}

template <class T> void widen(const gems_mm* p, i64 m0, i64 m1, void* x_) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  const i64 k = p->k, cs = p->a_cs;
  C* x = (C*)x_;
  for (i64 m = m0; m < m1; m++, x += k) {
    const T* a = (const T*)p->a + m * p->a_rs;
    i64 l = 0;
    if (cs == 1)
      for (; l + L <= k; l += L) {
        vec<C> v = load(a + l);
        __builtin_memcpy(x + l, &v, sizeof v);
      }
    for (; l < k; l++) x[l] = gems::to<C>(a[l * cs]);
  }
}

template <class T> void fill(const gems_mm* p, i64 m0, i64 m1) {
  typedef compute_of<T> C;
  const C zero[kBlock] = {};
  for (i64 m = m0; m < m1; m++)
    for (i64 n = 0; n < p->n; n += kBlock) finish<T>(p, zero, m, n, p->n - n < kBlock ? p->n - n : kBlock);
}

}  // namespace mm
