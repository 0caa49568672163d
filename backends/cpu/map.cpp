// The map family (docs/design.md): copies whose source coordinate is a function of the result's, each dimension for itself (flip, roll,
// reflection, replication), and their gradients, which add up all places where an element went. Either is a few runs a dimension.
#include "backends/cpu/block.h"
#include "kernels/simd/offsets.h"

#define GEMS_DECLARE(isa) extern "C" const gems_offsets_table gems_offsets_##isa;
GEMS_FOR_EACH_ISA(GEMS_DECLARE)
#undef GEMS_DECLARE

namespace gems::cpu {

namespace {

enum Mode { kWrap, kClamp, kReflect, kUnfold };

const gems_offsets_table& table() {
#define GEMS_ADDRESS(isa) &gems_offsets_##isa,
  static constexpr const gems_offsets_table* tables[] = {GEMS_FOR_EACH_ISA(GEMS_ADDRESS)};
#undef GEMS_ADDRESS
  return *tables[isa()];
}

// n positions at + i * at_step of the walked operand meet offsets from + i * from_step (elements) of the other one.
struct Run {
  int64_t at, n, from, at_step, from_step;
};

struct Plan {
  const gems_iter* it;
  Mode mode;
  bool fold;
  Run* runs[GEMS_MAX_DIMS];
  int count[GEMS_MAX_DIMS];
};

// The runs of dimension d. it.stride[2]: shift (roll: of the result; pads: elements in front; unfold: step), it.stride[3]: the source's size
// (a gradient: of the result, what is read), it.stride[4]: unfold's stride inside a window. Returns how many there are.
int runs_of(const Plan& p, int d, Run* r) {
  const gems_iter& it = *p.it;
  const int64_t size = it.size[d], stride = it.stride[1][d], shift = it.stride[2][d], other = it.stride[3][d];
  int k = 0;
  const auto add = [&](int64_t at, int64_t n, int64_t from, int64_t at_step, int64_t from_step) {
    if (n > 0) r[k++] = {at, n, from * stride, at_step, from_step * stride};
  };
  if (p.mode == kUnfold && shift) {  // `other` windows, `shift` apart; it.stride[5]: their length
    for (int64_t i = 0; i < it.stride[5][d]; i++) r[k++] = {i, other, i * it.stride[4][d], shift, stride};
    return k;
  }
  if (size == other && !shift) {
    add(0, size, 0, 1, 1);
  } else if (p.mode == kWrap) {
    add(0, shift, size - shift, 1, 1);
    add(shift, size - shift, 0, 1, 1);
  } else if (!p.fold) {
    const int64_t behind = size - shift - other;
    const bool reflect = p.mode == kReflect;
    add(0, shift, reflect ? shift : 0, 1, reflect ? -1 : 0);
    add(shift, other, 0, 1, 1);
    add(shift + other, behind, reflect ? other - 2 : other - 1, 1, reflect ? -1 : 0);
  } else {
    const int64_t behind = other - shift - size;
    add(0, size, shift, 1, 1);
    if (p.mode == kReflect) {
      add(1, shift, shift - 1, 1, -1);
      add(size - 1 - behind, behind, size - 1 + behind + shift, 1, -1);
    } else {
      add(0, shift, 0, 0, 1);
      add(size - 1, behind, shift + size, 0, 1);
    }
  }
  return k;
}

template <class T> void fill(char* dst, int64_t step, const char* src, int64_t n) {
  const T x = *reinterpret_cast<const T*>(src);
  T* d = reinterpret_cast<T*>(dst);
  for (int64_t i = 0; i < n; i++) d[i * step] = x;
}
void copy_run(char* dst, int64_t to, const char* src, int64_t from, int64_t n, int size) {
  if (to == 1 && from == 1) {
    std::memcpy(dst, src, n * size);
  } else if (to == 1 && from == -1) {
    table().reverse[__builtin_ctz(size)](dst, src, n);
  } else if (from == 0) {
    switch (size) {
      case 1: return fill<uint8_t>(dst, to, src, n);
      case 2: return fill<uint16_t>(dst, to, src, n);
      case 4: return fill<uint32_t>(dst, to, src, n);
      default: return fill<uint64_t>(dst, to, src, n);
    }
  } else {
    copy_2d(src, 0, from, dst, 0, to, 1, n, size);
  }
}

void copy_rows(const Plan& p, const gems_call* call, int64_t piece, int64_t pieces, int64_t begin, int64_t end) {
  const gems_iter& it = *p.it;
  const int fast = it.ndim - 1, size = dtype_size(call->t[0].dtype);
  for (int64_t q = begin; q < end; q++) {
    int64_t rest = q / pieces, to = 0, from = 0;
    const int64_t i0 = q % pieces * piece, i1 = std::min(it.size[fast], i0 + piece);
    for (int d = fast - 1; d >= 0; d--) {
      const int64_t c = rest % it.size[d];
      rest /= it.size[d];
      to += c * it.stride[0][d];
      const Run* r = p.runs[d];
      while (c >= r->at + r->n) r++;
      from += r->from + (c - r->at) * r->from_step;
    }
    char* dst = static_cast<char*>(call->t[0].data) + to * size;
    const char* src = static_cast<const char*>(call->t[1].data) + from * size;
    const int64_t step = it.stride[0][fast];
    for (int k = 0; k < p.count[fast]; k++) {
      const Run& r = p.runs[fast][k];
      const int64_t a = std::max(i0, r.at), b = std::min(i1, r.at + r.n);
      if (a < b)
        copy_run(dst + a * step * size, step, src + (r.from + (a - r.at) * r.from_step) * size, r.from_step, b - a, size);
    }
  }
}

struct Fold {
  const Plan& p;
  const char* src;
  int size, dtype;
  int64_t position[GEMS_MAX_DIMS];
  char* acc;
  int bytes;

