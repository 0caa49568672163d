// Matrix products for one instruction set; the driver is backends/cpu/matmul.cpp.
#include "kernels/simd/matmul.h"
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"
#include "kernels/simd/matmul_vec.h"
#include "kernels/simd/matmul_thin.h"
#include "kernels/simd/matmul_gemm.h"

template <class T> constexpr gems_mm_kernels matmul_kernels() {
  typedef typename mm::compute<T>::type C;
  return {mm::widen<T>,   mm::dot<T>,     mm::outer<T>,         mm::tile<T>,  mm::tile_scratch<C>, mm::fill<T>,
          (int)sizeof(T), (int)sizeof(C), !gems::is_same<T, C>, mm::lanes<C>, mm::kTileRows,       mm::tile_columns<C>};
}

constexpr gems_matmul_table matmul_table = {{matmul_kernels<float>(), matmul_kernels<double>(), matmul_kernels<gems::bf16>(),
                                             matmul_kernels<gems::f16>(), matmul_kernels<mm::u8>(), matmul_kernels<mm::u16>(),
                                             matmul_kernels<mm::u32>(), matmul_kernels<mm::u64>()}};
}  // namespace

#define GEMS_MATMUL_NAME_(isa) gems_matmul_##isa
#define GEMS_MATMUL_NAME(isa) GEMS_MATMUL_NAME_(isa)
extern "C" __attribute__((visibility("hidden"))) const gems_matmul_table GEMS_MATMUL_NAME(GEMS_ISA) = matmul_table;
