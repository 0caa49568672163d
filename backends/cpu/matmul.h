// Planning of matrix products, apart from running them: functions of the call alone.
#pragma once
#include "backends/cpu/driver.h"
#include "kernels/simd/matmul.h"

namespace gems::cpu {

enum class MatmulPath { dot, outer, tile };  // the kernels of kernels/simd/matmul.h

// A batch of equal products; strides from one to the next in elements.
struct MatmulBatch {
  gems_mm p;
  int64_t count, a, b, self, out;
};

// The kernels' type of a dtype, or -1.
int matmul_type(int dtype);
// Reads the geometry of a call. Null, or why the call isn't served.
const char* matmul_geometry(const gems_call* call, MatmulBatch& batch);
// Picks the kernel; may exchange the roles of a and b (out^T = b^T a^T).
MatmulPath matmul_path(MatmulBatch& batch, int type, const gems_mm_kernels& kernels);
// The other way if there is one (the packed blocks instead of a thin kernel, or a thin kernel instead of them), else `path`.
MatmulPath other_path(MatmulBatch& batch, const gems_mm_kernels& kernels, MatmulPath path);
// True where the framework's kernel was measured to be the faster one.
bool matmul_native_wins(const MatmulBatch& batch, int type, MatmulPath path, const gems_mm_kernels& kernels);

}  // namespace gems::cpu
