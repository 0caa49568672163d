// Vectors of the compute type and their traffic with memory, on GCC vector extensions; intrinsics only where the compiler finds
// no good code by itself (float16, masked tails). Included inside a unit's unnamed namespace, after kernels/lang/base.h.
#pragma once

namespace mm {

typedef int64_t i64;
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#define GEMS_MM_AVX512 1
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
#ifndef GEMS_MM_AVX512
#define GEMS_MM_AVX512 0
#endif

// The compute type of a storage type.
template <class T> struct compute { typedef u32 type; };
template <> struct compute<float> { typedef float type; };
template <> struct compute<gems::bf16> { typedef float type; };
template <> struct compute<gems::f16> { typedef float type; };
template <> struct compute<double> { typedef double type; };
template <> struct compute<u64> { typedef u64 type; };

template <class T> using compute_of = typename compute<T>::type;

template <class E, int bytes> struct vector_of { typedef E type __attribute__((vector_size(bytes))); };
template <class C> using vec = typename vector_of<C, kVectorBytes>::type;
template <class C> constexpr int lanes = kVectorBytes / (int)sizeof(C);
template <class T> using memory_vec = typename vector_of<T, (int)sizeof(T) * lanes<compute_of<T>>>::type;

// repeat<N>(f): f(index<0>{}) ... f(index<N-1>{}). Constant indices from the start keep arrays of accumulators in registers; a
// loop that is unrolled later leaves them on the stack.
template <int I> struct index {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int N, int I = 0, class F> GEMS_FN void repeat(F&& f) {
  if constexpr (I < N) {
    f(index<I>{});
    repeat<N, I + 1>(f);
  }
}
#define GEMS_MM_INLINE __attribute__((always_inline))

template <class V, class T> GEMS_FN V read(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class C> GEMS_FN vec<C> splat(C x) { return vec<C>{} + x; }

// ---- load: lanes<C> elements of storage type T in the compute type ----
template <class T> GEMS_FN auto load(const T* p) {
  typedef compute_of<T> C;
  if constexpr (gems::is_same<T, C>) {
    return read<vec<C>>(p);
  } else if constexpr (gems::is_same<T, gems::bf16>) {
    auto h = read<memory_vec<u16>>(p);
    return __builtin_bit_cast(vec<float>, __builtin_convertvector(h, vec<u32>) << 16);
  } else if constexpr (gems::is_same<T, gems::f16>) {
#if GEMS_MM_AVX512
    return (vec<float>)_mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256((const __m256i_u*)p));
#elif defined(__F16C__)
    return (vec<float>)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u*)p));
#else
    vec<float> v = {};
    for (int i = 0; i < lanes<float>; i++) v[i] = gems::f16_to_float(p[i]);
    return v;
#endif
#if GEMS_MM_AVX512
  } else if constexpr (gems::is_same<T, u8>) {  // g++ 12 takes convertvector apart into elements here
    return (vec<u32>)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128((const __m128i_u*)p));
#elif defined(__AVX2__)
  } else if constexpr (gems::is_same<T, u8>) {
    return (vec<u32>)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u*)p));
#endif
  } else {
    return __builtin_convertvector(read<memory_vec<T>>(p), vec<C>);
  }
}

