// Sorting and selecting for CPUs, on unsigned keys whose order is torch's order of the values: NaN greatest and equal to each other,
// -0.0 equal to 0.0. A packed element is key << S | index: any sort of these is stable and brings the indices with it.
// Included by units/sort.cpp inside an unnamed namespace.
#pragma once
#include "kernels/lang/keys.h"

typedef unsigned __int128 u128;
typedef uint64_t u64;
typedef uint32_t u32;
typedef unsigned short u16;
typedef unsigned char u8;
using gems::BoolKey, gems::FloatKey, gems::IntKey;

// E: a bare key (S = 0) or a packed element (S = bits of the index).
template <class T, class E, int S> void encode(const void* in_, size_t n, u64 first, int descending, void* out_) {
  typedef typename T::raw R;
  const R* in = (const R*)in_;
  E* out = (E*)out_;
  const R flip = descending ? (R) ~(R)0 : (R)0;
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) {
    const E k = (R)(T::key(in[i]) ^ flip);
    if constexpr (S == 0) out[i] = k;
    else out[i] = k << S | (E)(typename T::K)(first + i);
  }
}

// Values and indices (null: not wanted) of packed elements; `in` is where index 0 lies, for keys that don't tell the value's bits.
template <class T, class E, int S>
void decode(const void* sorted_, size_t n, const void* in_, int descending, void* values_, int64_t* indices) {
  typedef typename T::raw R;
  const E* sorted = (const E*)sorted_;
  const R* in = (const R*)in_;
  R* values = (R*)values_;
  const R flip = descending ? (R) ~(R)0 : (R)0;
  constexpr size_t block = 256;
  for (size_t b = 0; b < n; b += block) {
    const size_t end = b + block < n ? b + block : n;
    if (values) {
      R lossy = 0;
#pragma GCC ivdep
      for (size_t i = b; i < end; i++) {
        const R k = (R)((R)(sorted[i] >> S) ^ flip);
        values[i] = T::value(k);
        lossy |= (R)T::lossy(k);
      }
      if (lossy) {
        if constexpr (S > 0) {
          for (size_t i = b; i < end; i++)
            if (T::lossy((R)((R)(sorted[i] >> S) ^ flip))) values[i] = in[(typename T::K)sorted[i]];
        }
      }
    }
    if constexpr (S > 0)
      if (indices) {
#pragma GCC ivdep
        for (size_t i = b; i < end; i++) indices[i] = (int64_t)(typename T::K)sorted[i];
      }
  }
}

// Running greatest (least) element: a later one of the same value takes over, a NaN stays. By pieces, whose greatest is found in vector
// registers: in a piece without a new one nothing but stores is left (1000 rows of 1000 random numbers, one thread,
// native / element by element / now: int64 0.90 / 0.85 / 0.55 ms, float 0.90 / 1.70 / 1.31).
template <class T> void running(const void* in_, size_t n, int least, void* values_, int64_t* indices) {
  typedef typename T::raw R;
  constexpr size_t kPiece = 32;
  const R* in = (const R*)in_;
  R* values = (R*)values_;
  const R flip = least ? (R) ~(R)0 : (R)0;
  const auto rank = [&](R x) GEMS_LAMBDA_INLINE {
    R k = (R)(T::key(x) ^ flip);
    if constexpr (T::has_nan) k = least && k == 0 ? (R) ~(R)0 : k;
    return k;
  };
  R best = 0, ranks[kPiece];
  size_t at = 0;
  for (size_t b = 0; b < n; b += kPiece) {
    const size_t end = n - b < kPiece ? n - b : kPiece;
    R top = 0;
    const auto look = [&](size_t m) GEMS_LAMBDA_INLINE {
      for (size_t j = 0; j < m; j++) {
        ranks[j] = rank(in[b + j]);
        top = ranks[j] > top ? ranks[j] : top;
      }
    };
    if (end == kPiece) look(kPiece);  // a loop of constant length
    else look(end);
    if (top < best) {
      const R value = in[at];
      for (size_t j = 0; j < end; j++) values[b + j] = value;
      for (size_t j = 0; j < end; j++) indices[b + j] = (int64_t)at;
      continue;
    }
    for (size_t j = 0; j < end; j++) {
      const bool takes = ranks[j] >= best;
      at = takes ? b + j : at;
      best = takes ? ranks[j] : best;
      values[b + j] = in[at];
      indices[b + j] = (int64_t)at;
    }
  }
}

