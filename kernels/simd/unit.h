// Included by a generated unit, inside an unnamed namespace: everything has internal linkage, so no inline function compiled
// for AVX-512 can be merged into the baseline by the linker. Only the cells get external names (with the instruction set in it).
#pragma once

constexpr bool declares(const char* types, char c) {
  for (; *types; types++)
    if (*types == c) return true;
  return false;
}

#include "kernels/simd/pointwise.h"
#include "kernels/simd/random.h"
#include "kernels/simd/reduce.h"
#include "kernels/simd/row.h"
#include "kernels/simd/scan.h"

template <class F> constexpr gems_cpu_cells cells_of() {
  constexpr gems::family f = F::decl.fam;
  if constexpr (f == gems::family::pointwise) return pointwise_cells<F>();
  else if constexpr (f == gems::family::reduce) return reduce_cells<F>();
  else if constexpr (f == gems::family::row) return row_cells<F>();
  else if constexpr (f == gems::family::scan) return scan_cells<F>();
  else if constexpr (f == gems::family::random) return random_cells<F>();
  else return gems_cpu_cells{};  // families whose kernels don't depend on the operator's functor
}

#define GEMS_CELLS(n) extern "C" const gems_cpu_cells GEMS_CAT(gems_##n, _, GEMS_ISA) = cells_of<op::n>();
