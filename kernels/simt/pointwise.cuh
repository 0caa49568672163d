// Pointwise skeletons for GPUs: out = f(in..., numbers...). The host (backends/cuda/plan_pointwise.cpp) chooses between
//   contiguous  every operand dense in the same order
//   strided     vectors of E along the innermost dimension where operands are dense or broadcast along it, else E = 1
//   transposed  some inputs are dense along another dimension than the output: E x E blocks turned in registers
//   tiled       the same for sizes and addresses that don't allow vectors: 32 x 32 tiles in shared memory
// Each thread first issues all its loads and then computes, so that some 16-byte loads are in flight; nothing is declared
// __restrict__, and an element is stored after it was loaded by the same thread: an output may be one of the inputs.
#pragma once
#include "kernels/simt/common.cuh"

namespace gems::simt {

struct Number {};  // as an operand's type: a number in the arguments, no memory

// How an operand moves along the innermost dimension.
enum : int { kVector = 0, kSplat = 1, kTurned = 2 };

// U vectors of input K, and what f sees of them.
template <int K, class T, int MODE, class C, int E, int U> struct Operand {
  const stored_t<T>* p;
  Vec<T, MODE == kSplat ? 1 : E> held[U];
  GEMS_FN void init(u64 slot) { p = reinterpret_cast<const stored_t<T>*>(slot); }
  template <class I> GEMS_FN void load(int j, I offset) {
    if constexpr (MODE == kSplat) held[j].v[0] = p[offset];
    else held[j] = *reinterpret_cast<const Vec<T, E>*>(p + offset);
  }
  GEMS_FN C get(int j, int e) const { return load_as<C, T>(held[j].v[MODE == kSplat ? 0 : e]); }
  GEMS_FN void shift() {  // vector 1 becomes vector 0 and so on
#pragma unroll
    for (int j = 0; j + 1 < U; j++) held[j] = held[j + 1];
  }
  // kTurned: vector j runs along the other dimension
  GEMS_FN C get_block(int row, int col) const {
    if constexpr (MODE == kTurned) return load_as<C, T>(held[col].v[row]);
    else return get(row, col);
  }
};
template <int K, int MODE, class C, int E, int U> struct Operand<K, Number, MODE, C, E, U> {
  C value;
  GEMS_FN void init(u64 slot) { value = number<C>(slot); }
  template <class I> GEMS_FN void load(int, I) {}
  GEMS_FN void shift() {}
  GEMS_FN C get(int, int) const { return value; }
  GEMS_FN C get_block(int, int) const { return value; }
};

template <class O, int E> GEMS_FN void put(u64 slot, i64 offset, const Vec<O, E>& v) {
  *reinterpret_cast<Vec<O, E>*>(reinterpret_cast<stored_t<O>*>(slot) + offset) = v;
}

template <class T, int MODE> struct In {};  // one input of a kernel's signature

template <class F, class C, int E, int U, class Ks, class Ps, class... I> struct Inputs;
template <class F, class C, int E, int U, int... K, int... P, class... T, int... M>
struct Inputs<F, C, E, U, ints<K...>, ints<P...>, In<T, M>...> : Operand<K, T, M, C, E, U>... {
  C par[sizeof...(P) ? sizeof...(P) : 1];
  template <class A> GEMS_FN explicit Inputs(const A& a) {
    (Operand<K, T, M, C, E, U>::init(a.slot[K + 1]), ...);
    ((par[P] = number<C>(a.par[P])), ...);
  }
  template <class G> GEMS_FN void each(G g) { (g(static_cast<Operand<K, T, M, C, E, U>&>(*this), K + 1, M), ...); }
  GEMS_FN auto call(int j, int e) const { return F{}(Operand<K, T, M, C, E, U>::get(j, e)..., par[P]...); }
  GEMS_FN auto call_block(int row, int col) const { return F{}(Operand<K, T, M, C, E, U>::get_block(row, col)..., par[P]...); }
  // Vector 0 through f; the others move up. In a loop that isn't unrolled the functor's text stands there E times and not
  // E * U times: gelu in bf16 compiles 3 times as fast, for a few register moves per 16 bytes.
  template <class O> GEMS_FN void compute_and_put(u64 slot, i64 offset) {
    decltype(call(0, 0)) r[E];
#pragma unroll
    for (int e = 0; e < E; e++) r[e] = call(0, e);
    put(slot, offset, store_vec<O, E>(r));
    (Operand<K, T, M, C, E, U>::shift(), ...);
  }
};
template <class F, class C, int E, int U, class... I> using InputsOf =
    Inputs<F, C, E, U, typename make_ints<sizeof...(I)>::type, typename make_ints<F::decl.par>::type, I...>;

// ---- contiguous ----

template <int N, int P> struct ContiguousArgs {
  u64 slot[N];  // address of operand k, or the number
  u64 par[P > 0 ? P : 1];
  i64 n;             // elements
  u32 tile, unused;  // vectors of one block: BLOCK for small calls, BLOCK * U for large ones
};

template <class F, class C, int BLOCK, int E, int U, class O, class... I>
GEMS_FN void contiguous(const ContiguousArgs<1 + sizeof...(I), F::decl.par>& a) {
  const i64 vectors = a.n / E, tile = (i64)blockIdx.x * a.tile, left = vectors - tile;
  const u32 end = left < a.tile ? (u32)left : a.tile;  // of this block's vectors
  InputsOf<F, C, E, U, I...> in(a);
#pragma unroll
  for (int j = 0; j < U; j++)
    if (threadIdx.x + j * BLOCK < end) in.each([&](auto& x, int, int) { x.load(j, (tile + threadIdx.x + j * BLOCK) * E); });
#pragma unroll 1
  for (u32 i = threadIdx.x; i < end; i += BLOCK) in.template compute_and_put<O>(a.slot[0], (tile + i) * E);
  if constexpr (E > 1) {
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x < a.n - vectors * E) {
      InputsOf<F, C, 1, 1, I...> one(a);
      one.each([&](auto& x, int, int) { x.load(0, vectors * E + threadIdx.x); });
      decltype(one.call(0, 0)) r[1] = {one.call(0, 0)};
      put(a.slot[0], vectors * E + threadIdx.x, store_vec<O, 1>(r));
    }
  }
}