// The first n < lanes elements, zeros after them; reads nothing beyond.
template <class T> GEMS_FN auto load_part(const T* p, i64 n) {
#if GEMS_MM_AVX512
  if constexpr (gems::is_same<T, float> || gems::is_same<T, u32>) {
    return (vec<T>)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
  } else if constexpr (gems::is_same<T, double> || gems::is_same<T, u64>) {
    return (vec<T>)_mm512_maskz_loadu_epi64((__mmask8)((1u << n) - 1), p);
  } else if constexpr (sizeof(T) == 2) {
    T part[lanes<float>];
    _mm256_storeu_si256((__m256i_u*)part, _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
    return load(part);
  } else
#endif
  {
    T part[lanes<compute_of<T>>] = {};
    for (i64 i = 0; i < n; i++) part[i] = p[i];
    return load(part);
  }
}

// ---- store: from the compute type, 16-bit floats rounded to nearest even ----
template <class T> GEMS_FN void store(T* p, vec<compute_of<T>> v) {
  typedef compute_of<T> C;
  if constexpr (gems::is_same<T, C>) {
    __builtin_memcpy(p, &v, sizeof v);
  } else if constexpr (gems::is_same<T, gems::bf16>) {
    vec<u32> u = __builtin_bit_cast(vec<u32>, v);
    vec<u32> r = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    r = (vec<u32>)(v != v) ? splat<u32>(0x7fc0u) : r;
    auto h = __builtin_convertvector(r, memory_vec<u16>);
    __builtin_memcpy(p, &h, sizeof h);
  } else if constexpr (gems::is_same<T, gems::f16>) {
#if GEMS_MM_AVX512
    _mm256_storeu_si256((__m256i_u*)p, _mm512_maskz_cvtps_ph(0xffff, (__m512)v, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
    _mm_storeu_si128((__m128i_u*)p, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
#else
    for (int i = 0; i < lanes<float>; i++) p[i] = gems::float_to_f16(v[i]);
#endif
  } else {
    auto h = __builtin_convertvector(v, memory_vec<T>);
    __builtin_memcpy(p, &h, sizeof h);
  }
}
template <class T> GEMS_FN void store_part(T* p, vec<compute_of<T>> v, i64 n) {
  T part[lanes<compute_of<T>>];
  store(part, v);
  for (i64 i = 0; i < n; i++) p[i] = part[i];
}

// ---- sum of the lanes; of four vectors at once where a transposition saves most of the shuffles ----
template <class C> GEMS_FN auto fold16(vec<C> v) {  // to 16 bytes
  typedef typename vector_of<C, 16>::type Q;
  if constexpr (kVectorBytes == 16) {
    return v;
  } else {
    Q q[kVectorBytes / 16];
    __builtin_memcpy(q, &v, sizeof v);
    if constexpr (kVectorBytes == 32) return q[0] + q[1];
    else return (q[0] + q[1]) + (q[2] + q[3]);
  }
}
template <class C> GEMS_FN C sum(vec<C> v) {
  auto q = fold16<C>(v);
  if constexpr (sizeof(C) == 4) return (q[0] + q[2]) + (q[1] + q[3]);
  else return q[0] + q[1];
}
// out[0..3] = sums of a, b, c, d.
template <class C> GEMS_FN void sum4(C* out, vec<C> a, vec<C> b, vec<C> c, vec<C> d) {
  if constexpr (sizeof(C) == 4) {
    auto x = fold16<C>(a), y = fold16<C>(b), z = fold16<C>(c), w = fold16<C>(d);
    auto xy = __builtin_shufflevector(x, y, 0, 4, 1, 5) + __builtin_shufflevector(x, y, 2, 6, 3, 7);
    auto zw = __builtin_shufflevector(z, w, 0, 4, 1, 5) + __builtin_shufflevector(z, w, 2, 6, 3, 7);
    auto s = __builtin_shufflevector(xy, zw, 0, 1, 4, 5) + __builtin_shufflevector(xy, zw, 2, 3, 6, 7);
    __builtin_memcpy(out, &s, sizeof s);
  } else {
    out[0] = sum<C>(a);
    out[1] = sum<C>(b);
    out[2] = sum<C>(c);
    out[3] = sum<C>(d);
  }
}

// n outputs of row m from column n0: out = alpha * acc + beta * self in the compute type, rounded once.
template <class T> GEMS_FN void finish(const gems_mm* p, const compute_of<T>* acc, i64 m, i64 n0, i64 n) {
  typedef compute_of<T> C;
  constexpr int L = lanes<C>;
  T* o = (T*)p->out + m * p->o_rs + n0 * p->o_cs;
  if (p->o_cs == 1 && p->alpha == 1 && !p->self) {
    i64 i = 0;
    for (; i + L <= n; i += L) store(o + i, read<vec<C>>(acc + i));
    if (i < n) store_part(o + i, load_part(acc + i, n - i), n - i);
    return;
  }
  C alpha, beta;
  if constexpr (gems::is_float<C>) alpha = (C)p->alpha, beta = (C)p->beta;
  else alpha = (C)(i64)p->alpha, beta = (C)(i64)p->beta;
  if (!p->self) {
    for (i64 i = 0; i < n; i++) o[i * p->o_cs] = gems::to<T>((C)(alpha * acc[i]));
    return;
  }
  const T* s = (const T*)p->self + m * p->s_rs + n0 * p->s_cs;
  i64 i = 0;
  if (p->o_cs == 1 && p->s_cs == 1)
    for (; i + L <= n; i += L) store(o + i, read<vec<C>>(acc + i) * alpha + load(s + i) * beta);
  for (; i < n; i++) o[i * p->o_cs] = gems::to<T>((C)(alpha * acc[i] + beta * gems::to<C>(s[i * p->s_cs])));
}

}  // namespace mm
