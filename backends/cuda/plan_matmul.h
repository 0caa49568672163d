// Matrix products: which kernel serves a call, and how it is launched. Needs no device and no driver.
#pragma once
#include "backends/cuda/jit.h"
#include "kernels/simt/matmul_args.cuh"

namespace gems::cuda {

enum class MatmulKernel : uint8_t { none, thin, tile, fma };   // none: nothing to compute
enum class MatmulChoice : uint8_t { automatic, own, native };  // the setting GEMS_MATMUL

struct MatmulPlan {
  const char* unsupported = nullptr;  // the reason; the rest is then unset
  MatmulKernel kernel = MatmulKernel::none;
  int8_t dtype = 0;
  uint8_t config = 0;                  // thin: rows of a that the kernel is made for; else index of the tile
  uint8_t layout_a = 0, layout_b = 0;  // simt::MatmulLayout; thin: only the lowest bit of b, and whether a is along k
  uint8_t split = 1;                   // blocks of a cluster
  uint8_t stages = 0;                  // tensor-core tiles
  gems_knobs knobs{};
  unsigned grid_x = 1, grid_z = 1;
  int block = 0, smem = 0;
  simt::MatmulArgs args{};
};

struct MatmulTile {
  int m, n, k;
  int part_m, part_n;  // tensor cores: warps of a block; else: elements of a thread
  int stages;          // tensor cores, unless a knob says otherwise
  int blocks;          // that a multiprocessor should hold: bounds the registers
};
const MatmulTile& matmul_tile(MatmulKernel kernel, int config);

MatmulPlan plan_matmul(const gems_call* call, const Device& dev, MatmulChoice choice);
KernelKey matmul_key(const MatmulPlan& plan);
KernelSource matmul_source(const MatmulPlan& plan);

}  // namespace gems::cuda
