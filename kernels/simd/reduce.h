// Reductions for CPUs: leaves over dense blocks in the compute type. The driver (backends/cpu/reduce.cpp) loads, combines and stores.
// Included by generated units inside an unnamed namespace.
#pragma once
#include "kernels/simd/lanes.h"

template <class F>
concept has_index = requires {
  requires F::with_index;
};
// The result depends only on which elements aren't zero (any, all): the functor says `truth = true` and also runs on bytes 0 and 1.
template <class F>
concept is_truth = requires {
  requires F::truth;
};

// What map() sees of element i: e(k) = input k there.
template <class A> struct ReduceElement {
  const A* const* in;
  size_t i;
  GEMS_FN A operator()(int k) const { return in[k][i]; }
};

// f(number<0>) ... f(number<O - 1>): the output is a constant in the body, so that v[o] below is a register.
template <int o> struct number { static constexpr int value = o; };
template <int O, int o = 0, class G> GEMS_FN void each_output(G f) {
  if constexpr (o < O) {
    f(number<o>{});
    each_output<O, o + 1>(f);
  }
}

// Contribution of element i to output o. With one input and one output map takes the value itself, which may lie there in another type S.
template <class F, class A, int I, int O, int o, class S> GEMS_FN A contribution(const S* const* in, size_t i) {
  if constexpr (I == 1 && O == 1) {
    return F::template map<A>(gems::to<A>(in[0][i]));
  } else {
    A v[O];
    F::template map<A>(ReduceElement<A>{in, i}, v);
    return v[o];
  }
}

// Two bfloat16 at a time: the halves of a word shifted and masked into floats fill whole registers, where widening shuffles half ones.
typedef gems::u32 __attribute__((may_alias, aligned(2))) bf16_pair;
template <class F> GEMS_FN float fold_bf16(const gems::bf16* x, size_t n) {
  const bf16_pair* pairs = (const bf16_pair*)x;
  auto combine = [](float a, float b) GEMS_LAMBDA_INLINE { return F::template combine<float>(a, b); };
  const float r = fold(
      n / 2, F::template identity<float>(),
      [&](size_t i) GEMS_LAMBDA_INLINE {
        const gems::u32 w = pairs[i];
        return combine(F::template map<float>(__builtin_bit_cast(float, w << 16)),
                       F::template map<float>(__builtin_bit_cast(float, w & 0xffff0000u)));
      },
      combine);
  return n & 1 ? combine(r, F::template map<float>(gems::bf16_to_float(x[n - 1]))) : r;
}

// Sums of many terms are formed as a tree above blocks of 64 vectors (or pairs of bfloat16) a lane, so that the error grows with log n.
template <class F, class A, int I, int O, int o, class S> GEMS_FN A reduce_row(const S* const* in, size_t n) {
  constexpr size_t block = 256 * kLanes<A> * sizeof(A) / sizeof(S);
  const A identity = F::template identity<A>();
  auto part = [&](size_t at, size_t len) GEMS_LAMBDA_INLINE {
    if constexpr (gems::is_same<S, gems::bf16>) return fold_bf16<F>(in[0] + at, len);
    else
      return fold(
          len, identity, [&](size_t i) GEMS_LAMBDA_INLINE { return contribution<F, A, I, O, o>(in, at + i); },
          [](A a, A b) GEMS_LAMBDA_INLINE { return F::template combine<A>(a, b); });
  };
  A stack[48];
  int depth = 0;
  size_t at = 0, count = 0;
  do {  // a binary counter of partial results
    const size_t len = n - at < block ? n - at : block;
    stack[depth++] = part(at, len);
    at += len;
    for (size_t c = ++count; !(c & 1) && depth > 1; c >>= 1, depth--)
      stack[depth - 2] = F::template combine<A>(stack[depth - 2], stack[depth - 1]);
  } while (at < n);
  for (; depth > 1; depth--) stack[depth - 2] = F::template combine<A>(stack[depth - 2], stack[depth - 1]);
  return stack[0];
}

template <class F, class A, class S, int I, int O>
__attribute__((flatten)) static void reduce_inner(const void* const* in, const ptrdiff_t* step, size_t rows, size_t n, int64_t,
                                                  void* const* acc, const gems_scalar*) {
  for (size_t r = 0; r < rows; r++) {
    const S* p[I];
    for (int k = 0; k < I; k++) p[k] = (const S*)in[k] + (ptrdiff_t)r * step[k];
    each_output<O>([&](auto o) GEMS_LAMBDA_INLINE { ((A*)acc[o.value])[r] = reduce_row<F, A, I, O, o.value>(p, n); });
  }
}

