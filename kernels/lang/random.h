// Random numbers: what a distribution draws for one element, and the generators' arithmetic. The streams are torch's: mt19937 on the
// CPU, Philox on a GPU, so that a seed gives the numbers its user knows.
#pragma once
#include "kernels/lang/base.h"
#include "kernels/lang/math.h"

namespace gems {

// What operator() of a distribution is given as its first argument.
enum class draw : unsigned char {
  uniform,  // u of [0, 1), on a GPU of (0, 1]: 24 bits, in double 53
  wide,     // CPU: u of [0, 1) in double with 53 bits, whatever the dtype; GPU: as uniform
  normal,   // standard normal, of Box and Muller's pairs; CPU: in blocks of 16, eight of either half
  pairs,    // CPU: standard normal in double, both halves one after the other; GPU: as normal
  bits      // an integer of 32 or 64 bits
};

// Functions as torch takes them for distributions on a GPU: the fast ones in float.
#if GEMS_DEVICE
GEMS_FN float fast_log(float x) { return ::__logf(x); }
GEMS_FN float fast_log1p(float x) { return ::__logf(1.f + x); }
GEMS_FN float fast_exp(float x) { return ::__expf(x); }
GEMS_FN float fast_tan(float x) { return ::__tanf(x); }
#else
GEMS_FN float fast_log(float x) { return log(x); }
GEMS_FN float fast_log1p(float x) { return log1p(x); }
GEMS_FN float fast_exp(float x) { return exp(x); }
GEMS_FN float fast_tan(float x) { return tan(x); }
#endif
GEMS_FN double fast_log(double x) { return log(x); }
GEMS_FN double fast_log1p(double x) { return log1p(x); }
GEMS_FN double fast_exp(double x) { return exp(x); }
GEMS_FN double fast_tan(double x) { return tan(x); }

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC 2011).
struct philox_block {
  u32 v[4];
};
GEMS_FN philox_block philox(u64 seed, u64 counter, u64 sequence) {
  u32 x = (u32)counter, y = (u32)(counter >> 32), z = (u32)sequence, w = (u32)(sequence >> 32);
  u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
#if GEMS_DEVICE
#pragma unroll
#else
#pragma GCC unroll 10
#endif
  for (int r = 0; r < 10; r++) {
    const u64 a = (u64)0xd2511f53u * x, b = (u64)0xcd9e8d57u * z;
    x = (u32)(b >> 32) ^ y ^ k0;
    y = (u32)b;
    z = (u32)(a >> 32) ^ w ^ k1;
    w = (u32)a;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  return {{x, y, z, w}};
}

}  // namespace gems
