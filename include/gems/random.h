/* The generator of a call of the random family: what t[1].data points to, in host memory. The framework fills it in and takes it back
 * after a call that was served; it holds the generator's lock meanwhile. */
#ifndef GEMS_RANDOM_H
#define GEMS_RANDOM_H
#include <stdint.h>

typedef struct gems_random_state {
  /* CPU: mt19937. `used` of the 624 words are spent, 1 to 624. */
  uint32_t* words;
  int32_t used;
  int32_t has_half; /* `half` is the kept second value of a pair of normals (mean 0, deviation 1) */
  double half;
  /* GPU, and CPU if `philox` is set: the stream's key and where it stands, in words of a sequence. */
  uint64_t seed, offset;
  uint64_t advance; /* written by the backend: how far the call went, in units of `offset` */
  int32_t philox;
} gems_random_state;
#endif
