// Folding many values into one in vector registers, without -ffast-math: one local array a vector register, which g++ keeps in it.
// Included by units inside an unnamed namespace.
#pragma once

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
template <class A> constexpr int kLanes = kVectorBytes / (int)sizeof(A);

#if defined(__GNUC__) && !defined(__clang__)
template <class T> struct vector_register { typedef T type __attribute__((vector_size(kVectorBytes))); };
template <class T> using register_of = typename vector_register<T>::type;
// Past the cache where the target has such a store: the line isn't read first. `to` is aligned to a register.
template <class R> GEMS_FN void store_past(void* to, R v) {
#if defined(__AVX512F__)
  _mm512_stream_si512((__m512i*)to, (__m512i)v);
#elif defined(__AVX__)
  _mm256_stream_si256((__m256i*)to, (__m256i)v);
#elif defined(__SSE2__)
  _mm_stream_si128((__m128i*)to, (__m128i)v);
#else
  __builtin_memcpy(to, &v, sizeof v);
#endif
}
template <int Size> struct integer_of;
template <> struct integer_of<1> { typedef signed char type; };
template <> struct integer_of<2> { typedef short type; };
template <> struct integer_of<4> { typedef int type; };
template <> struct integer_of<8> { typedef gems::i64 type; };

// All lanes into each: rotations of whole registers. Halves and quarters of one would end in branches for a maximum.
template <int H, class A, class C> GEMS_FN void halve(A* a, C combine) {
  if constexpr (H > 0) {
    constexpr int L = kLanes<A>;
    register_of<A> v;
    register_of<typename integer_of<sizeof(A)>::type> m;
    for (int l = 0; l < L; l++) m[l] = (l + H) % L;
    __builtin_memcpy(&v, a, sizeof v);
    v = __builtin_shuffle(v, m);
    A b[L];
    __builtin_memcpy(b, &v, sizeof v);
    for (int l = 0; l < L; l++) a[l] = combine(a[l], b[l]);
    halve<H / 2>(a, combine);
  }
}
#else
template <int H, class A, class C> GEMS_FN void halve(A* a, C combine) {
  if constexpr (H > 0) {
    for (int l = 0; l < H; l++) a[l] = combine(a[l], a[l + H]);
    halve<H / 2>(a, combine);
  }
}
#endif

// combine(...combine(identity, value(0))..., value(n - 1)) in an order of its own; `value` must be free of side effects.
// Four accumulators hide the latency of an addition: 232 GB/s from L1 for a float sum against 65 with one array of four vectors (Zen 5).
template <class A, class V, class C> GEMS_FN A fold(size_t n, A identity, V value, C combine) {
  constexpr int L = kLanes<A>;
  if (n < (size_t)L) {
    A r = identity;
    for (size_t i = 0; i < n; i++) r = combine(r, value(i));
    return r;
  }
  A a[L], b[L], c[L], d[L];
  for (int l = 0; l < L; l++) a[l] = b[l] = c[l] = d[l] = identity;
  size_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    for (int l = 0; l < L; l++) a[l] = combine(a[l], value(i + l));
    for (int l = 0; l < L; l++) b[l] = combine(b[l], value(i + L + l));
    for (int l = 0; l < L; l++) c[l] = combine(c[l], value(i + 2 * L + l));
    for (int l = 0; l < L; l++) d[l] = combine(d[l], value(i + 3 * L + l));
  }
  for (; i + L <= n; i += L)
    for (int l = 0; l < L; l++) a[l] = combine(a[l], value(i + l));
  if (i < n) {  // the last whole vector once more, its lanes that were counted left out
    const size_t last = n - L;
    const int skip = (int)(i - last);
    for (int l = 0; l < L; l++) {
      A t = combine(a[l], value(last + l));
      a[l] = l >= skip ? t : a[l];
    }
  }
  for (int l = 0; l < L; l++) a[l] = combine(a[l], b[l]);  // loops of their own: nested selects (amax) wouldn't vectorise
  for (int l = 0; l < L; l++) c[l] = combine(c[l], d[l]);
  for (int l = 0; l < L; l++) a[l] = combine(a[l], c[l]);
  halve<L / 2>(a, combine);
  return a[0];
}

// put(i, value(i)) for all i, where value(i) may read what put(i) overwrites, but nothing at other positions.
// The tail is computed as a whole vector first and stored last: no scalar remainder (15 exponentials of it would cost more than the row).
template <class T, class V> GEMS_FN void map_block(T* out, size_t n, V value) {
  constexpr int L = kLanes<T>;
  if (n < (size_t)L) {
    T t[L];
    for (size_t i = 0; i < n; i++) t[i] = value(i);
    for (size_t i = 0; i < n; i++) out[i] = t[i];
    return;
  }
  T tail[L] = {};
  const size_t whole = n / L * L;
  if (whole < n)
    for (int l = 0; l < L; l++) tail[l] = value(n - L + l);
#pragma GCC ivdep
  for (size_t i = 0; i < whole; i++) out[i] = value(i);
  if (whole < n)
    for (int l = 0; l < L; l++) out[n - L + l] = tail[l];
}
