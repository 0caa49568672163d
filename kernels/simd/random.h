// Distributions for CPUs: words of the generator to values. Included by generated units inside an unnamed namespace.
#pragma once
#include "kernels/lang/random.h"

// Uniform of [0, 1). Double: 53 of the bits of two words, the first of which is the upper half.
static GEMS_FN float unit_float(gems::u32 w) { return (float)(int)(w & 0xffffffu) * 5.9604644775390625e-8f; }
static GEMS_FN double unit_double(gems::u64 words) {
  const gems::u64 high = words & 0x1fffffu, low = words >> 32, two52 = 0x4330000000000000u;
  const double h = __builtin_bit_cast(double, high | two52) - 4503599627370496.,
               l = __builtin_bit_cast(double, low | two52) - 4503599627370496.;
  return (h * 4294967296. + l) * 1.1102230246251565e-16;
}
template <class V> static GEMS_FN V unit(const gems::u32* words, size_t i) {
  if constexpr (gems::is_same<V, float>) return unit_float(words[i]);
  else {
    gems::u64 w;
    __builtin_memcpy(&w, words + 2 * i, 8);
    return unit_double(w);
  }
}

template <class F, class V> static void random_uniform(const gems::u32* words, void* out_, size_t n, const gems_scalar* par) {
  V* out = (V*)out_;
  const V a = (V)par[0].d, b = (V)par[1].d, c = (V)par[2].d;
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) out[i] = F{}(unit<V>(words, i), a, b, c);
  if constexpr (requires { F::half_open; }) {
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) out[i] = out[i] == b ? a : out[i];
  }
}

// Box and Muller: blocks of 16 values, of uniforms 0..7 (radius) and 8..15 (angle); n is a multiple of 16.
template <class F, class V> static void random_normal(const gems::u32* words, void* out_, size_t n, const gems_scalar* par) {
  const V a = (V)par[0].d, b = (V)par[1].d, c = (V)par[2].d;
  constexpr V two_pi = V(6.28318530717958647692);
  constexpr size_t kBlocks = 8;  // at once, so that loops are long enough for any register
  for (size_t at = 0; at < n; at += 16 * kBlocks) {
    const size_t blocks = (n - at) / 16 < kBlocks ? (n - at) / 16 : kBlocks;
    V u[8 * kBlocks], v[8 * kBlocks];
    for (size_t k = 0; k < blocks; k++)
      for (size_t j = 0; j < 8; j++) {
        u[8 * k + j] = unit<V>(words, at + 16 * k + j);
        v[8 * k + j] = unit<V>(words, at + 16 * k + 8 + j);
      }
#pragma GCC ivdep
    for (size_t i = 0; i < 8 * blocks; i++) {
      const V radius = gems::sqrt(V(-2) * gems::log(V(1) - u[i])), angle = two_pi * v[i];
      u[i] = F{}(radius * gems::cos(angle), a, b, c);
      v[i] = F{}(radius * gems::sin(angle), a, b, c);
    }
    V* out = (V*)out_ + at;
    for (size_t k = 0; k < blocks; k++)
      for (size_t j = 0; j < 8; j++) {
        out[16 * k + j] = u[8 * k + j];
        out[16 * k + 8 + j] = v[8 * k + j];
      }
  }
}

// Pairs in double, four words each; out[n - 1] is the half pair that the caller keeps if n is odd. n is even. The standard normal alone
// goes to `rest` of the last value: par[3].d isn't read.
template <class F> static void random_pairs(const gems::u32* words, void* out_, size_t n, const gems_scalar* par) {
  double* out = (double*)out_;
  const double a = par[0].d, b = par[1].d, c = par[2].d;
#pragma GCC ivdep
  for (size_t i = 0; i < n / 2; i++) {
    const double angle = 6.28318530717958647692 * unit<double>(words, 2 * i);
    const double radius = gems::sqrt(-2. * gems::log1p(-unit<double>(words, 2 * i + 1)));
    out[2 * i] = F{}(radius * gems::cos(angle), a, b, c);
    out[2 * i + 1] = F{}(radius * gems::sin(angle), a, b, c);
  }
}

// par: range (0: all 64 bits), base. Narrow: one word each, range up to 2^32.
template <bool WIDE> static void random_bits(const gems::u32* words, void* out_, size_t n, const gems_scalar* par) {
  gems::i64* out = (gems::i64*)out_;
  const gems::u64 range = (gems::u64)par[0].i, base = (gems::u64)par[1].i;
  if constexpr (WIDE) {
    for (size_t i = 0; i < n; i++) {
      const gems::u64 w = (gems::u64)words[2 * i] << 32 | words[2 * i + 1];
      out[i] = (gems::i64)((range ? w % range : w) + base);
    }
  } else {
    const double inverse = 1. / (double)range;
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) {
      const double w = __builtin_bit_cast(double, (gems::u64)words[i] | 0x4330000000000000u) - 4503599627370496.;
      const double q = gems::floor(w * inverse);
      double r = w - q * (double)range;  // exact: both below 2^53
      r = gems::select(r < 0., r + (double)range, r);
      r = gems::select(r >= (double)range, r - (double)range, r);
      out[i] = (gems::i64)(__builtin_bit_cast(gems::u64, r + 4503599627370496.) & 0xfffffffffffffu) + (gems::i64)base;
    }
  }
}

template <class F> constexpr gems_cpu_cells random_cells() {
  gems_cpu_cells c{};
  constexpr gems::draw d = F::draws;
  if constexpr (d == gems::draw::bits) {
    c.fn[GEMS_CELL_I32][GEMS_RANDOM_BITS] = (gems_any_fn)random_bits<false>;
    c.fn[GEMS_CELL_I64][GEMS_RANDOM_BITS] = (gems_any_fn)random_bits<true>;
  } else {
    if constexpr (d == gems::draw::uniform) c.fn[GEMS_CELL_F32][GEMS_RANDOM_UNIFORM] = (gems_any_fn)random_uniform<F, float>;
    if constexpr (d == gems::draw::uniform || d == gems::draw::wide)
      c.fn[GEMS_CELL_F64][GEMS_RANDOM_UNIFORM] = (gems_any_fn)random_uniform<F, double>;
    if constexpr (d == gems::draw::normal) {
      c.fn[GEMS_CELL_F32][GEMS_RANDOM_NORMAL] = (gems_any_fn)random_normal<F, float>;
      c.fn[GEMS_CELL_F64][GEMS_RANDOM_NORMAL] = (gems_any_fn)random_normal<F, double>;
    }
    if constexpr (d == gems::draw::normal || d == gems::draw::pairs)
      c.fn[GEMS_CELL_F64][GEMS_RANDOM_PAIRS] = (gems_any_fn)random_pairs<F>;
  }
  return c;
}
