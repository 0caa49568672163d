#include "backends/cpu/block.h"

#include "kernels/simd/offsets.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#define GEMS_DECLARE(isa) extern "C" const gems_offsets_table gems_offsets_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE
#define GEMS_DECLARE(isa) extern "C" const gems_transpose_table gems_transpose_##isa[2];
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

#define GEMS_DECLARE(isa) extern "C" const gems_move_table gems_move_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

constexpr size_t kKept = size_t{1} << 20;

struct Free {
  void operator()(char* p) const { std::free(p); }
};
struct Arena {
  std::unique_ptr<char, Free> base;
  size_t top = 0;
};
thread_local Arena t_arena;

char* aligned(size_t bytes) {
  void* p = std::aligned_alloc(64, (bytes + 63) & ~size_t{63});
  if (!p) throw std::bad_alloc();
  return static_cast<char*>(p);
}

template <class T> void copy_elements(const T* src, int64_t src_row, int64_t src_col, T* dst, int64_t dst_row, int64_t dst_col,
                                      int64_t rows, int64_t n) {
  // The faster dimension innermost; where source and destination disagree, squares that keep a line of both in the first-level cache.
  if (src_col == 1 && dst_col == 1) {
    for (int64_t r = 0; r < rows; r++) {
      const T* s = src + r * src_row;
      T* d = dst + r * dst_row;
      if (n >= 32) std::memcpy(d, s, n * sizeof(T));
      else
        for (int64_t i = 0; i < n; i++) d[i] = s[i];
    }
    return;
  }
  constexpr int64_t B = 16;
  for (int64_t i0 = 0; i0 < n; i0 += B)
    for (int64_t r0 = 0; r0 < rows; r0 += B) {
      const int64_t i1 = std::min(n, i0 + B), r1 = std::min(rows, r0 + B);
      for (int64_t r = r0; r < r1; r++) {
        const T* s = src + r * src_row;
        T* d = dst + r * dst_row;
        for (int64_t i = i0; i < i1; i++) d[i * dst_col] = s[i * src_col];
      }
    }
}

}  // namespace

gems_transpose_fn transpose_fn(int size, bool streams) {
#define GEMS_ADDRESS(isa) gems_transpose_##isa,
  static constexpr const gems_transpose_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  if (size == 1) {
#define GEMS_ADDRESS(isa) &gems_offsets_##isa,
    static constexpr const gems_offsets_table* offsets[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
    return streams ? nullptr : offsets[isa()]->transpose_bytes;
  }
  const gems_transpose_table& t = tables[isa()][streams];
  return size == 2 ? t.b2 : size == 4 ? t.b4 : size == 8 ? t.b8 : nullptr;
}

const gems_move_table& moves() {
#define GEMS_ADDRESS(isa) &gems_move_##isa,
  static constexpr const gems_move_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

// sysconf() counts every slice of a machine of several: 320 MiB where two cores share 32.
int64_t last_cache() {
  static const int64_t bytes = [] {
    char text[32] = {};
    if (FILE* f = std::fopen("/sys/devices/system/cpu/cpu0/cache/index3/size", "re")) {
      const size_t n = std::fread(text, 1, sizeof text - 1, f);
      std::fclose(f);
      const int64_t kib = n ? std::strtoll(text, nullptr, 10) : 0;
      if (kib > 0 && std::strchr(text, 'K')) return kib << 10;
    }
    return int64_t{32} << 20;
  }();
  return bytes;
}

char* Scratch::take(size_t bytes) {
  bytes = (bytes + 63) & ~size_t{63};
  Arena& a = t_arena;
  if (a.top + bytes > kKept) {
    heap_ = aligned(bytes);
    return static_cast<char*>(heap_);
  }
  if (!a.base) a.base.reset(aligned(kKept));
  top_ = a.top;
  used_ = true;
  a.top += bytes;
  return a.base.get() + top_;
}

Scratch::~Scratch() {
  if (heap_) std::free(heap_);
  if (used_) t_arena.top = top_;
}

void copy_2d(const char* src, int64_t src_row, int64_t src_col, char* dst, int64_t dst_row, int64_t dst_col, int64_t rows,
             int64_t n, int size) {
  if (size > 1 && rows > 1 && n > 1 && ((src_row == 1 && dst_col == 1) || (src_col == 1 && dst_row == 1))) {
    const gems_transpose_fn f = transpose_fn(size, false);
    if (src_row == 1) return f(src, src_col, dst, dst_row, rows, n);
    return f(src, src_row, dst, dst_col, n, rows);
  }
  auto go = [&](auto element) {
    typedef decltype(element) T;
    copy_elements(reinterpret_cast<const T*>(src), src_row, src_col, reinterpret_cast<T*>(dst), dst_row, dst_col, rows, n);
  };
  switch (size) {
    case 1: return go(uint8_t{});
    case 2: return go(uint16_t{});
    case 4: return go(uint32_t{});
    default: return go(uint64_t{});
  }
}

}  // namespace gems::cpu
