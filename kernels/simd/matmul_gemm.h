// The general product: blocks of a and b are packed into the compute type, in the order in which a register tile reads them.
// Serves every stride and type. Included inside a unit's unnamed namespace, after matmul_vec.h.
#pragma once

namespace mm {

#if GEMS_MM_AVX512
constexpr int kTileRows = 12, kTileVectors = 2;  // 24 accumulators, 2 of b, broadcasts from memory
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#elif defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 4;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif
template <class C> constexpr int tile_columns = kTileVectors* lanes<C>;
template <class C>
constexpr i64 kDepth = 1024 / (i64)sizeof(C);  // of a packed block: a panel of b is 32 KiB with AVX-512, 8 KiB with SSE

template <bool c, class A, class B> struct select_type { typedef A type; };
template <class A, class B> struct select_type<false, A, B> { typedef B type; };

// 16 bytes of each of G rows, transposed: dst[j * W .. + G) = (row 0)[j] ... (row G-1)[j].
template <int W> GEMS_FN void scatter(const vector_of<float, 16>::type (&r)[4], float* dst) {
  auto x = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5), y = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
  auto z = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5), w = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
  auto a = __builtin_shufflevector(x, z, 0, 1, 4, 5), b = __builtin_shufflevector(x, z, 2, 3, 6, 7);
  auto c = __builtin_shufflevector(y, w, 0, 1, 4, 5), d = __builtin_shufflevector(y, w, 2, 3, 6, 7);
  __builtin_memcpy(dst, &a, 16);
  __builtin_memcpy(dst + W, &b, 16);
  __builtin_memcpy(dst + 2 * W, &c, 16);
  __builtin_memcpy(dst + 3 * W, &d, 16);
}
template <int W> GEMS_FN void scatter(const vector_of<double, 16>::type (&r)[2], double* dst) {
  auto a = __builtin_shufflevector(r[0], r[1], 0, 2), b = __builtin_shufflevector(r[0], r[1], 1, 3);
  __builtin_memcpy(dst, &a, 16);
  __builtin_memcpy(dst + W, &b, 16);
}

// dst[l * W + i] = src[i * is + l * ls] for i < n, l < depth; zero for n <= i < W.
template <class T, int W> void pack(const T* src, i64 is, i64 ls, i64 n, i64 depth, compute_of<T>* dst) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  if (n < W) __builtin_memset(dst, 0, sizeof(C) * W * depth);
  if (is == 1 && n == W && W % L == 0) {  // rows of b
    for (i64 l = 0; l < depth; l++, src += ls, dst += W)
      for (int i = 0; i < W; i += L) {
        vec<C> v = load(src + i);
        __builtin_memcpy(dst + i, &v, sizeof v);
      }
    return;
  }
  if (ls != 1) {
    for (i64 l = 0; l < depth; l++)
      for (i64 i = 0; i < n; i++) dst[l * W + i] = gems::to<C>(src[i * is + l * ls]);
    return;
  }
  // Rows of a, columns of b: a transposition. One element at a time takes 40 % of a 1024^3 product, quads 8 %.
  typedef typename select_type<sizeof(C) == 4, float, double>::type B;  // moves bits only
  constexpr int G = 16 / (int)sizeof(C), Q = L / G;
  i64 i = 0;
  for (; i + G <= n; i += G) {
    i64 l = 0;
    for (; l + L <= depth; l += L) {
      typename vector_of<B, 16>::type q[G][Q];
      repeat<G>([&](auto g) GEMS_MM_INLINE {
        vec<C> v = load(src + (i + g) * is + l);
        __builtin_memcpy(q[g], &v, sizeof v);
      });
      repeat<Q>([&](auto j) GEMS_MM_INLINE {
        typename vector_of<B, 16>::type r[G];
        repeat<G>([&](auto g) GEMS_MM_INLINE { r[g] = q[g][j]; });
        scatter<W>(r, (B*)dst + (l + j * G) * W + i);
      });
    }
    for (; l < depth; l++)
      for (int g = 0; g < G; g++) dst[l * W + i + g] = gems::to<C>(src[(i + g) * is + l]);
  }
  for (; i < n; i++)
    for (i64 l = 0; l < depth; l++) dst[l * W + i] = gems::to<C>(src[i * is + l]);
}

