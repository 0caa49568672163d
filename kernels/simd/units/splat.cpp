// Rows of one number each, for one instruction set: operands that are broadcast along the innermost dimension.
#include "kernels/simd/splat.h"

#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"
#include "kernels/simd/lanes.h"

template <class T> void splat(const char* src, ptrdiff_t step, char* dst_, size_t rows, size_t n) {
  T* dst = (T*)dst_;
#if defined(__GNUC__) && !defined(__clang__)
  constexpr size_t L = kLanes<T>;
  static_assert(sizeof(register_of<T>) <= kSplatMore);
  for (size_t r = 0; r < rows; r++, src += step, dst += n) {
    const register_of<T> v = register_of<T>{} + *(const T*)src;
    for (size_t i = 0; i < n; i += L) __builtin_memcpy(dst + i, &v, sizeof v);  // the next row overwrites what is too much
  }
#else
  for (size_t r = 0; r < rows; r++, src += step, dst += n)
    for (size_t i = 0; i < n; i++) dst[i] = *(const T*)src;
#endif
}
}  // namespace

extern "C" const gems_splat_table GEMS_CAT(gems_splat, _, GEMS_ISA);
const gems_splat_table GEMS_CAT(gems_splat, _, GEMS_ISA) = {splat<uint8_t>, splat<uint16_t>, splat<uint32_t>, splat<uint64_t>};
