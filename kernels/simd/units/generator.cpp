// The generators' words, for one instruction set.
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/lang.h"
#include "kernels/lang/random.h"

// mt19937 (Matsumoto and Nishimura 1998) over a line instead of a ring: word i + 624 needs i, i + 1 and i + 397, so registers of 16 words
// never need what they write.
void twist(uint32_t* y, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) {
    const uint32_t mixed = (y[i] & 0x80000000u) | (y[i + 1] & 0x7fffffffu);
    y[i + 624] = y[i + 397] ^ (mixed >> 1) ^ (0x9908b0dfu & (0u - (y[i + 1] & 1u)));
  }
}
void temper(const uint32_t* y, uint32_t* out, size_t n) {
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) {
    uint32_t v = y[i];
    v ^= v >> 11;
    v ^= (v << 7) & 0x9d2c5680u;
    v ^= (v << 15) & 0xefc60000u;
    out[i] = v ^ v >> 18;
  }
}
// 16 blocks a turn, word k of all of them side by side: a loop that fills registers.
void philox_words(uint64_t seed, uint64_t counter, uint32_t* out, size_t n) {
  for (size_t at = 0; at < n; at += 64) {
    const uint64_t first = counter + at / 4;
#pragma GCC ivdep
    for (size_t i = 0; i < 16; i++) {
      const gems::philox_block b = gems::philox(seed, first + i, 0);
      out[at + i] = b.v[0];
      out[at + 16 + i] = b.v[1];
      out[at + 32 + i] = b.v[2];
      out[at + 48 + i] = b.v[3];
    }
  }
}
}  // namespace

extern "C" const gems_generator_table GEMS_CAT(gems_generator, _, GEMS_ISA);
const gems_generator_table GEMS_CAT(gems_generator, _, GEMS_ISA) = {twist, temper, philox_words};
