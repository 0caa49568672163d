// What the matrix products need of the machine, as functions. Without a GPU a test supplies the same functions
// (tests/cpp/simt_on_host.h) and runs the kernels above them thread by thread.
#pragma once
#include "kernels/lang/base.h"

namespace gems::simt {

struct alignas(16) Pack16 {
  u32 w[4];
};

#if GEMS_DEVICE

GEMS_FN int thread_x() { return (int)threadIdx.x; }
GEMS_FN u32 block_x() { return blockIdx.x; }
GEMS_FN u32 block_z() { return blockIdx.z; }
GEMS_FN u32 grid_x() { return gridDim.x; }
GEMS_FN u32 grid_z() { return gridDim.z; }
GEMS_FN void barrier() { __syncthreads(); }
GEMS_FN unsigned char* shared_memory() {
  extern __shared__ __align__(128) unsigned char gems_shared[];
  return gems_shared;
}
template <class A> GEMS_FN A shuffle_xor(A x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }

GEMS_FN u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }
// Global to shared memory behind the threads' back: `bytes` of the 16 are read, the rest becomes zero.
GEMS_FN void copy_async16(void* to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes)
               : "memory");
}
GEMS_FN void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> GEMS_FN void copy_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory"); }

// Read once: no room in L1 is given to it. Volatile keeps the order in which a pipeline issues its loads.
GEMS_FN Pack16 load_once(const void* p) {
  Pack16 r;
  asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3])
               : "l"(p));
  return r;
}
GEMS_FN Pack16 load_again(const void* p) {
  Pack16 r;
  asm volatile("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(r.w[0]), "=r"(r.w[1]), "=r"(r.w[2]), "=r"(r.w[3]) : "l"(p));
  return r;
}
// x, in a way that nothing computed from it can be moved to before this point: addresses of an epilogue stay out of the main
// loop's registers.
GEMS_FN int from_here(int x) {
  asm volatile("" : "+r"(x));
  return x;
}
// Bytes of x and y picked by the four nibbles of `pick`.
GEMS_FN u32 permute(u32 x, u32 y, u32 pick) { return __byte_perm(x, y, pick); }

// Four 8x8 matrices of 16-bit elements; lane 8 i + j gives the address of row j of matrix i.
template <bool TRANSPOSE> GEMS_FN void load_matrices(u32 (&r)[4], const void* row) {
  if constexpr (TRANSPOSE)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}
// c[16x8] += a[16x16] * b[16x8]. With g = lane / 4, t = lane % 4: a = rows g, g + 8, g, g + 8 and k 2t, 2t + 1 (first two), + 8
// (last two); b = column g, k 2t, 2t + 1 and + 8; c = row g, columns 2t, 2t + 1 and row g + 8.
template <class T> GEMS_FN void mma(float (&c)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
  if constexpr (is_same<T, bf16>)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Blocks of one cluster (compute capability 9 and above) read each other's shared memory.
GEMS_FN u32 cluster_rank() {
  u32 r;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
  return r;
}
GEMS_FN void cluster_barrier() {
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}
template <class A> GEMS_FN A cluster_load(const A* own, u32 rank) {
  u32 at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"(shared_address(own)), "r"(rank));
  A r;
  if constexpr (sizeof(A) == 8) asm volatile("ld.shared::cluster.f64 %0, [%1];" : "=d"(r) : "r"(at) : "memory");
  else asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(r) : "r"(at) : "memory");
  return r;
}
#endif

}  // namespace gems::simt
