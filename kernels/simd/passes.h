// Reductions in passes for CPUs (var_mean, logsumexp): a block of elements that the cache holds is passed over once for each slot,
// which knows the slots before it; the slots of blocks are merged. Included by kernels/simd/reduce.h inside an unnamed namespace.
//
// The functor, with `decl.slots` accumulators and `passes` <= slots:
//   none<P, A>()            what pass P starts from; with zeros behind them the slots of no elements
//   term<P>(x, s, par), join<P>(a, b), after<P>(s, n)     one pass over n elements; s: the slots, of which [0, P) are known
//   close(s, n), merge(a, b), finish<O>(s, count, par)    in the accumulators' type: double for float, so that what a pass of a few
//                           thousand elements leaves isn't rounded again when blocks are merged
#pragma once

template <class F>
concept in_passes = requires {
  F::passes;
};
template <class A> struct state_of { typedef A type; };
template <> struct state_of<float> { typedef double type; };

template <class A> GEMS_FN A reduce_par(const gems_scalar* par) {
  if constexpr (gems::is_float<A>) return (A)par[0].d;
  else return (A)par[0].i;
}
template <class F, class A> GEMS_FN A parameter_of(const gems_scalar* par) {
  if constexpr (F::decl.par > 0) return reduce_par<A>(par);
  else return A(0);
}

// The slots of column j between their arrays and registers.
template <class F, class W> GEMS_FN void take_slots(void* const* acc, size_t j, W (&s)[F::decl.slots]) {
  each_output<F::decl.slots>([&](auto k) GEMS_LAMBDA_INLINE { s[k.value] = ((const W*)acc[k.value])[j]; });
}
template <class F, class W> GEMS_FN void put_slots(void* const* acc, size_t j, const W (&s)[F::decl.slots]) {
  each_output<F::decl.slots>([&](auto k) GEMS_LAMBDA_INLINE { ((W*)acc[k.value])[j] = s[k.value]; });
}
template <class F, class A, class W> GEMS_FN void empty_slots(W (&s)[F::decl.slots]) {
  each_output<F::decl.slots>([&](auto k) GEMS_LAMBDA_INLINE {
    if constexpr (k.value < F::passes) s[k.value] = (W)F::template none<k.value, A>();
    else s[k.value] = W(0);
  });
}

// f(x[0]) ... f(x[n - 1]) combined. bfloat16 as it lies there, two at a time (fold_bf16).
template <class A, class S, class T, class C> GEMS_FN A fold_terms(const S* x, size_t n, A none, T term, C combine) {
  if constexpr (gems::is_same<S, gems::bf16>) {
    const bf16_pair* pairs = (const bf16_pair*)x;
    const A r = fold(
        n / 2, none,
        [&](size_t i) GEMS_LAMBDA_INLINE {
          const gems::u32 w = pairs[i];
          return combine(term(__builtin_bit_cast(float, w << 16)), term(__builtin_bit_cast(float, w & 0xffff0000u)));
        },
        combine);
    return n & 1 ? combine(r, term(gems::bf16_to_float(x[n - 1]))) : r;
  } else {
    return fold(
        n, none, [&](size_t i) GEMS_LAMBDA_INLINE { return term(x[i]); }, combine);
  }
}

