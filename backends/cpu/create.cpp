// arange, tril, triu: nothing here depends on an instruction set; it is all stores.
#include <type_traits>

#include "backends/cpu/block.h"

namespace gems::cpu {

namespace {

// start + i * step in double or int64, rounded once to the output's dtype.
template <class T> void fill_range(const gems_tensor& t, int64_t stride, gems_convert_fn convert, T start, T step) {
  const Matrix out{static_cast<char*>(t.data), 0, stride, dtype_size(t.dtype), convert};
  constexpr int64_t block = 2048;
  parallel_items((t.numel + block - 1) / block, block * out.size, [&](int64_t begin, int64_t end) {
    alignas(64) T values[block];
    alignas(64) char raw[block * 8];
    for (int64_t b = begin; b < end; b++) {
      const int64_t i0 = b * block, n = std::min(block, t.numel - i0);
      T* to = out.direct(n) ? reinterpret_cast<T*>(out.data) + i0 : values;
      for (int64_t i = 0; i < n; i++) {  // wraps as torch's integers do
        if constexpr (std::is_same_v<T, int64_t>)
          to[i] =
              static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i0 + i) * static_cast<uint64_t>(step));
        else to[i] = start + static_cast<double>(i0 + i) * step;
      }
      if (to == values) store(out, i0 * stride, 1, n, values, raw);
    }
  });
}

gems_status arange(const gems_call* call) {
  const gems_tensor& out = call->t[0];
  if (!dtype_is_served(out.dtype)) return unsupported("dtype");
  if (out.numel == 0) return GEMS_OK;
  const int64_t stride = out.ndim ? out.strides[out.ndim - 1] : 1;
  if (dtype_is_float(call->compute))
    fill_range<double>(out, stride, convert_fn(GEMS_F64, out.dtype), call->par[0].d, call->par[1].d);
  else fill_range<int64_t>(out, stride, convert_fn(GEMS_I64, out.dtype), call->par[0].i, call->par[1].i);
  return GEMS_OK;
}

void zero(char* row, int64_t stride, int64_t from, int64_t to, int size) {
  if (from >= to) return;
  if (stride == 1) {
    std::memset(row + from * size, 0, (to - from) * size);
    return;
  }
  for (int64_t i = from; i < to; i++) std::memset(row + i * stride * size, 0, size);
}

gems_status triangle(const gems_call* call, bool lower) {
  const gems_tensor &out = call->t[0], &in = call->t[1];
  if (!dtype_is_served(out.dtype) || in.dtype != out.dtype || out.ndim < 2) return unsupported("operand of a triangle");
  const int nd = out.ndim, size = dtype_size(out.dtype);
  const int64_t rows = out.sizes[nd - 2], cols = out.sizes[nd - 1], diagonal = std::clamp(call->par[0].i, -rows, cols);
  if (out.numel == 0) return GEMS_OK;
  const int64_t so = out.strides[nd - 1], si = in.strides[nd - 1];
  const bool in_place = out.data == in.data;
  parallel_items(out.numel / cols, cols * size * 2, [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; q++) {
      int64_t at = q, to = 0, from = 0;
      for (int d = nd - 2; d >= 0; d--) {
        const int64_t c = at % out.sizes[d];
        at /= out.sizes[d];
        to += c * out.strides[d];
        from += c * in.strides[d];
      }
      const int64_t edge =
          std::clamp<int64_t>(q % rows + diagonal + (lower ? 1 : 0), 0, cols);  // first column beyond (lower) or kept
      const int64_t k0 = lower ? 0 : edge, k1 = lower ? edge : cols;
      char* dst = static_cast<char*>(out.data) + to * size;
      const char* src = static_cast<const char*>(in.data) + from * size;
      if (!in_place) copy_2d(src + k0 * si * size, 0, si, dst + k0 * so * size, 0, so, 1, k1 - k0, size);
      zero(dst, so, 0, k0, size);
      zero(dst, so, k1, cols, size);
    }
  });
  return GEMS_OK;
}

}  // namespace

gems_status run_create(const gems_call* call) {
  const char* name = call->op->name;
  if (std::strcmp(name, "arange") == 0) return arange(call);
  if (std::strcmp(name, "tril") == 0) return triangle(call, true);
  if (std::strcmp(name, "triu") == 0) return triangle(call, false);
  return unsupported("operator of the create family");
}

}  // namespace gems::cpu