  void add(int d, int64_t offset) const {
    const int fast = p.it->ndim - 1;
    if (d == fast) {
      for (int k = 0; k < p.count[d]; k++) {
        const Run& r = p.runs[d][k];
        table().fold[dtype](acc + r.at * bytes, r.at_step, src + (offset + r.from) * size, r.from_step, r.n);
      }
      return;
    }
    for (int k = 0; k < p.count[d]; k++) {
      const Run& r = p.runs[d][k];
      const int64_t behind = position[d] - r.at;
      if (r.at_step == 0) {
        if (behind == 0)
          for (int64_t i = 0; i < r.n; i++) add(d + 1, offset + r.from + i * r.from_step);
      } else if (behind >= 0 && behind % r.at_step == 0 && behind / r.at_step < r.n) {
        add(d + 1, offset + r.from + behind / r.at_step * r.from_step);
      }
    }
  }
};

void fold_rows(const Plan& p, const gems_call* call, int64_t begin, int64_t end) {
  const gems_iter& it = *p.it;
  const gems_tensor& out = call->t[0];
  const int fast = it.ndim - 1, bytes = compute_size(call->compute);
  const Matrix to{static_cast<char*>(out.data), 0, it.stride[0][fast], dtype_size(out.dtype),
                  convert_fn(call->compute, out.dtype)};
  const int64_t n = it.size[fast];
  Scratch memory;
  char* acc = memory.take(n * (bytes + 8));
  Fold f{p, static_cast<const char*>(call->t[1].data), dtype_size(call->t[1].dtype), call->t[1].dtype, {}, acc, bytes};
  for (int64_t q = begin; q < end; q++) {
    int64_t rest = q, at = 0;
    for (int d = fast - 1; d >= 0; d--) {
      f.position[d] = rest % it.size[d];
      rest /= it.size[d];
      at += f.position[d] * it.stride[0][d];
    }
    std::memset(acc, 0, n * bytes);
    f.add(0, 0);
    store(to, at, 1, n, acc, acc + n * bytes);
  }
}

}  // namespace

gems_status run_map(const gems_call* call) {
  const gems_iter& it = call->it;
  const gems_tensor &out = call->t[0], &in = call->t[1];
  if (!dtype_is_served(out.dtype) || in.dtype != out.dtype) return unsupported("dtype");
  Plan p;
  p.it = &it;
  p.mode = static_cast<Mode>(call->par[0].i);
  p.fold = call->par[1].i != 0;
  if (p.fold && !table().fold[out.dtype]) return unsupported("dtype of a gradient");
  if (it.numel == 0) return GEMS_OK;
  Scratch memory;
  int64_t most = 0;
  for (int d = 0; d < it.ndim; d++) most += p.mode == kUnfold && it.stride[2][d] ? it.stride[5][d] : 3;
  Run* next = reinterpret_cast<Run*>(memory.take(most * sizeof(Run)));
  for (int d = 0; d < it.ndim; d++) {
    p.runs[d] = next;
    p.count[d] = runs_of(p, d, next);
    next += p.count[d];
  }
  const int64_t n = it.size[it.ndim - 1], rows = it.numel / n, bytes = 2 * n * dtype_size(out.dtype);
  if (p.fold) {
    parallel_items(rows, bytes, [&](int64_t b, int64_t e) { fold_rows(p, call, b, e); });
    return GEMS_OK;
  }
  const int64_t piece = rows >= 64 ? n : std::min<int64_t>(n, 16384), pieces = (n + piece - 1) / piece;
  parallel_items(rows * pieces, bytes / pieces, [&](int64_t b, int64_t e) { copy_rows(p, call, piece, pieces, b, e); });
  return GEMS_OK;
}

}  // namespace gems::cpu