// Two passes of which neither needs the other (`together`), in one: from L1 the second one alone took as long as the memory needs for
// the first (both extremes of 16M floats 1.39 ms, natively 1.10).
template <class F>
concept passes_together = requires {
  requires F::together;
};
template <class F, class A, class S> GEMS_FN void fold_together(const S* x, size_t n, A (&t)[2], A par) {
  constexpr int L = kLanes<A>, halves = gems::is_same<S, gems::bf16> ? 2 : 1;
  const A none[2] = {F::template none<0, A>(), F::template none<1, A>()};
  A a[L], b[L], c[L], d[L];
  for (int l = 0; l < L; l++) a[l] = c[l] = none[0];
  for (int l = 0; l < L; l++) b[l] = d[l] = none[1];
  auto low = [](A p, A q) GEMS_LAMBDA_INLINE { return F::template join<0>(p, q); };
  auto high = [](A p, A q) GEMS_LAMBDA_INLINE { return F::template join<1>(p, q); };
  size_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    A v[L], w[L];
    if constexpr (halves == 2) {
      const bf16_pair* pairs = (const bf16_pair*)(x + i);
      for (int l = 0; l < L; l++) v[l] = __builtin_bit_cast(float, pairs[l] << 16);
      for (int l = 0; l < L; l++) w[l] = __builtin_bit_cast(float, pairs[l] & 0xffff0000u);
    } else {
      for (int l = 0; l < L; l++) v[l] = x[i + l];
      for (int l = 0; l < L; l++) w[l] = x[i + L + l];
    }
    for (int l = 0; l < L; l++) a[l] = low(a[l], F::template term<0>(v[l], t, par));
    for (int l = 0; l < L; l++) b[l] = high(b[l], F::template term<1>(v[l], t, par));
    for (int l = 0; l < L; l++) c[l] = low(c[l], F::template term<0>(w[l], t, par));
    for (int l = 0; l < L; l++) d[l] = high(d[l], F::template term<1>(w[l], t, par));
  }
  for (int l = 0; l < L; l++) a[l] = low(a[l], c[l]);
  for (int l = 0; l < L; l++) b[l] = high(b[l], d[l]);
  halve<L / 2>(a, low);
  halve<L / 2>(b, high);
  A r = a[0], s = b[0];
  for (; i < n; i++) {
    const A v = gems::to<A>(x[i]);
    r = low(r, F::template term<0>(v, t, par));
    s = high(s, F::template term<1>(v, t, par));
  }
  t[0] = r;
  t[1] = s;
}

template <class F, class A, class M>
__attribute__((flatten)) static void passes_inner(const void* const* in, const ptrdiff_t* step, size_t rows, size_t n, int64_t,
                                                  void* const* acc, const gems_scalar* par) {
  typedef typename state_of<A>::type W;
  constexpr int S = F::decl.slots;
  constexpr size_t block = 16384 / sizeof(M);
  const A p = parameter_of<F, A>(par);
  for (size_t r = 0; r < rows; r++) {
    const M* x = (const M*)in[0] + (ptrdiff_t)r * step[0];
    W all[S];
    empty_slots<F, A>(all);
    for (size_t at = 0; at < n; at += block) {
      const size_t len = n - at < block ? n - at : block;
      const M* y = x + at;
      A t[S] = {};
      if constexpr (passes_together<F>) fold_together<F>(y, len, t, p);
      else
        each_output<F::passes>([&](auto pass) GEMS_LAMBDA_INLINE {
          constexpr int P = pass.value;
          t[P] = fold_terms(
              y, len, F::template none<P, A>(), [&](A v) GEMS_LAMBDA_INLINE { return F::template term<P>(v, t, p); },
              [](A a, A b) GEMS_LAMBDA_INLINE { return F::template join<P>(a, b); });
          F::template after<P>(t, (A)len);
        });
      W s[S];
      each_output<S>([&](auto k) GEMS_LAMBDA_INLINE { s[k.value] = (W)t[k.value]; });
      F::close(s, (W)len);
      F::merge(all, s);
    }
    put_slots<F>(acc, r, all);
  }
}