template <class F, class A, int I, int O>
__attribute__((flatten)) static void reduce_outer(const void* const* in, const ptrdiff_t* step, size_t rows, size_t n, int64_t,
                                                  void* const* acc, const gems_scalar*) {
  each_output<O>([&](auto output) GEMS_LAMBDA_INLINE {
    constexpr int o = output.value;
    A* a = (A*)acc[o];
    for (size_t j = 0; j < n; j++) a[j] = F::template identity<A>();
    size_t r = 0;
    auto row = [&](size_t i, const A*(&p)[I]) GEMS_LAMBDA_INLINE {
      for (int k = 0; k < I; k++) p[k] = (const A*)in[k] + (ptrdiff_t)i * step[k];
    };
    auto add = [](A x, A y) GEMS_LAMBDA_INLINE { return F::template combine<A>(x, y); };
    for (; r + 4 <= rows; r += 4) {  // four rows a pass: a quarter of the traffic to the accumulators
      const A *p[I], *q[I], *s[I], *t[I];
      row(r, p), row(r + 1, q), row(r + 2, s), row(r + 3, t);
      constexpr int L = kLanes<A>;
      size_t j = 0;
      for (; j + L <= n; j += L) {  // a register at a time: nested selects (amax) in one expression wouldn't vectorise
        A v[L], w[L];
        for (int l = 0; l < L; l++) v[l] = add(contribution<F, A, I, O, o>(p, j + l), contribution<F, A, I, O, o>(q, j + l));
        for (int l = 0; l < L; l++) w[l] = add(contribution<F, A, I, O, o>(s, j + l), contribution<F, A, I, O, o>(t, j + l));
        for (int l = 0; l < L; l++) v[l] = add(v[l], w[l]);
        for (int l = 0; l < L; l++) a[j + l] = add(a[j + l], v[l]);
      }
      for (; j < n; j++) {
        const A v = add(contribution<F, A, I, O, o>(p, j), contribution<F, A, I, O, o>(q, j));
        const A w = add(contribution<F, A, I, O, o>(s, j), contribution<F, A, I, O, o>(t, j));
        a[j] = add(a[j], add(v, w));
      }
    }
    for (; r < rows; r++) {
      const A* p[I];
      row(r, p);
#pragma GCC ivdep
      for (size_t j = 0; j < n; j++) a[j] = add(a[j], contribution<F, A, I, O, o>(p, j));
    }
  });
}

template <class F, class A, int O>
__attribute__((flatten)) static void reduce_combine(void* const* acc, const void* const* x, size_t n) {
  for (int o = 0; o < O; o++) {
    A* a = (A*)acc[o];
    const A* b = (const A*)x[o];
#pragma GCC ivdep
    for (size_t j = 0; j < n; j++) a[j] = F::template combine<A>(a[j], b[j]);
  }
}
template <class F, class A, int O>
__attribute__((flatten)) static void reduce_finish(void* const* acc, size_t n, double count, const gems_scalar*) {
  for (int o = 0; o < O; o++) {
    A* a = (A*)acc[o];
#pragma GCC ivdep
    for (size_t j = 0; j < n; j++) a[j] = F::template finish<A>(a[j], (A)count);
  }
}

// ---- with an index: the best value by vectors, block by block; only a block that improves on it is searched for the position ----
template <class F, class A> __attribute__((flatten)) static void index_inner(const void* const* in, const ptrdiff_t* step,
                                                                             size_t rows, size_t n, int64_t base,
                                                                             void* const* acc, const gems_scalar*) {
  constexpr size_t block = 1024;
  for (size_t r = 0; r < rows; r++) {
    const A* x = (const A*)in[0] + (ptrdiff_t)r * step[0];
    A best = x[0];
    size_t where = 0;
    for (size_t at = 0; at < n; at += block) {
      const A* y = x + at;
      const size_t len = n - at < block ? n - at : block;
      const A m = fold(
          len, y[0], [&](size_t i) GEMS_LAMBDA_INLINE { return y[i]; },
          [](A a, A b) GEMS_LAMBDA_INLINE { return F::template better<A>(b, a) ? b : a; });
      if (at && !F::template better<A>(m, best)) continue;
      size_t i = 0;
      for (; i + 64 <= len; i += 64) {  // nothing is better than m, so m isn't better than its equals only
        int hit = 0;
        for (int l = 0; l < 64; l++) hit |= !F::template better<A>(m, y[i + l]);
        if (hit) break;
      }
      while (F::template better<A>(m, y[i])) i++;
      best = y[i];
      where = at + i;
    }
    ((A*)acc[0])[r] = best;
    ((gems::i64*)acc[1])[r] = base + (int64_t)where;
  }
}