// ---- algorithms on elements ----
template <class E, int S> struct SortOps {
  // u64 where the keys have 64 bits, else u32
  template <bool WIDE, class A, class B> struct pick { typedef A type; };
  template <class A, class B> struct pick<false, A, B> { typedef B type; };
  typedef typename pick<(8 * sizeof(E) - S > 32), u64, u32>::type K;

  static GEMS_FN K key(E e) { return (K)(e >> S); }

  static void insertion(E* a, size_t n) {
    for (size_t i = 1; i < n; i++) {
      const E e = a[i];
      size_t j = i;
      for (; j > 0 && a[j - 1] > e; j--) a[j] = a[j - 1];
      a[j] = e;
    }
  }

  static void bits(const void* a_, size_t n, u64* ors, u64* ands) {
    const E* a = (const E*)a_;
    K o = 0, z = 0;
    for (size_t i = 0; i < n; i++) {
      o |= key(a[i]);
      z |= (K)~key(a[i]);
    }
    *ors |= o;
    *ands &= (u64)(K)~z;
  }

  static void histogram(const void* a_, size_t n, int at, u32 mask, u32* h) {
    const E* a = (const E*)a_;
    for (size_t i = 0; i < n; i++) h[(u32)(key(a[i]) >> at) & mask]++;
  }
  // to[d]: where the next element of digit d goes
  static void scatter(const void* a_, size_t n, int at, u32 mask, u32* to, void* b_) {
    const E* a = (const E*)a_;
    E* b = (E*)b_;
    for (size_t i = 0; i < n; i++) {
      const E e = a[i];
      b[to[(u32)(key(e) >> at) & mask]++] = e;
    }
  }

  template <int W, int D> static void histograms(const E* a, size_t n, const int* at, u32 (*h)[1 << W]) {
    constexpr u32 mask = (1u << W) - 1;
    for (size_t i = 0; i < n; i++) {
      const K k = key(a[i]);
#pragma GCC unroll 4
      for (int d = 0; d < D; d++) h[d][(u32)(k >> at[d]) & mask]++;
    }
  }

  // Least significant digit first, W bits a pass, only over bits that differ: constant ones cost nothing.
  template <int W> static void* radix(E* a, E* b, size_t n, u64 vary) {
    constexpr u32 mask = (1u << W) - 1;
    constexpr int most = (8 * sizeof(K) + W - 1) / W;
    int at[most], passes = 0;
    while (vary) {
      at[passes] = __builtin_ctzll(vary);
      vary &= ~((u64)mask << at[passes++]);
    }
    u32 h[most][1 << W];
    __builtin_memset(h, 0, passes * sizeof(h[0]));
    switch (passes) {
      case 1: histograms<W, 1>(a, n, at, h); break;
      case 2: histograms<W, 2>(a, n, at, h); break;
      case 3: histograms<W, 3>(a, n, at, h); break;
      case 4: histograms<W, 4>(a, n, at, h); break;
      default:
        for (int d = 0; d < passes; d++) histogram(a, n, at[d], mask, h[d]);
    }
    for (int d = 0; d < passes; d++) {
      u32 sum = 0;
      for (u32 i = 0; i <= mask; i++) {
        const u32 c = h[d][i];
        h[d][i] = sum;
        sum += c;
      }
      scatter(a, n, at[d], mask, h[d], b);
      E* t = a;
      a = b;
      b = t;
    }
    return a;
  }

  // Sorts a with the help of b; returns which of them has the result. Stable in the order of a.
  static void* sort(void* a_, void* b_, size_t n) {
    E *a = (E*)a_, *b = (E*)b_;
    if (n <= 32) {
      insertion(a, n);
      return a;
    }
    u64 ors = 0, ands = ~(u64)0;
    bits(a, n, &ors, &ands);
    return n < 2048 ? radix<8>(a, b, n, ors & ~ands) : radix<11>(a, b, n, ors & ~ands);
  }

  // ---- bare keys only ----
  // The k-th smallest (from 0), and how many equal ones are in front of it. tmp: room for n.
  static K select(const K* a, size_t n, size_t k, K* tmp, size_t* rank) {
    for (;;) {
      if (n <= 32) {
        K s[32];
        for (size_t i = 0; i < n; i++) s[i] = a[i];
        SortOps<K, 0>::insertion(s, n);
        size_t less = k;
        while (less > 0 && s[less - 1] == s[k]) less--;
        *rank = k - less;
        return s[k];
      }
      u64 ors = 0, ands = ~(u64)0;
      SortOps<K, 0>::bits(a, n, &ors, &ands);
      const u64 vary = ors & ~ands;
      if (!vary) {
        *rank = k;
        return a[0];
      }
      const int top = 63 - __builtin_clzll(vary), at = top < 8 ? 0 : top - 7;
      u32 h[4][256];
      __builtin_memset(h, 0, sizeof h);
      size_t i = 0;
      for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++) h[j][(u32)(a[i + j] >> at) & 255]++;
      for (; i < n; i++) h[0][(u32)(a[i] >> at) & 255]++;
      u32 d = 0;
      for (;; d++) {
        const size_t c = (size_t)h[0][d] + h[1][d] + h[2][d] + h[3][d];
        if (k < c) break;
        k -= c;
      }
      size_t m = 0;
      for (i = 0; i < n; i++) {
        const K x = a[i];
        tmp[m] = x;
        m += ((u32)(x >> at) & 255) == d;
      }
      a = tmp;
      n = m;
    }
  }
  static u64 nth(const void* keys, size_t n, size_t k, void* tmp, size_t* rank) {
    return select((const K*)keys, n, k, (K*)tmp, rank);
  }
  static size_t count(const void* keys, size_t n, u64 value) {
    const K* a = (const K*)keys;
    size_t c = 0;
    for (size_t i = 0; i < n; i++) c += a[i] == (K)value;
    return c;
  }
  // Where the rank-th key of this value is.
  static size_t find(const void* keys, size_t n, u64 value, size_t rank) {
    const K* a = (const K*)keys;
    constexpr size_t block = 64;
    for (size_t b = 0; b < n; b += block) {
      const size_t end = b + block < n ? b + block : n;
      size_t c = 0;
      for (size_t i = b; i < end; i++) c += a[i] == (K)value;
      if (c <= rank) {
        rank -= c;
        continue;
      }
      for (size_t i = b; i < end; i++)
        if (a[i] == (K)value && rank-- == 0) return i;
    }
    return n;
  }
  // Packs the k least keys, and others, into `out` (room for n); returns how many. The bound for all others comes from groups: where k
  // of them have an element below it, the k least are below it. 4 k groups leave little more than k elements (1.15 k where n >> k).
  static size_t least(const void* keys_, size_t n, size_t k, void* tmp_, u64 first, void* out_) {
    typedef typename pick<(sizeof(K) == 8), u128, u64>::type P;
    constexpr int PS = 8 * sizeof(K);
    constexpr size_t L = 64 / sizeof(K);
    const K* a = (const K*)keys_;
    K* group = (K*)tmp_;
    P* out = (P*)out_;
    K bound = (K) ~(K)0;
    const size_t strips = (4 * k + L - 1) / L, length = n / (strips * L);
    if (length >= 2) {
      for (size_t s = 0; s < strips; s++) {
        const K* x = a + s * length * L;
        K m[L];
        for (size_t l = 0; l < L; l++) m[l] = x[l];
        for (size_t i = 1; i < length; i++)
          for (size_t l = 0; l < L; l++) m[l] = x[i * L + l] < m[l] ? x[i * L + l] : m[l];
        for (size_t l = 0; l < L; l++) group[s * L + l] = m[l];
      }
      size_t rank;
      bound = select(group, strips * L, k - 1, group, &rank);
    }
    size_t m = 0, i = 0;
#if defined(__AVX512F__)
    if constexpr (sizeof(K) == 4) {
      const __m512i limit = _mm512_set1_epi32((int)bound);
      for (; i + 16 <= n; i += 16)
        for (u32 hit = _mm512_cmple_epu32_mask(_mm512_loadu_si512(a + i), limit); hit; hit &= hit - 1) {
          const size_t at = i + __builtin_ctz(hit);
          out[m++] = (P)a[at] << PS | (K)(first + at);
        }
    }
#endif
    for (; i < n; i++) {
      out[m] = (P)a[i] << PS | (K)(first + i);
      m += a[i] <= bound;
    }
    return m;
  }

  // ---- runs of equal keys in sorted elements; `apart`: a key that never equals another (NaN), if has_apart ----
  static GEMS_FN bool head(const E* s, size_t i, int has_apart, K apart) {
    return i == 0 || key(s[i]) != key(s[i - 1]) || (has_apart && key(s[i]) == apart);
  }
  static size_t heads(const void* s_, size_t begin, size_t end, int has_apart, u64 apart) {
    const E* s = (const E*)s_;
    size_t c = 0;
    for (size_t i = begin; i < end; i++) c += head(s, i, has_apart, (K)apart);
    return c;
  }
  // The run's number from `rank` on: its key, where it begins, and for packed elements the number at the element's index.
  static void runs(const void* s_, size_t begin, size_t end, int has_apart, u64 apart, size_t rank, void* keys_, int64_t* starts,
                   int64_t* inverse) {
    const E* s = (const E*)s_;
    K* keys = (K*)keys_;
    for (size_t i = begin; i < end; i++) {
      if (head(s, i, has_apart, (K)apart)) {
        keys[rank] = key(s[i]);
        if (starts) starts[rank] = (int64_t)i;
        rank++;
      }
      if (inverse) inverse[S > 0 ? (size_t)(K)s[i] : i] = (int64_t)rank - 1;
    }
  }

  // ---- tables by key - lo, for keys that lie near each other; bare keys only ----
  static void range(const void* keys, size_t n, u64* lo, u64* hi) {
    const K* a = (const K*)keys;
    K least = (K)*lo, most = (K)*hi;
    for (size_t i = 0; i < n; i++) {
      least = a[i] < least ? a[i] : least;
      most = a[i] > most ? a[i] : most;
    }
    *lo = least;
    *hi = most;
  }
  static void tally(const void* keys, size_t n, u64 lo, int64_t* counts) {
    const K* a = (const K*)keys;
    for (size_t i = 0; i < n; i++) counts[(K)(a[i] - (K)lo)]++;
  }
  static void map(const void* keys, size_t n, u64 lo, const int64_t* table, int64_t* out) {
    const K* a = (const K*)keys;
    for (size_t i = 0; i < n; i++) out[i] = table[(K)(a[i] - (K)lo)];
  }
  static void member(const void* keys, size_t n, u64 lo, u64 size, const u8* table, int invert, u8* out) {
    const K* a = (const K*)keys;
    for (size_t i = 0; i < n; i++) {
      const K at = (K)(a[i] - (K)lo);
      const bool inside = at < (K)size;
      out[i] = (u8)((table[inside ? at : 0] & inside) ^ invert);
    }
  }
  // A set by hashing, open addressing; `none` is a key that isn't in it and marks free slots. mask + 1 slots, at least 2 of 3 free.
  static GEMS_FN size_t slot(K k, size_t mask) { return (size_t)(((u64)k * 0x9e3779b97f4a7c15ull) >> 20) & mask; }
  static void insert(const void* keys, size_t n, void* slots_, size_t mask, u64 none) {
    const K* a = (const K*)keys;
    K* slots = (K*)slots_;
    for (size_t i = 0; i < n; i++) {
      size_t at = slot(a[i], mask);
      while (slots[at] != (K)none && slots[at] != a[i]) at = (at + 1) & mask;
      slots[at] = a[i];
    }
  }
  static void contains(const void* keys, size_t n, const void* slots_, size_t mask, u64 none, int invert, u8* out) {
    const K *a = (const K*)keys, *slots = (const K*)slots_;
    for (size_t i = 0; i < n; i++) {
      size_t at = slot(a[i], mask);
      while (slots[at] != (K)none && slots[at] != a[i]) at = (at + 1) & mask;
      out[i] = (u8)((slots[at] == a[i] && a[i] != (K)none) ^ invert);
    }
  }
};
