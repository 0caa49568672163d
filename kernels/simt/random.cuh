// Random numbers with the stream that torch has on a GPU: logical thread t of G takes Philox blocks (counter0 + i, sequence t), and what
// comes of block i goes to elements (i * U + u) * G + t (at::native, distribution_elementwise_grid_stride_kernel). A thread here
// stands for E neighbours of those, so that it stores whole vectors.
#pragma once
#include "kernels/lang/random.h"
#include "kernels/simt/common.cuh"

namespace gems::simt {

struct RandomArgs {
  u64 out;
  u64 seed, counter;  // of the first block
  u64 par[3];         // numbers in the compute type; of integers: range (0: all 64 bits), base
  u64 from, to;       // uniform_: what rounds to `to` becomes `from`, both in the compute type
  u32 n, threads;     // elements; G, a multiple of 256
  u32 items, unused;  // threads of ours: E logical ones for one block each
};

struct Normals {
  float x, y;
};
// u, v of (0, 1] from 32 bits each, as curand's Box and Muller has them: fast sine and cosine.
GEMS_FN Normals normal_pair(u32 x, u32 y) {
  const float u = x * 2.3283064e-10f + 2.3283064e-10f / 2,
              v = y * (2.3283064e-10f * 6.2831855f) + (2.3283064e-10f * 6.2831855f) / 2;
  const float s = gems::sqrt(-2.f * gems::log(u));
  Normals r;
#if GEMS_DEVICE
  ::__sincosf(v, &r.x, &r.y);
#else
  r.x = gems::sin(v), r.y = gems::cos(v);
#endif
  r.x *= s;
  r.y *= s;
  return r;
}
GEMS_FN double unit53(u32 x, u32 y) {
  return (double)((u64)x ^ (u64)y << 21) * 1.1102230246251565e-16 + 1.1102230246251565e-16 / 2;
}

// What one block gives: U = 4 values in float or narrow integers, 2 in double or wide ones.
template <draw D, class V, int U> GEMS_FN void draw_block(const philox_block& b, V (&x)[U]) {
  if constexpr (D == draw::bits) {
    if constexpr (U == 4) {
#pragma unroll
      for (int i = 0; i < 4; i++) x[i] = b.v[i];
    } else {
      x[0] = (u64)b.v[0] << 32 | b.v[1];
      x[1] = (u64)b.v[2] << 32 | b.v[3];
    }
  } else if constexpr (is_same<V, double>) {
    if constexpr (D == draw::normal || D == draw::pairs) {
      const double u = unit53(b.v[0], b.v[1]);
      const double v = (double)((u64)b.v[2] ^ (u64)b.v[3] << 21) * (1.1102230246251565e-16 * 2) + 1.1102230246251565e-16;
      const double s = gems::sqrt(-2. * gems::log(u));
#if GEMS_DEVICE
      ::sincospi(v, &x[0], &x[1]);
#else
      x[0] = gems::sin(3.14159265358979323846 * v), x[1] = gems::cos(3.14159265358979323846 * v);
#endif
      x[0] *= s;
      x[1] *= s;
    } else {
      x[0] = unit53(b.v[0], b.v[1]);
      x[1] = unit53(b.v[2], b.v[3]);
    }
  } else if constexpr (D == draw::normal || D == draw::pairs) {
    const Normals p = normal_pair(b.v[0], b.v[1]), q = normal_pair(b.v[2], b.v[3]);
    x[0] = p.x, x[1] = p.y, x[2] = q.x, x[3] = q.y;
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) x[i] = b.v[i] * 2.3283064e-10f + 2.3283064e-10f / 2;
  }
}

template <class F, class T, class V, int U, int E> GEMS_FN void random(const RandomArgs& a) {
  const u32 item = blockIdx.x * blockDim.x + threadIdx.x;
  if (item >= a.items) return;
  const u32 per_block = a.threads / E, i = item / per_block, t = (item - i * per_block) * E;
  const u64 first = (u64)i * U * a.threads + t;
  if (first >= a.n) return;
  V x[E][U];
#pragma unroll
  for (int e = 0; e < E; e++) draw_block<F::draws>(philox(a.seed, a.counter + i, t + e), x[e]);
  stored_t<T>* out = reinterpret_cast<stored_t<T>*>(a.out);
#pragma unroll
  for (int u = 0; u < U; u++) {
    const u64 at = first + (u64)u * a.threads;
    if (at >= a.n) return;
    Vec<T, E> r;
#pragma unroll
    for (int e = 0; e < E; e++) {
      if constexpr (F::draws == draw::bits) {
        const u64 w = x[e][u], range = a.par[0];
        u64 v = w;
        if constexpr (U == 4) v = range >> 32 ? w : (u32)w % (u32)range;
        else if (range) v = w % range;
        r.v[e] = store_as<T>((i64)(v + a.par[1]));
      } else {
        r.v[e] = store_as<T>(F{}(x[e][u], number<V>(a.par[0]), number<V>(a.par[1]), number<V>(a.par[2])));
        if constexpr (requires { F::half_open; })
          if (load_as<V, T>(r.v[e]) == number<V>(a.to)) r.v[e] = store_as<T>(number<V>(a.from));
      }
    }
    if (at + E <= a.n) *reinterpret_cast<Vec<T, E>*>(out + at) = r;
    else
#pragma unroll
      for (int e = 0; e < E; e++)
        if (at + e < a.n) out[at + e] = r.v[e];
  }
}

}  // namespace gems::simt
