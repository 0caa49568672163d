// Pointwise skeleton for CPUs: a dense block in the compute type. The driver converts blocks of other dtypes and walks strides.
// Included by generated units inside an unnamed namespace.
//
// A functor may state two things beside operator() that only a CPU's vectoriser needs:
//   static constexpr double known[] = {...};   values of the first parameter that get a loop of their own, with the parameter a
//       constant, so that a branch on it is gone before the vectoriser looks; `general(x..., par...)` serves all other values.
//       Operators with `choices` have one loop for each choice without saying anything.
//   bool rare(x..., par...), V slow(x..., par...);   arguments that the branch-free form doesn't cover (sin of 1e20). A piece of a
//       block with such an element goes through `slow`, one element after the other.
#pragma once

template <class T> GEMS_FN T par_as(gems_scalar s) {
  if constexpr (gems::is_float<T>) return (T)s.d;
  else return (T)s.i;
}

// The elements of the operands at index k, handed to f.
template <class T, int I, class G> GEMS_FN auto pointwise_at(const void* const* in, size_t k, G f) {
  static_assert(I >= 1 && I <= 4);
  if constexpr (I == 1) return f(((const T*)in[0])[k]);
  else if constexpr (I == 2) return f(((const T*)in[0])[k], ((const T*)in[1])[k]);
  else if constexpr (I == 3) return f(((const T*)in[0])[k], ((const T*)in[1])[k], ((const T*)in[2])[k]);
  else return f(((const T*)in[0])[k], ((const T*)in[1])[k], ((const T*)in[2])[k], ((const T*)in[3])[k]);
}

template <class T, int I, class G> GEMS_FN void pointwise_loop(const void* const* in, void* out, size_t begin, size_t end, G f) {
  const void* from[I];
  for (int i = 0; i < I; i++) from[i] = in[i];
  auto o = (decltype(pointwise_at<T, I>(from, 0, f))*)out;
  // Every output element depends on inputs at the same index only, so exact overlap (in-place) is fine for the vectoriser.
#pragma GCC ivdep
  for (size_t k = begin; k < end; k++) o[k] = pointwise_at<T, I>(from, k, f);
}

// The functor with its parameters bound.
template <int P, class T, class G> GEMS_FN auto with_pars(const gems_scalar* par, G f) {
  static_assert(P >= 0 && P <= 3);
  const T p = P > 0 ? par_as<T>(par[0]) : T(), q = P > 1 ? par_as<T>(par[1]) : T(), r = P > 2 ? par_as<T>(par[2]) : T();
  return [=](auto... x) GEMS_LAMBDA_INLINE {
    if constexpr (P == 0) return f(x...);
    else if constexpr (P == 1) return f(x..., p);
    else if constexpr (P == 2) return f(x..., p, q);
    else return f(x..., p, q, r);
  };
}

constexpr int word_count(const char* list) {
  int n = *list ? 1 : 0;
  for (; *list; list++) n += *list == ' ';
  return n;
}
template <class F>
concept has_known = requires {
  F::known[0];
};
template <class F> constexpr int known_count() {
  if constexpr (has_known<F>) return sizeof F::known / sizeof F::known[0];
  else return F::decl.choices[0] ? word_count(F::decl.choices) - 1 : 0;  // the last choice is what remains
}
template <class F, int C> constexpr double known_value() {
  if constexpr (has_known<F>) return F::known[C];
  else return C;
}

// Loops of their own for known values of the first parameter, from C on.
template <class F, class T, int I, int P, int C = 0>
GEMS_FN void pointwise_known(const void* const* in, void* out, size_t begin, size_t end, const gems_scalar* par) {
  if constexpr (C < known_count<F>()) {
    static_assert(P == 1 && gems::is_float<T>);
    constexpr T value = (T)known_value<F, C>();
    if (par_as<T>(par[0]) == value)
      pointwise_loop<T, I>(in, out, begin, end, [](auto... x) GEMS_LAMBDA_INLINE { return F()(x..., value); });
    else pointwise_known<F, T, I, P, C + 1>(in, out, begin, end, par);
  } else if constexpr (has_known<F>) {
    pointwise_loop<T, I>(in, out, begin, end,
                         with_pars<P, T>(par, [](auto... x) GEMS_LAMBDA_INLINE { return F().general(x...); }));
  } else if constexpr (C > 0) {
    pointwise_loop<T, I>(in, out, begin, end, [](auto... x) GEMS_LAMBDA_INLINE { return F()(x..., (T)C); });
  } else {
    pointwise_loop<T, I>(in, out, begin, end, with_pars<P, T>(par, F()));
  }
}

template <class F, class... V>
concept has_rare = requires(F f, V... x) {
  f.rare(x...);
};
template <class F, class T, int N, class... V> constexpr bool covers_all() {
  if constexpr (N == 0) return !has_rare<F, V...>;
  else return covers_all<F, T, N - 1, V..., T>();
}

template <class F, class T, int I, int P>
__attribute__((flatten)) static void pointwise_block(const void* const* in, void* out, size_t n, const gems_scalar* par) {
  if constexpr (covers_all<F, T, I + P>()) {
    pointwise_known<F, T, I, P>(in, out, 0, n, par);
  } else {
    // Pieces are looked through before they are computed: `out` may be one of the inputs.
    constexpr size_t piece = 512;
    const auto rare = with_pars<P, T>(par, [](auto... x) GEMS_LAMBDA_INLINE { return F().rare(x...); });
    const auto slow = with_pars<P, T>(par, [](auto... x) { return F().slow(x...); });
    for (size_t begin = 0; begin < n; begin += piece) {
      const size_t end = n - begin < piece ? n : begin + piece;
      gems::bits_t<T> found = 0;
      for (size_t k = begin; k < end; k++) found |= pointwise_at<T, I>(in, k, rare) ? 1 : 0;
      if (found) [[unlikely]]
        pointwise_loop<T, I>(in, out, begin, end, slow);
      else pointwise_known<F, T, I, P>(in, out, begin, end, par);
    }
  }
}

template <class F> constexpr gems_cpu_cells pointwise_cells() {
  gems_cpu_cells c{};
  constexpr const char* t = F::decl.types;
  constexpr int I = F::decl.in, P = F::decl.par;
  if constexpr (declares(t, 'f')) c.fn[GEMS_CELL_F32][0] = (gems_any_fn)pointwise_block<F, float, I, P>;
  if constexpr (declares(t, 'd')) c.fn[GEMS_CELL_F64][0] = (gems_any_fn)pointwise_block<F, double, I, P>;
  if constexpr (declares(t, 'l')) c.fn[GEMS_CELL_I64][0] = (gems_any_fn)pointwise_block<F, gems::i64, I, P>;
  if constexpr (declares(t, 'i')) c.fn[GEMS_CELL_I32][0] = (gems_any_fn)pointwise_block<F, gems::i32, I, P>;
  if constexpr (declares(t, 'b')) c.fn[GEMS_CELL_BOOL][0] = (gems_any_fn)pointwise_block<F, bool, I, P>;
  return c;
}