// ---- strided ----

template <int N, int P, int D> struct StridedArgs {
  u64 slot[N];
  u64 par[P > 0 ? P : 1];
  u32 vectors, tile;  // as above
  Div size[D];        // innermost first, in vectors
  int stride[D][N];   // in elements; the host splits calls whose offsets don't fit
};

template <class F, class C, int BLOCK, int E, int U, int D, class O, class... I>
GEMS_FN void strided(const StridedArgs<1 + sizeof...(I), F::decl.par, D>& a) {
  constexpr int N = 1 + sizeof...(I);
  InputsOf<F, C, E, U, I...> in(a);
  const u32 end = (blockIdx.x + 1) * a.tile < a.vectors ? (blockIdx.x + 1) * a.tile : a.vectors;  // of this block
  const u32 first = blockIdx.x * a.tile + threadIdx.x;
  int out[U];
#pragma unroll
  for (int j = 0; j < U; j++) {
    u32 i = first + j * BLOCK;
    const bool live = i < end;
    int offset[N] = {};
#pragma unroll
    for (int d = 0; d < D; d++) {
      const u32 q = d < D - 1 ? a.size[d].of(i) : 0, at = d < D - 1 ? i - q * a.size[d].d : i;
#pragma unroll
      for (int k = 0; k < N; k++) offset[k] += (int)at * a.stride[d][k];
      i = q;
    }
    out[j] = offset[0];
    if (live) in.each([&](auto& x, int k, int) { x.load(j, offset[k]); });
  }
#pragma unroll 1
  for (u32 i = first; i < end; i += BLOCK) {
    in.template compute_and_put<O>(a.slot[0], out[0]);
#pragma unroll
    for (int j = 0; j + 1 < U; j++) out[j] = out[j + 1];
  }
}

// ---- transposed ----
// x: the dimension along which the output is dense; y: the one along which the turned inputs are.

template <int N, int P, int D> struct TransposedArgs {
  u64 slot[N];
  u64 par[P > 0 ? P : 1];
  u32 nx, ny, tiles_x, tiles_y, group, unused;
  int pitch[N];  // stride along y; of turned inputs along x
  u32 size[D];   // further dimensions, innermost first
  int stride[D][N];
};

// Which tile a block works on, and the operands' offsets in the further dimensions. Blocks that run at the same time cover a
// near-square of tiles (`group` tiles along y), so that both sides use what DRAM pages and address translation hold open.
template <int N, int P, int D> GEMS_FN void find_tile(const TransposedArgs<N, P, D>& a, u32& tx, u32& ty, int (&offset)[N]) {
  const u32 per_plane = a.tiles_x * a.tiles_y, plane = blockIdx.x / per_plane, b = blockIdx.x % per_plane;
  const u32 first = b / (a.group * a.tiles_x) * a.group, left = a.tiles_y - first, rows = left < a.group ? left : a.group;
  const u32 r = b - first * a.tiles_x;
  ty = first + r % rows;
  tx = r / rows;
  u32 i = plane;
#pragma unroll
  for (int d = 0; d < D; d++) {
    const u32 q = d < D - 1 ? i / a.size[d] : 0, at = i - q * a.size[d];
#pragma unroll
    for (int k = 0; k < N; k++) offset[k] = (d ? offset[k] : 0) + (int)at * a.stride[d][k];
    i = q;
  }
}

