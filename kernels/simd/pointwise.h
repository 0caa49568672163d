// Pointwise skeleton for CPUs: a dense block in the compute type. The driver converts blocks of other dtypes and walks strides.
// Included by generated units inside an unnamed namespace.
//
// A functor may state three things beside operator() that only a CPU needs:
//   static constexpr double known[] = {...};   values of the first parameter that get a loop of their own, with the parameter a
//       constant, so that a branch on it is gone before the vectoriser looks; `general(x..., par...)` serves all other values.
//       Computing integers, only those from 0 on that are whole. Operators with `choices` have one loop for each choice without
//       saying anything.
//   bool rare(x..., par...), V slow(x..., par...);   arguments that the branch-free form doesn't cover (sin of 1e20). A piece of a
//       block with such an element goes through `slow`, one element after the other.
//   bool invalid(x..., par...), static constexpr const char* error;   arguments for which torch's CPU kernels raise this error. The
//       block ends before the piece with such an element.
// All three may be constrained to some types.
//   static constexpr bool exact = true;   the result of bfloat16 operands is always one (abs, maximum): it is stored without rounding.
#pragma once

template <class T> GEMS_FN T par_as(gems_scalar s) {
  if constexpr (gems::is_float<T>) return (T)s.d;
  else return (T)s.i;
}

// bfloat16 in memory as a result that needs no rounding.
struct exact_bf16 {
  unsigned short bits;
};
template <class F>
concept is_exact = requires {
  requires F::exact;
};
template <class T, class S> GEMS_FN T pointwise_load(S x) {
  if constexpr (gems::is_same<T, S>) return x;
  else return gems::bf16_to_float(gems::bf16{x.bits});
}
template <class O, class V> GEMS_FN O pointwise_result(V v) {
  if constexpr (gems::is_same<O, exact_bf16>) return exact_bf16{(unsigned short)(__builtin_bit_cast(gems::u32, v) >> 16)};
  else if constexpr (gems::is_same<O, V>) return v;
  else return gems::to<O>(v);
}

// The elements of the operands at index k, handed to f in the type T of computing; S: the type that lies in memory.
template <class T, class S, int I, class G> GEMS_FN auto pointwise_at(const void* const* in, size_t k, G f) {
  static_assert(I >= 1 && I <= 4);
  const auto x = [&](int i) GEMS_LAMBDA_INLINE { return pointwise_load<T>(((const S*)in[i])[k]); };
  if constexpr (I == 1) return f(x(0));
  else if constexpr (I == 2) return f(x(0), x(1));
  else if constexpr (I == 3) return f(x(0), x(1), x(2));
  else return f(x(0), x(1), x(2), x(3));
}
// What is stored of a result of type R: R itself, or S where that is what T lies in memory as.
template <class T, class S, class R> struct stored_as { typedef R type; };
template <class T, class S> struct stored_as<T, S, T> { typedef S type; };

template <class T, class S, int I, class G>
GEMS_FN void pointwise_loop(const void* const* in, void* out, size_t begin, size_t end, G f) {
  const void* from[I];
  for (int i = 0; i < I; i++) from[i] = in[i];
  typedef typename stored_as<T, S, decltype(pointwise_at<T, S, I>(from, 0, f))>::type O;
  auto o = (O*)out;
  // Every output element depends on inputs at the same index only, so exact overlap (in-place) is fine for the vectoriser.
#pragma GCC ivdep
  for (size_t k = begin; k < end; k++) o[k] = pointwise_result<O>(pointwise_at<T, S, I>(from, k, f));
}

