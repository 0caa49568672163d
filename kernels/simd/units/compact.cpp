// Which elements aren't zero, for one instruction set: as bits, and from bits as positions.
#include "gems/dtype.h"
#include "kernels/simd/offsets.h"
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"

#if defined(__AVX512BW__)
// 64 elements a word. `kept`: the bits that say that an element isn't zero (all but the sign of a float).
template <class T> GEMS_FN uint64_t word_of(const T* x, T kept) {
  const auto load = [&](int i) { return _mm512_loadu_si512((const char*)x + 64 * i); };
  uint64_t w = 0;
  if constexpr (sizeof(T) == 1) return _mm512_test_epi8_mask(load(0), _mm512_set1_epi8((char)kept));
  else if constexpr (sizeof(T) == 2)
    for (int i = 0; i < 2; i++) w |= (uint64_t)_mm512_test_epi16_mask(load(i), _mm512_set1_epi16((short)kept)) << 32 * i;
  else if constexpr (sizeof(T) == 4)
    for (int i = 0; i < 4; i++) w |= (uint64_t)_mm512_test_epi32_mask(load(i), _mm512_set1_epi32((int)kept)) << 16 * i;
  else
    for (int i = 0; i < 8; i++) w |= (uint64_t)_mm512_test_epi64_mask(load(i), _mm512_set1_epi64((gems::i64)kept)) << 8 * i;
  return w;
}
#else
template <class T> GEMS_FN uint64_t word_of(const T* x, T kept) {
  unsigned char is[64];
#pragma GCC ivdep
  for (int i = 0; i < 64; i++) is[i] = (x[i] & kept) != 0;
  uint64_t w = 0;
  for (int i = 0; i < 8; i++) {  // eight bytes of 0 and 1 become a byte: bit 8 j moves to 56 + j
    uint64_t eight;
    __builtin_memcpy(&eight, is + 8 * i, 8);
    w |= (eight * 0x0102040810204080ull >> 56) << 8 * i;
  }
  return w;
}
#endif

template <class T, bool Float> void mark(const void* x_, uint64_t* words, size_t n) {
  const T* x = (const T*)x_;
  const T kept = Float ? (T)((T) ~(T)0 >> 1) : (T) ~(T)0;
  for (; n >= 64; n -= 64, x += 64) *words++ = word_of(x, kept);
  if (!n) return;
  T rest[64] = {};
  __builtin_memcpy(rest, x, n * sizeof(T));
  *words = word_of(rest, kept);
}

size_t positions(const uint64_t* words, size_t count, int32_t* out) {
  int32_t* begin = out;
  for (size_t k = 0; k < count; k++) {
    uint64_t w = words[k];
#if defined(__AVX512F__)
    if (!w) continue;
    __m512i at = _mm512_add_epi32(_mm512_set1_epi32((int)(64 * k)),
                                  _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    for (int i = 0; i < 4; i++, w >>= 16, at = _mm512_add_epi32(at, _mm512_set1_epi32(16))) {
      _mm512_storeu_si512(out, _mm512_maskz_compress_epi32((__mmask16)w, at));
      out += __builtin_popcount((unsigned)(w & 0xffff));
    }
#else
    for (; w; w &= w - 1) *out++ = (int32_t)(64 * k) + __builtin_ctzll(w);
#endif
  }
  return (size_t)(out - begin);
}

// By a multiplication in double: x + 0.5 is 0.5 away from the next multiple, the product's error is far below that over size.
void split(int32_t* __restrict at, int32_t size, int64_t* __restrict out, size_t n) {
  const double inverse = 1.0 / size;
  for (size_t i = 0; i < n; i++) {
    const int32_t q = (int32_t)((at[i] + 0.5) * inverse);
    out[i] = at[i] - q * size;
    at[i] = q;
  }
}

constexpr gems_compact_table make_table() {
  gems_compact_table t{};
  t.positions = positions;
  t.split = split;
  t.mark[GEMS_U8] = t.mark[GEMS_I8] = t.mark[GEMS_BOOL] = mark<unsigned char, false>;
  t.mark[GEMS_I16] = mark<unsigned short, false>;
  t.mark[GEMS_I32] = mark<gems::u32, false>;
  t.mark[GEMS_I64] = mark<gems::u64, false>;
  t.mark[GEMS_F16] = t.mark[GEMS_BF16] = mark<unsigned short, true>;
  t.mark[GEMS_F32] = mark<gems::u32, true>;
  t.mark[GEMS_F64] = mark<gems::u64, true>;
  return t;
}
}  // namespace

extern "C" const gems_compact_table GEMS_CAT(gems_compact, _, GEMS_ISA);
const gems_compact_table GEMS_CAT(gems_compact, _, GEMS_ISA) = make_table();
