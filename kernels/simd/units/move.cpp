// Blocks of bytes on their way between memory and caches, for one instruction set.
#include "kernels/simd/unit_prologue.h"
namespace {
#include "kernels/lang/base.h"
#include "kernels/simd/lanes.h"

struct cell {
  unsigned char byte[kVectorBytes];
};

// As memcpy for any n, but always through the cache: libc's goes past it from a size on that counts on one thread, and then 32 MiB that
// would stay in a 32 MiB cache are written to memory (1.45 against 1.17 ms on two cores of a Zen 4).
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void copy(const void* src, void* dst, size_t n) {
  const auto* s = (const unsigned char*)src;
  auto* d = (unsigned char*)dst;
  size_t i = 0;
  for (; i + 4 * kVectorBytes <= n; i += 4 * kVectorBytes) {
    cell a, b, c, e;
    __builtin_memcpy(&a, s + i, kVectorBytes);
    __builtin_memcpy(&b, s + i + kVectorBytes, kVectorBytes);
    __builtin_memcpy(&c, s + i + 2 * kVectorBytes, kVectorBytes);
    __builtin_memcpy(&e, s + i + 3 * kVectorBytes, kVectorBytes);
    __builtin_memcpy(d + i, &a, kVectorBytes);
    __builtin_memcpy(d + i + kVectorBytes, &b, kVectorBytes);
    __builtin_memcpy(d + i + 2 * kVectorBytes, &c, kVectorBytes);
    __builtin_memcpy(d + i + 3 * kVectorBytes, &e, kVectorBytes);
  }
  __builtin_memcpy(d + i, s + i, n - i);
}

void stream(const void* src, void* dst, size_t n) {
  const auto* s = (const unsigned char*)src;
  auto* d = (unsigned char*)dst;
  size_t head = (size_t)(-(gems::i64)dst) % kVectorBytes;
  if (head > n) head = n;
  __builtin_memcpy(d, s, head);
  size_t i = head;
#if defined(__GNUC__) && !defined(__clang__)
  for (; i + kVectorBytes <= n; i += kVectorBytes) {
    register_of<gems::i64> v;
    __builtin_memcpy(&v, s + i, sizeof v);
    store_past(d + i, v);
  }
#endif
  __builtin_memcpy(d + i, s + i, n - i);
}

// `pattern`: an element of 1, 2, 4 or 8 bytes, repeated; dst is a multiple of the element.
__attribute__((optimize("no-tree-loop-distribute-patterns"))) void fill(uint64_t pattern, void* dst, size_t n, int past) {
  gems::u64 block[kVectorBytes / 8];
  for (gems::u64& w : block) w = pattern;
  cell v;
  __builtin_memcpy(&v, block, sizeof v);
  auto* d = (unsigned char*)dst;
  size_t i = 0;
#if defined(__GNUC__) && !defined(__clang__)
  if (past) {
    i = (size_t)(-(gems::i64)dst) % kVectorBytes;
    if (i > n) i = n;
    __builtin_memcpy(d, block, i);
    register_of<gems::i64> r;
    __builtin_memcpy(&r, block, sizeof r);
    for (; i + kVectorBytes <= n; i += kVectorBytes) store_past(d + i, r);
  }
#endif
  for (; i + 4 * kVectorBytes <= n; i += 4 * kVectorBytes) {
    __builtin_memcpy(d + i, &v, kVectorBytes);
    __builtin_memcpy(d + i + kVectorBytes, &v, kVectorBytes);
    __builtin_memcpy(d + i + 2 * kVectorBytes, &v, kVectorBytes);
    __builtin_memcpy(d + i + 3 * kVectorBytes, &v, kVectorBytes);
  }
  for (; i + kVectorBytes <= n; i += kVectorBytes) __builtin_memcpy(d + i, &v, kVectorBytes);
  __builtin_memcpy(d + i, block, n - i);
}
}  // namespace

extern "C" const gems_move_table GEMS_CAT(gems_move, _, GEMS_ISA);
const gems_move_table GEMS_CAT(gems_move, _, GEMS_ISA) = {copy, stream, fill};