// 256 threads: a thread holds an E x E block, a warp 8 of them along x by 4 along y (with 16-byte vectors it stores whole
// 128-byte lines and loads 64-byte pieces of turned inputs), the block 2 x 4 warps.
constexpr int kTurnX = 16, kTurnY = 16;  // E x E blocks of a tile

template <class F, class C, int E, int D, class O, class... I>
GEMS_FN void transposed(const TransposedArgs<1 + sizeof...(I), F::decl.par, D>& a) {
  constexpr int N = 1 + sizeof...(I);
  u32 tx, ty;
  int offset[N];
  find_tile(a, tx, ty, offset);
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const u32 x = (tx * kTurnX + warp % 2 * 8 + lane % 8) * E, y = (ty * kTurnY + warp / 2 * 4 + lane / 8) * E;
  if (x >= a.nx || y >= a.ny) return;  // sizes are multiples of E
  InputsOf<F, C, E, E, I...> in(a);
  in.each([&](auto& op, int k, int mode) {
#pragma unroll
    for (int j = 0; j < E; j++) {
      const int at =
          mode == kTurned ? (int)(x + j) * a.pitch[k] + (int)y : (int)(y + j) * a.pitch[k] + (mode == kSplat ? 0 : (int)x);
      op.load(j, offset[k] + at);
    }
  });
#pragma unroll
  for (int j = 0; j < E; j++) {
    decltype(in.call(0, 0)) r[E];
#pragma unroll
    for (int e = 0; e < E; e++) r[e] = in.call_block(j, e);
    put(a.slot[0], offset[0] + (int)(y + j) * a.pitch[0] + (int)x, store_vec<O, E>(r));
  }
}

// ---- tiled ----
// 256 threads on a tile of 32 x 32: turned inputs are loaded with lanes along y and read back with lanes along x.

template <class F, class C, int D, class O, class... I>
GEMS_FN void tiled(const TransposedArgs<1 + sizeof...(I), F::decl.par, D>& a) {
  constexpr int N = 1 + sizeof...(I), U = 4;
  u32 tx, ty;
  int offset[N];
  find_tile(a, tx, ty, offset);
  const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  InputsOf<F, C, 1, U, I...> in(a);
  in.each([&]<class Op>(Op& op, int k, int mode) {
#pragma unroll
    for (int j = 0; j < U; j++) {
      const u32 x = tx * 32 + (mode == kTurned ? warp + 8 * j : lane), y = ty * 32 + (mode == kTurned ? lane : warp + 8 * j);
      if (x >= a.nx || y >= a.ny) continue;
      op.load(j,
              offset[k] + (mode == kTurned ? (int)x * a.pitch[k] + (int)y : (int)y * a.pitch[k] + (mode == kSplat ? 0 : (int)x)));
    }
  });
  in.each([&]<int K, class T, int M>(Operand<K, T, M, C, 1, U>& op, int, int) {
    if constexpr (M == kTurned) {
      // Rows of 33 words, or 34 elements of 2 bytes, or 36 of 1, are an odd number of banks: neither direction conflicts.
      constexpr int kRow = 32 + (sizeof(T) >= 4 ? 1 : 4 / sizeof(T));
      __shared__ stored_t<T> tile[32 * kRow];
#pragma unroll
      for (int j = 0; j < U; j++) tile[(warp + 8 * j) * kRow + lane] = op.held[j].v[0];
      __syncthreads();
#pragma unroll
      for (int j = 0; j < U; j++) op.held[j].v[0] = tile[lane * kRow + warp + 8 * j];
    }
  });
#pragma unroll
  for (int j = 0; j < U; j++) {
    const u32 x = tx * 32 + lane, y = ty * 32 + warp + 8 * j;
    if (x >= a.nx || y >= a.ny) continue;
    decltype(in.call(0, 0)) r[1] = {in.call(j, 0)};
    put(a.slot[0], offset[0] + (int)y * a.pitch[0] + (int)x, store_vec<O, 1>(r));
  }
}

}  // namespace gems::simt