template <class A> struct row_number { typedef gems::i64 type; };  // as wide as the value, so that both fill the same lanes
template <> struct row_number<float> { typedef gems::i32 type; };

template <class F, class A> __attribute__((flatten)) static void index_outer(const void* const* in, const ptrdiff_t* step,
                                                                             size_t rows, size_t n, int64_t base,
                                                                             void* const* acc, const gems_scalar*) {
  typedef typename row_number<A>::type N;
  N where[GEMS_REDUCE_TILE];
  A* best = (A*)acc[0];
  const A* x = (const A*)in[0];
  for (size_t j = 0; j < n; j++) best[j] = x[j];
  for (size_t j = 0; j < n; j++) where[j] = 0;
  for (size_t r = 1; r < rows; r++) {
    x += step[0];
#pragma GCC ivdep
    for (size_t j = 0; j < n; j++) {
      const A v = x[j], b = best[j];
      const bool better = F::template better<A>(v, b);
      best[j] = better ? v : b;
      where[j] = better ? (N)r : where[j];
    }
  }
  gems::i64* out = (gems::i64*)acc[1];
  for (size_t j = 0; j < n; j++) out[j] = base + where[j];
}

template <class F, class A> __attribute__((flatten)) static void index_combine(void* const* acc, const void* const* x, size_t n) {
  A* a = (A*)acc[0];
  gems::i64* at = (gems::i64*)acc[1];
  const A* b = (const A*)x[0];
  const gems::i64* other = (const gems::i64*)x[1];
  for (size_t j = 0; j < n; j++) {
    const bool better = F::template better<A>(b[j], a[j]);
    a[j] = better ? b[j] : a[j];
    at[j] = better ? other[j] : at[j];
  }
}

#include "kernels/simd/passes.h"

template <class F, class A> constexpr void add_reduce(gems_any_fn (&fn)[GEMS_CELL_KINDS]) {
  if constexpr (in_passes<F>) {
    add_passes<F, A>(fn);
  } else if constexpr (has_index<F>) {
    fn[GEMS_REDUCE_INNER] = (gems_any_fn)index_inner<F, A>;
    fn[GEMS_REDUCE_OUTER] = (gems_any_fn)index_outer<F, A>;
    fn[GEMS_REDUCE_COMBINE] = (gems_any_fn)index_combine<F, A>;
  } else {
    constexpr int I = F::decl.in, O = F::decl.out;
    fn[GEMS_REDUCE_INNER] = (gems_any_fn)reduce_inner<F, A, A, I, O>;
    // bfloat16 as it lies there: through a converted block row sums of 64 x 4096 take 7.4 us, so 5.2 (two cores of a
    // Zen 5, minima).
    if constexpr (gems::is_same<A, float> && I == 1 && O == 1 && !is_truth<F>)
      fn[GEMS_REDUCE_INNER_BF16] = (gems_any_fn)reduce_inner<F, float, gems::bf16, I, O>;
    fn[GEMS_REDUCE_OUTER] = (gems_any_fn)reduce_outer<F, A, I, O>;
    fn[GEMS_REDUCE_COMBINE] = (gems_any_fn)reduce_combine<F, A, O>;
    fn[GEMS_REDUCE_FINISH] = (gems_any_fn)reduce_finish<F, A, O>;
  }
}

template <class F> constexpr gems_cpu_cells reduce_cells() {
  gems_cpu_cells c{};
  constexpr const char* t = F::decl.types;
  if constexpr (declares(t, 'f')) add_reduce<F, float>(c.fn[GEMS_CELL_F32]);
  if constexpr (declares(t, 'd')) add_reduce<F, double>(c.fn[GEMS_CELL_F64]);
  if constexpr (declares(t, 'l')) add_reduce<F, gems::i64>(c.fn[GEMS_CELL_I64]);
  if constexpr (declares(t, 'i')) add_reduce<F, gems::i32>(c.fn[GEMS_CELL_I32]);
  if constexpr (is_truth<F>) add_reduce<F, unsigned char>(c.fn[GEMS_CELL_BOOL]);
  return c;
}