// acc (row length ldacc) (+)= one packed panel of a times one of b.
template <class C> void micro(const C* a, const C* b, i64 depth, bool first, C* acc, i64 ldacc) {
  constexpr int L = lanes<C>, W = tile_columns<C>;
  vec<C> s[kTileRows][kTileVectors] = {};
  for (i64 l = 0; l < depth; l++, a += kTileRows, b += W) {
    vec<C> bv[kTileVectors];
    repeat<kTileVectors>([&](auto v) GEMS_MM_INLINE { bv[v] = read<vec<C>>(b + v * L); });
    repeat<kTileRows>([&](auto r)
                          GEMS_MM_INLINE { repeat<kTileVectors>([&](auto v) GEMS_MM_INLINE { s[r][v] += a[r] * bv[v]; }); });
  }
  repeat<kTileRows>([&](auto r) GEMS_MM_INLINE {
    repeat<kTileVectors>([&](auto v) GEMS_MM_INLINE {
      C* at = acc + r * ldacc + v * L;
      vec<C> t = s[r][v];
      if (!first) t += read<vec<C>>(at);
      __builtin_memcpy(at, &t, sizeof t);
    });
  });
}

GEMS_FN i64 round_up(i64 x, i64 to) { return (x + to - 1) / to * to; }

template <class C> i64 tile_scratch(i64 m, i64 n, i64 k) {
  i64 depth = k < kDepth<C> ? k : kDepth<C>, rows = round_up(m, kTileRows), columns = round_up(n, tile_columns<C>);
  return (i64)sizeof(C) * ((rows + columns) * depth + (k > depth ? rows * columns : kTileRows * tile_columns<C>)) + 192;
}

template <class T> void tile(const gems_mm* p, i64 m0, i64 m1, i64 n0, i64 n1, void* scratch) {
  typedef compute_of<T> C;
  constexpr int R = kTileRows, W = tile_columns<C>;
  const i64 m = m1 - m0, n = n1 - n0, k = p->k, rows = round_up(m, R), columns = round_up(n, W);
  const i64 depth = k < kDepth<C> ? k : kDepth<C>;
  const bool whole = k == depth;  // one block: sums never leave the tile's own small buffer
  auto carve = [at = (u64)scratch](i64 elements) mutable {
    u64 p = (at + 63) / 64 * 64;
    at = p + elements * sizeof(C);
    return (C*)p;
  };
  C *pa = carve(rows * depth), *pb = carve(columns * depth), *acc = carve(whole ? R * W : rows * columns);
  for (i64 l = 0; l < k; l += depth) {
    const i64 d = k - l < depth ? k - l : depth;
    for (i64 i = 0; i < m; i += R)
      pack<T, R>((const T*)p->a + (m0 + i) * p->a_rs + l * p->a_cs, p->a_rs, p->a_cs, m - i < R ? m - i : R, d, pa + i * d);
    for (i64 j = 0; j < n; j += W)
      pack<T, W>((const T*)p->b + (n0 + j) * p->b_cs + l * p->b_rs, p->b_cs, p->b_rs, n - j < W ? n - j : W, d, pb + j * d);
    const bool last = l + d == k;
    for (i64 j = 0; j < n; j += W)
      for (i64 i = 0; i < m; i += R) {
        C* s = whole ? acc : acc + i * columns + j;
        const i64 lds = whole ? W : columns;
        micro<C>(pa + i * d, pb + j * d, d, l == 0, s, lds);
        if (last)
          for (i64 r = 0; r < R && i + r < m; r++) finish<T>(p, s + r * lds, m0 + i + r, n0 + j, n - j < W ? n - j : W);
      }
  }
}

}  // namespace mm