// The functor with its parameters bound.
template <int P, class T, class G> GEMS_FN auto with_pars(const gems_scalar* par, G f) {
  static_assert(P >= 0 && P <= 4);
  const T p = P > 0 ? par_as<T>(par[0]) : T(), q = P > 1 ? par_as<T>(par[1]) : T(), r = P > 2 ? par_as<T>(par[2]) : T();
  const T s = P > 3 ? par_as<T>(par[3]) : T();
  return [=](auto... x) GEMS_LAMBDA_INLINE {
    if constexpr (P == 0) return f(x...);
    else if constexpr (P == 1) return f(x..., p);
    else if constexpr (P == 2) return f(x..., p, q);
    else if constexpr (P == 3) return f(x..., p, q, r);
    else return f(x..., p, q, r, s);
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

template <class F, class T, int C> constexpr bool known_applies() {
  if constexpr (!has_known<F> || gems::is_float<T>) return true;
  else if constexpr (gems::is_same<T, bool> || known_value<F, C>() < 0) return false;
  else return (double)(T)known_value<F, C>() == known_value<F, C>();
}

// Loops of their own for known values of the first parameter, from C on.
template <class F, class T, class S, int I, int P, int C = 0>
GEMS_FN void pointwise_known(const void* const* in, void* out, size_t begin, size_t end, const gems_scalar* par) {
  if constexpr (C < known_count<F>()) {
    static_assert(P == 1);
    if constexpr (known_applies<F, T, C>()) {
      constexpr T value = (T)known_value<F, C>();
      if (par_as<T>(par[0]) == value)
        return pointwise_loop<T, S, I>(in, out, begin, end, [](auto... x) GEMS_LAMBDA_INLINE { return F()(x..., value); });
    }
    pointwise_known<F, T, S, I, P, C + 1>(in, out, begin, end, par);
  } else if constexpr (has_known<F>) {
    pointwise_loop<T, S, I>(in, out, begin, end,
                            with_pars<P, T>(par, [](auto... x) GEMS_LAMBDA_INLINE { return F().general(x...); }));
  } else if constexpr (C > 0) {
    pointwise_loop<T, S, I>(in, out, begin, end, [](auto... x) GEMS_LAMBDA_INLINE { return F()(x..., (T)C); });
  } else {
    pointwise_loop<T, S, I>(in, out, begin, end, with_pars<P, T>(par, F()));
  }
}

template <class F, class... V>
concept has_rare = requires(F f, V... x) {
  f.rare(x...);
};
template <class F, class... V>
concept has_invalid = requires(F f, V... x) {
  f.invalid(x...);
};
template <class F, class T, int N, class... V> constexpr bool with_rare() {
  if constexpr (N == 0) return has_rare<F, V...>;
  else return with_rare<F, T, N - 1, V..., T>();
}
template <class F, class T, int N, class... V> constexpr bool with_invalid() {
  if constexpr (N == 0) return has_invalid<F, V...>;
  else return with_invalid<F, T, N - 1, V..., T>();
}
template <int SIZE> struct flags_of { typedef unsigned char type; };  // as wide as the elements: no narrowing in the loop
template <> struct flags_of<4> { typedef gems::u32 type; };
template <> struct flags_of<8> { typedef gems::u64 type; };
// f(element) of all elements of a piece, or'ed.
template <class T, class S, int I, class G> GEMS_FN int pointwise_find(const void* const* in, size_t begin, size_t end, G f) {
  typedef typename flags_of<sizeof(T)>::type Flags;
  Flags found = 0;
  for (size_t k = begin; k < end; k++) found |= (Flags)pointwise_at<T, S, I>(in, k, f);
  return (int)found;
}

// Null, or the error that an element asks for.
template <class F, class T, class S, int I, int P>
__attribute__((flatten)) static const char* pointwise_block(const void* const* in, void* out, size_t n, const gems_scalar* par) {
  constexpr bool rare = with_rare<F, T, I + P>(), invalid = with_invalid<F, T, I + P>();
  if constexpr (!rare && !invalid) {
    pointwise_known<F, T, S, I, P>(in, out, 0, n, par);
  } else {
    // Pieces are looked through before they are computed: `out` may be one of the inputs.
    constexpr size_t piece = 512;
    const auto look = with_pars<P, T>(par, [](auto... x) GEMS_LAMBDA_INLINE {
      int flags = 0;
      if constexpr (rare) flags |= F().rare(x...) ? 1 : 0;
      if constexpr (invalid) flags |= F().invalid(x...) ? 2 : 0;
      return flags;
    });
    for (size_t begin = 0; begin < n; begin += piece) {
      const size_t end = n - begin < piece ? n : begin + piece;
      const int found = pointwise_find<T, S, I>(in, begin, end, look);
      if constexpr (invalid)
        if (found & 2) [[unlikely]]
          return F::error;
      if constexpr (rare)
        if (found) [[unlikely]] {
          pointwise_loop<T, S, I>(in, out, begin, end, with_pars<P, T>(par, [](auto... x) { return F().slow(x...); }));
          continue;
        }
      pointwise_known<F, T, S, I, P>(in, out, begin, end, par);
    }
  }
  return nullptr;
}

template <class F> struct stored_bf16 { typedef gems::bf16 type; };
template <is_exact F> struct stored_bf16<F> { typedef exact_bf16 type; };

template <class F> constexpr gems_cpu_cells pointwise_cells() {
  gems_cpu_cells c{};
  constexpr const char* t = F::decl.types;
  constexpr int I = F::decl.in, P = F::decl.par;
  // bfloat16 where it lies: converted in registers. By blocks of float in L1, 64 x 4096 on two cores of a
  // Zen 4 took: add 31 us, now 25 (native 30); div 38, 28 (31); abs 24, 9 with exact (9).
  if constexpr (declares(t, 'f'))
    c.fn[GEMS_CELL_F32][1] = (gems_any_fn)pointwise_block<F, float, typename stored_bf16<F>::type, I, P>;
  if constexpr (declares(t, 'f')) c.fn[GEMS_CELL_F32][0] = (gems_any_fn)pointwise_block<F, float, float, I, P>;
  if constexpr (declares(t, 'd')) c.fn[GEMS_CELL_F64][0] = (gems_any_fn)pointwise_block<F, double, double, I, P>;
  if constexpr (declares(t, 'l')) c.fn[GEMS_CELL_I64][0] = (gems_any_fn)pointwise_block<F, gems::i64, gems::i64, I, P>;
  if constexpr (declares(t, 'i')) c.fn[GEMS_CELL_I32][0] = (gems_any_fn)pointwise_block<F, gems::i32, gems::i32, I, P>;
  if constexpr (declares(t, 'b')) c.fn[GEMS_CELL_BOOL][0] = (gems_any_fn)pointwise_block<F, bool, bool, I, P>;
  return c;
}
