// Blocks of strided operands to and from dense memory: what the reduce, row, scan and index drivers have in common.
#pragma once
#include <algorithm>
#include <cstring>

#include "backends/cpu/driver.h"

namespace gems::cpu {

// Scratch memory of this thread, released in reverse order. A mebibyte of it stays with the thread; larger requests go to malloc.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  // Aligned to 64 bytes. Once per object.
  char* take(size_t bytes);

 private:
  void* heap_ = nullptr;
  size_t top_ = 0;
  bool used_ = false;
};

// dst[r][i] = src[r][i] for elements of 1, 2, 4 or 8 bytes; strides in elements.
void copy_2d(const char* src, int64_t src_row, int64_t src_col, char* dst, int64_t dst_row, int64_t dst_col, int64_t rows,
             int64_t n, int size);

// The transposition of elements of `size` bytes (gems_transpose_table); null for single bytes past the cache.
gems_transpose_fn transpose_fn(int size, bool streams);

// Moves of this machine's instruction set (gems_move_table).
const gems_move_table& moves();
// After stores past the cache, before other threads may read.
inline void fence() {
#if defined(GEMS_ISA_X86)
  __builtin_ia32_sfence();
#endif
}
int64_t last_cache();  // bytes of the last level of cache, which all threads share

// One operand seen as a matrix: `row` and `col` are its strides in elements.
struct Matrix {
  char* data = nullptr;
  int64_t row = 0, col = 0;
  int size = 0;                       // bytes of an element in memory
  gems_convert_fn convert = nullptr;  // to (inputs) or from (outputs) the compute type; null: the same type

  // Are rows of n elements usable where they lie?
  bool direct(int64_t n) const { return !convert && (col == 1 || n == 1); }
};

// An input in `bytes`-wide compute type. `offset` (elements) leads to the first row. Returns rows of n dense elements, `*step` elements
// apart: in place where they can be, else in `buffer` (rows * n compute elements); `raw` takes as many memory elements.
inline const void* load(const Matrix& m, int64_t offset, int64_t rows, int64_t n, int bytes, char* buffer, char* raw,
                        ptrdiff_t* step) {
  const char* src = m.data + offset * m.size;
  if (m.direct(n)) {
    *step = m.row;
    return src;
  }
  *step = n;
  if (m.col == 1 || n == 1) {
    if (rows == 1 || m.row == n) {
      m.convert(src, buffer, rows * n);
    } else if (n == 1) {
      copy_2d(src, 0, m.row, raw, 0, 1, 1, rows, m.size);
      m.convert(raw, buffer, rows);
    } else {
      for (int64_t r = 0; r < rows; r++) m.convert(src + r * m.row * m.size, buffer + r * n * bytes, n);
    }
    return buffer;
  }
  char* to = m.convert ? raw : buffer;
  copy_2d(src, m.row, m.col, to, n, 1, rows, n, m.size);
  if (m.convert) m.convert(raw, buffer, rows * n);
  return buffer;
}

// The other way for an output: `dense` holds rows of n elements in the compute type; `raw` takes rows * n memory elements.
inline void store(const Matrix& m, int64_t offset, int64_t rows, int64_t n, const void* dense, char* raw) {
  char* dst = m.data + offset * m.size;
  const bool packed = (m.col == 1 || n == 1) && (rows == 1 || m.row == n);
  if (m.convert) {
    m.convert(dense, packed ? dst : raw, rows * n);
    if (packed) return;
    dense = raw;
  } else if (packed) {
    std::memcpy(dst, dense, rows * n * m.size);
    return;
  }
  copy_2d(static_cast<const char*>(dense), n, 1, dst, m.row, m.col, rows, n, m.size);
}

// Offsets of one operand at a position of the dims [from, to) of an iteration space, row-major.
inline int64_t offset_at(const gems_iter& it, int k, int from, int to, int64_t position) {
  int64_t offset = 0;
  for (int d = to - 1; d >= from; d--) {
    const int64_t c = d == from ? position : position % it.size[d];
    position /= it.size[d];
    offset += c * it.stride[k][d];
  }
  return offset;
}

inline int64_t product(const int64_t* sizes, int from, int to) {
  int64_t p = 1;
  for (int d = from; d < to; d++) p *= sizes[d];
  return p;
}

inline int compute_size(int compute) { return compute == GEMS_F32 || compute == GEMS_I32 ? 4 : compute == GEMS_BOOL ? 1 : 8; }

// Below this a second thread costs more than it brings (an empty parallel region is about a microsecond).
constexpr int64_t kGrainBytes = 32 * 1024;

// f(begin, end) over n items of `bytes` each; small calls stay in this thread without a function pointer.
template <class F> void parallel_items(int64_t n, int64_t bytes, F f) {
  const int64_t grain = std::max<int64_t>(1, kGrainBytes / std::max<int64_t>(bytes, 1));
  if (n <= grain) f(int64_t{0}, n);
  else parallel(n, grain, f);
}

}  // namespace gems::cpu
