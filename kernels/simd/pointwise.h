// Pointwise skeleton for CPUs: a dense block in the compute type. The driver converts blocks of other dtypes and walks strides.
// Included by generated units inside an unnamed namespace.
#pragma once

template <class T> GEMS_FN T par_as(gems_scalar s) {
  if constexpr (gems::is_float<T>) return (T)s.d;
  else return (T)s.i;
}

template <class F, class T, int I, int P>
__attribute__((flatten)) static void pointwise_block(const void* const* in, void* out_, size_t n, const gems_scalar* par) {
  F f;
  const T* a = (const T*)in[0];
  const T* b = I > 1 ? (const T*)in[1] : nullptr;
  const T* c = I > 2 ? (const T*)in[2] : nullptr;
  const T* d = I > 3 ? (const T*)in[3] : nullptr;
  const T p = P > 0 ? par_as<T>(par[0]) : T(), q = P > 1 ? par_as<T>(par[1]) : T(), r = P > 2 ? par_as<T>(par[2]) : T();
  auto g = [&](size_t k) GEMS_LAMBDA_INLINE {
    if constexpr (I == 1 && P == 0) return f(a[k]);
    else if constexpr (I == 1 && P == 1) return f(a[k], p);
    else if constexpr (I == 1 && P == 2) return f(a[k], p, q);
    else if constexpr (I == 1 && P == 3) return f(a[k], p, q, r);
    else if constexpr (I == 2 && P == 0) return f(a[k], b[k]);
    else if constexpr (I == 2 && P == 1) return f(a[k], b[k], p);
    else if constexpr (I == 2 && P == 2) return f(a[k], b[k], p, q);
    else if constexpr (I == 2 && P == 3) return f(a[k], b[k], p, q, r);
    else if constexpr (I == 3 && P == 0) return f(a[k], b[k], c[k]);
    else if constexpr (I == 3 && P == 1) return f(a[k], b[k], c[k], p);
    else if constexpr (I == 3 && P == 2) return f(a[k], b[k], c[k], p, q);
    else if constexpr (I == 4 && P == 0) return f(a[k], b[k], c[k], d[k]);
    else return f(a[k], b[k], c[k], d[k], p);
  };
  auto o = (decltype(g(0))*)out_;
  (void)b; (void)c; (void)d; (void)p; (void)q; (void)r;
  // Every output element depends on inputs at the same index only, so exact overlap (in-place) is fine for the vectoriser.
#pragma GCC ivdep
  for (size_t k = 0; k < n; k++) o[k] = g(k);
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
