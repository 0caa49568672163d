// Conversion of dense blocks between all served storage types, for one instruction set.
#include "gems/dtype.h"
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"

struct truth {
  unsigned char byte;
};  // a bool in memory: any byte, true if not zero

template <class D, class S> GEMS_FN D value(S x) {
  if constexpr (gems::is_same<S, truth>) return gems::to<D>((int)(x.byte != 0));
  else return gems::to<D>(x);
}
template <class D, class S> GEMS_FN void assign(D& d, S x) {
  if constexpr (gems::is_same<D, truth>) d.byte = value<bool>(x);
  else d = value<D>(x);
}

template <class S, class D> void convert(const void* src, void* dst, size_t n) {
  const S* s = (const S*)src;
  D* d = (D*)dst;
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) assign(d[i], s[i]);
}

#if defined(__F16C__)
// The conversion instructions round as the integer form in base.h does, at a third of its cost. The tail goes through a padded copy.
// maskz with a full mask: g++ 12 warns about an uninitialised value inside its own plain form.
#if defined(__AVX512F__)
constexpr size_t kHalves = 16;
inline void half_to_float(const void* s, void* d) {
  _mm512_storeu_ps(d, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i*)s)));
}
inline void float_to_half(const void* s, void* d) {
  _mm256_storeu_si256((__m256i*)d,
                      _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(s), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#else
constexpr size_t kHalves = 8;
inline void half_to_float(const void* s, void* d) {
  _mm256_storeu_ps((float*)d, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)s)));
}
inline void float_to_half(const void* s, void* d) {
  _mm_storeu_si128((__m128i*)d, _mm256_cvtps_ph(_mm256_loadu_ps((const float*)s), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#endif
template <class S, class D, void (*Vector)(const void*, void*)> void convert_vectors(const void* src, void* dst, size_t n) {
  const S* s = (const S*)src;
  D* d = (D*)dst;
  size_t i = 0;
  for (; i + kHalves <= n; i += kHalves) Vector(s + i, d + i);
  if (i < n) {
    S in[kHalves] = {};
    D out[kHalves];
    __builtin_memcpy(in, s + i, (n - i) * sizeof(S));
    Vector(in, out);
    __builtin_memcpy(d + i, out, (n - i) * sizeof(D));
  }
}
template <> void convert<gems::f16, float>(const void* s, void* d, size_t n) {
  convert_vectors<gems::f16, float, half_to_float>(s, d, n);
}
template <> void convert<float, gems::f16>(const void* s, void* d, size_t n) {
  convert_vectors<float, gems::f16, float_to_half>(s, d, n);
}
#endif

template <class S, class D> constexpr void add(gems_convert_table& t, int s, int d) {
  if constexpr (!gems::is_same<S, D>) t.fn[s][d] = convert<S, D>;
}
template <class S> constexpr void add_source(gems_convert_table& t, int s) {
  add<S, unsigned char>(t, s, GEMS_U8);
  add<S, signed char>(t, s, GEMS_I8);
  add<S, short>(t, s, GEMS_I16);
  add<S, int>(t, s, GEMS_I32);
  add<S, gems::i64>(t, s, GEMS_I64);
  add<S, gems::f16>(t, s, GEMS_F16);
  add<S, float>(t, s, GEMS_F32);
  add<S, double>(t, s, GEMS_F64);
  add<S, truth>(t, s, GEMS_BOOL);
  add<S, gems::bf16>(t, s, GEMS_BF16);
}
constexpr gems_convert_table make_table() {
  gems_convert_table t{};
  add_source<unsigned char>(t, GEMS_U8);
  add_source<signed char>(t, GEMS_I8);
  add_source<short>(t, GEMS_I16);
  add_source<int>(t, GEMS_I32);
  add_source<gems::i64>(t, GEMS_I64);
  add_source<gems::f16>(t, GEMS_F16);
  add_source<float>(t, GEMS_F32);
  add_source<double>(t, GEMS_F64);
  add_source<truth>(t, GEMS_BOOL);
  add_source<gems::bf16>(t, GEMS_BF16);
  return t;
}
}  // namespace

extern "C" const gems_convert_table GEMS_CAT(gems_convert, _, GEMS_ISA);
const gems_convert_table GEMS_CAT(gems_convert, _, GEMS_ISA) = make_table();
