// Row operators for CPUs: the functor's passes over one row that lies in the compute type in cache. The driver (backends/cpu/row.cpp)
// brings rows there and takes strided results away. Included by generated units inside an unnamed namespace.
#pragma once
#include "kernels/simd/lanes.h"

template <class T, int I> struct RowElement {
  const T* const* in;
  size_t i;
  GEMS_FN T operator()(int k) const { return in[k][i]; }
};

// The R of a row functor (docs/design.md).
template <class T, int I, int O> struct Row {
  static constexpr bool keeps_values = true;  // has sum_keep
  const gems_row_args& a;
  const T* in[I];
  void* out[O];

  GEMS_FN T n() const { return (T)a.n; }
  GEMS_FN T par(int i) const { return (T)a.par[i].d; }
  GEMS_FN bool has(int k) const { return in[k] != nullptr; }
  GEMS_FN T stat(int k) const { return *in[k]; }

  template <class G> GEMS_FN T sum(G f) const {
    constexpr size_t block = 128 * kLanes<T>;
    double total = 0;  // above blocks: the error doesn't grow with the row
    size_t at = 0;
    do {
      const size_t len = a.n - at < block ? a.n - at : block;
      const T part = fold(
          len, T(0),
          [&](size_t i) GEMS_LAMBDA_INLINE {
            return f(RowElement<T, I>{in, at + i});
          },
          [](T x, T y) GEMS_LAMBDA_INLINE { return x + y; });
      total += (double)part;
      at += len;
    } while (at < a.n);
    return (T)total;
  }
  // NaN may come through or not: what is computed from the row's values with it becomes NaN anyway.
  template <class G> GEMS_FN T max(G f) const {
    return fold(
        a.n, gems::lowest<T>(),
        [&](size_t i) GEMS_LAMBDA_INLINE {
          return f(RowElement<T, I>{in, i});
        },
        [](T x, T y) GEMS_LAMBDA_INLINE { return x > y ? x : y; });
  }
  // sum(f), and from now on e(k) is f(e) as computed.
  template <class G> GEMS_FN T sum_keep(int k, G f) {
    constexpr size_t block = 128 * kLanes<T>;
    T* keep = (T*)a.cache[k];
    double total = 0;
    for (size_t at = 0; at < a.n; at += block) {
      const size_t len = a.n - at < block ? a.n - at : block;
      T* to = keep + at;
      map_block(to, len, [&](size_t i) GEMS_LAMBDA_INLINE { return f(RowElement<T, I>{in, at + i}); });
      total += (double)fold(
          len, T(0), [&](size_t i) GEMS_LAMBDA_INLINE { return to[i]; }, [](T x, T y) GEMS_LAMBDA_INLINE { return x + y; });
    }
    in[k] = keep;
    return (T)total;
  }
  template <class G> GEMS_FN void store(int o, G f) const {
    if (!out[o]) return;
    if (!a.store[o]) {
      map_block((T*)out[o], a.n, [&](size_t i) GEMS_LAMBDA_INLINE { return f(RowElement<T, I>{in, i}); });
      return;
    }
    blocks(o, f, [](size_t, size_t, const T*) GEMS_LAMBDA_INLINE {});
  }
  GEMS_FN void store_stat(int o, T value) const {
    if (out[o]) *(T*)out[o] = value;
  }
  template <class G> GEMS_FN void update(int k, int o, G f) {
    if (out[o] && !a.store[o]) {
      T* to = (T*)out[o];
      map_block(to, a.n, [&](size_t i) GEMS_LAMBDA_INLINE { return f(RowElement<T, I>{in, i}); });
      in[k] = to;
      return;
    }
    T* keep = (T*)a.cache[k];
    blocks(o, f, [&](size_t at, size_t len, const T* values) GEMS_LAMBDA_INLINE {
      if (out[o]) a.load[o]((const char*)out[o] + at * a.out_size[o], keep + at, len);
      else __builtin_memcpy(keep + at, values, len * sizeof(T));
    });
    in[k] = keep;
  }

 private:
  // f through a block of the compute type into an output of another dtype.
  template <class G, class Then> GEMS_FN void blocks(int o, G f, Then then) const {
    constexpr size_t block = 512;
    alignas(64) T t[block];
    for (size_t at = 0; at < a.n; at += block) {
      const size_t len = a.n - at < block ? a.n - at : block;
      map_block(t, len, [&](size_t i) GEMS_LAMBDA_INLINE { return f(RowElement<T, I>{in, at + i}); });
      if (out[o]) a.store[o](t, (char*)out[o] + at * a.out_size[o], len);
      then(at, len, t);
    }
  }
};

template <class F, class T> __attribute__((flatten)) static void row_kernel(const gems_row_args* args) {
  constexpr int I = F::decl.in, O = F::decl.out;
  const gems_row_args& a = *args;
  for (size_t i = 0; i < a.rows; i++) {
    Row<T, I, O> r{a, {}, {}};
    for (int k = 0; k < I; k++) r.in[k] = a.in[k] ? (const T*)((const char*)a.in[k] + (ptrdiff_t)i * a.in_step[k]) : nullptr;
    for (int o = 0; o < O; o++) r.out[o] = a.out[o] ? (char*)a.out[o] + (ptrdiff_t)i * a.out_step[o] : nullptr;
    F{}(r);
  }
}

template <class F> constexpr gems_cpu_cells row_cells() {
  gems_cpu_cells c{};
  constexpr const char* t = F::decl.types;
  if constexpr (declares(t, 'f')) c.fn[GEMS_CELL_F32][0] = (gems_any_fn)row_kernel<F, float>;
  if constexpr (declares(t, 'd')) c.fn[GEMS_CELL_F64][0] = (gems_any_fn)row_kernel<F, double>;
  return c;
}
