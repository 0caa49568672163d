// Adding dense blocks (the scatter-add of embedding's gradient), for one instruction set.
#include "kernels/simd/unit_prologue.h"
namespace {
template <class T> void accumulate(T* acc, const T* x, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) acc[i] += x[i];
}
}  // namespace

extern "C" const gems_accumulate_table GEMS_CAT(gems_accumulate, _, GEMS_ISA);
const gems_accumulate_table GEMS_CAT(gems_accumulate, _, GEMS_ISA) = {accumulate<float>, accumulate<double>};