template <class F, class A> __attribute__((flatten)) static void passes_outer(const void* const* in, const ptrdiff_t* step,
                                                                              size_t rows, size_t n, int64_t, void* const* acc,
                                                                              const gems_scalar* par) {
  typedef typename state_of<A>::type W;
  constexpr int S = F::decl.slots, L = kLanes<A>;
  alignas(64) A t[S][GEMS_REDUCE_TILE];
  const A p = parameter_of<F, A>(par);
  const A* x = (const A*)in[0];
  each_output<F::passes>([&](auto pass) GEMS_LAMBDA_INLINE {
    constexpr int P = pass.value;
    auto term = [&](const A* row, size_t j) GEMS_LAMBDA_INLINE {
      A s[S];
      for (int k = 0; k < P; k++) s[k] = t[k][j];
      return F::template term<P>(row[j], s, p);
    };
    auto join = [](A a, A b) GEMS_LAMBDA_INLINE { return F::template join<P>(a, b); };
    for (size_t j = 0; j < n; j++) t[P][j] = F::template none<P, A>();
    size_t r = 0;
    for (; r + 4 <= rows; r += 4) {  // as in reduce_outer
      const A *a = x + (ptrdiff_t)r * step[0], *b = a + step[0], *c = b + step[0], *d = c + step[0];
      size_t j = 0;
      for (; j + L <= n; j += L) {
        A v[L], w[L];
        for (int l = 0; l < L; l++) v[l] = join(term(a, j + l), term(b, j + l));
        for (int l = 0; l < L; l++) w[l] = join(term(c, j + l), term(d, j + l));
        for (int l = 0; l < L; l++) v[l] = join(v[l], w[l]);
        for (int l = 0; l < L; l++) t[P][j + l] = join(t[P][j + l], v[l]);
      }
      for (; j < n; j++) t[P][j] = join(t[P][j], join(join(term(a, j), term(b, j)), join(term(c, j), term(d, j))));
    }
    for (; r < rows; r++) {
      const A* a = x + (ptrdiff_t)r * step[0];
#pragma GCC ivdep
      for (size_t j = 0; j < n; j++) t[P][j] = join(t[P][j], term(a, j));
    }
#pragma GCC ivdep
    for (size_t j = 0; j < n; j++) {
      A s[S];
      for (int k = 0; k < S; k++) s[k] = k <= P ? t[k][j] : A(0);
      F::template after<P>(s, (A)rows);
      for (int k = 0; k <= P; k++) t[k][j] = s[k];
    }
  });
#pragma GCC ivdep
  for (size_t j = 0; j < n; j++) {
    W s[S];
    each_output<S>([&](auto k) GEMS_LAMBDA_INLINE { s[k.value] = k.value < F::passes ? (W)t[k.value][j] : W(0); });
    F::close(s, (W)rows);
    put_slots<F>(acc, j, s);
  }
}

template <class F, class A>
__attribute__((flatten)) static void passes_combine(void* const* acc, const void* const* x, size_t n) {
  typedef typename state_of<A>::type W;
#pragma GCC ivdep
  for (size_t j = 0; j < n; j++) {
    W a[F::decl.slots], b[F::decl.slots];
    take_slots<F>(acc, j, a);
    take_slots<F>((void* const*)x, j, b);
    F::merge(a, b);
    put_slots<F>(acc, j, a);
  }
}

template <class F, class A>
__attribute__((flatten)) static void passes_finish(void* const* acc, size_t n, double count, const gems_scalar* par) {
  typedef typename state_of<A>::type W;
  const W p = parameter_of<F, W>(par);
#pragma GCC ivdep
  for (size_t j = 0; j < n; j++) {
    W s[F::decl.slots], r[F::decl.out];
    take_slots<F>(acc, j, s);
    each_output<F::decl.out>([&](auto o) GEMS_LAMBDA_INLINE { r[o.value] = F::template finish<o.value>(s, (W)count, p); });
    each_output<F::decl.out>([&](auto o) GEMS_LAMBDA_INLINE { ((W*)acc[o.value])[j] = r[o.value]; });
  }
}

template <class F, class A> constexpr void add_passes(gems_any_fn (&fn)[GEMS_CELL_KINDS]) {
  static_assert(F::decl.out <= F::decl.slots && F::passes <= F::decl.slots);
  fn[GEMS_REDUCE_INNER] = (gems_any_fn)passes_inner<F, A, A>;
  if constexpr (gems::is_same<A, float>) fn[GEMS_REDUCE_INNER_BF16] = (gems_any_fn)passes_inner<F, A, gems::bf16>;
  fn[GEMS_REDUCE_OUTER] = (gems_any_fn)passes_outer<F, A>;
  fn[GEMS_REDUCE_COMBINE] = (gems_any_fn)passes_combine<F, A>;
  fn[GEMS_REDUCE_FINISH] = (gems_any_fn)passes_finish<F, A>;
}
