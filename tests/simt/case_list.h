// Which calls are tried. Included by cases.cpp.
#pragma once

static Dims dense(const Dims& size) {
  Dims s(size.size());
  int64_t step = 1;
  for (size_t d = size.size(); d-- > 0;) s[d] = step, step *= size[d];
  return s;
}
static std::string describe(const char* op, int dtype, const Dims& size, const char* what) {
  std::string s = std::string(op) + " " + gems::dtype_name(dtype) + " [";
  for (int64_t n : size) s += std::to_string(n) + " ";
  return s + "] " + what;
}

// ---- row ----
enum Layout { kDense, kAcross, kPadded, kMisaligned, kThreeKept };
// size: kept dims, then the row. kAcross: the row's elements lie `inner` apart (softmax over a dimension that isn't the last).
template <class F> void row_case(const char* name, const char* header, int id, int dtype, int stat_dtype, Dims size,
                                 Layout layout, unsigned absent = 0, bool in_place = false) {
  Case c;
  const char* kNames[] = {"dense", "across", "padded", "misaligned", "three kept"};
  c.name = describe(name, dtype, size, kNames[layout]);
  set_op<F>(c, name, header, id);
  const size_t last = size.size() - 1;
  Dims stride = dense(size);
  if (layout == kAcross) {  // memory order: ..., row, inner
    Dims memory = size;
    std::swap(memory[last - 1], memory[last]);
    stride = dense(memory);
    std::swap(stride[last - 1], stride[last]);
  } else if (layout == kPadded || layout == kThreeKept) {
    Dims memory = size;
    for (size_t d = 1; d < memory.size(); d++) memory[d] += 8;
    stride = dense(memory);
  }
  set_space(c, size, 1);
  c.call.compute = int8_t(compute_of(dtype));
  const int nt = c.call.nout + c.call.nin;
  for (int k = 0; k < nt; k++) {
    const char role = gems::simt::row_role<F>(k);
    Dims s = stride;
    if (role == 'v') {
      for (int64_t& x : s) x = 0;
      s[last] = 1;
    } else if (role == 's') {
      Dims kept(size.begin(), size.end() - 1);
      s = dense(kept);
      s.push_back(0);
    }
    add_operand(c, k, role == 's' ? stat_dtype : dtype, size, s, layout == kMisaligned && role == 'r' ? 1 : 0,
                role == 's' ? 0.5 : -2, 2);
    if (absent >> k & 1) c.call.t[k].flags = GEMS_T_ABSENT, c.call.t[k].data = nullptr;
  }
  c.call.par[0].d = 1e-5;
  if (in_place)
    for (int o = 0; o < c.call.nout; o++) {
      c.operands[size_t(o)].bytes = c.operands[size_t(c.call.nout + o)].bytes;
      c.operands[size_t(o)].before = c.operands[size_t(c.call.nout + o)].before;
      c.call.t[c.call.nout + o].data = c.call.t[o].data = c.operands[size_t(o)].data();
    }
  if (run(c, gems::cuda::run_row)) check_row<F>(c);
}

// ---- reduce ----
enum Where { kInner, kOuter, kMiddle, kAll };
template <class F> void reduce_case(const char* name, const char* header, int id, int dtype, int out_dtype, Dims size,
                                    Where where, double lo = -2, double hi = 2, bool with_nan = false, int offset = 0) {
  // size is the memory order of input 0. kInner reduces the last dimension, kOuter the first, kMiddle all but the middle one.
  Case c;
  const char* kNames[] = {"inner", "outer", "all but the middle", "all"};
  c.name = describe(name, dtype, size, kNames[where]);
  set_op<F>(c, name, header, id);
  Dims memory = dense(size), kept_size, kept_stride, red_size, red_stride;
  for (size_t d = 0; d < size.size(); d++) {
    bool reduced =
        where == kAll || (where == kInner && d == size.size() - 1) || (where == kOuter && d == 0) || (where == kMiddle && d != 1);
    (reduced ? red_size : kept_size).push_back(size[d]);
    (reduced ? red_stride : kept_stride).push_back(memory[d]);
  }
  Dims space = kept_size, in_stride = kept_stride;
  space.insert(space.end(), red_size.begin(), red_size.end());
  in_stride.insert(in_stride.end(), red_stride.begin(), red_stride.end());
  set_space(c, space, int(red_size.size()));
  c.call.compute = int8_t(compute_of(dtype));
  for (int o = 0; o < c.call.nout; o++) {
    Dims s = dense(kept_size);
    s.insert(s.end(), red_size.size(), 0);
    bool index = gems::simt::is_indexed<F> && o == c.call.nout - 1;
    add_operand(c, o, index ? int(GEMS_I64) : out_dtype, space, s, 0, 0, 2);
  }
  for (int k = 0; k < c.call.nin; k++) {
    Dims s = in_stride;
    bool spread = k >= 2 || (c.call.nin == 3 && k == 2);  // mean and rstd: one number for each reduced row
    if (spread) {
      for (int64_t& x : s) x = 0;
      s[kept_size.size()] = 1;
    }
    add_operand(c, c.call.nout + k, spread ? int(GEMS_F32) : dtype, space, s, spread ? 0 : offset, lo, hi);
  }
  if (with_nan) {
    Operand& in = c.operands[size_t(c.call.nout)];
    for (size_t i = in.before.size() / 2; i < in.before.size(); i += 97) in.write(int64_t(i), NAN), in.before[i] = NAN;
  }
  c.call.par[0].d = 1;
  if (run(c, gems::cuda::run_reduce)) check_reduce<F>(c);
}

// ---- scan ----
template <class F> void scan_case(const char* name, const char* header, int id, int dtype, int out_dtype, Dims size, bool across,
                                  double lo = -2, double hi = 2) {
  Case c;
  c.name = describe(name, dtype, size, across ? "across" : "dense");
  set_op<F>(c, name, header, id);
  Dims stride = dense(size);
  const size_t last = size.size() - 1;
  if (across) {
    Dims memory = size;
    std::swap(memory[last - 1], memory[last]);
    stride = dense(memory);
    std::swap(stride[last - 1], stride[last]);
  }
  set_space(c, size, 1);
  c.call.compute = int8_t(compute_of(out_dtype));
  add_operand(c, 0, out_dtype, size, stride, 0, lo, hi);
  add_operand(c, 1, dtype, size, stride, 0, lo, hi);
  if (run(c, gems::cuda::run_scan)) check_scan<F>(c);
}

#define ROW(name, id, ...) row_case<op::name>(#name, "ops/row/" #name ".op.h", id, __VA_ARGS__)
#define FUSED(name, id, ...) row_case<op::name>(#name, "ops/fused/" #name ".op.h", id, __VA_ARGS__)
#define RED(name, id, ...) reduce_case<op::name>(#name, "ops/reduce/" #name ".op.h", id, __VA_ARGS__)
#define SCAN(name, id, ...) scan_case<op::name>(#name, "ops/scan/" #name ".op.h", id, __VA_ARGS__)

static void cases() {
  for (int t : {GEMS_BF16, GEMS_F32}) {
    for (Dims s : {Dims{5, 8}, Dims{3, 1}, Dims{300, 40}, Dims{33, 24}, Dims{7, 1000}, Dims{20, 2048}, Dims{20, 4160},
                   Dims{2, 2050}, Dims{3, 5003}, Dims{0, 8}})
      ROW(softmax, 1, t, t, s, kDense);
    ROW(softmax, 1, t, t, {2, 70000}, kDense);  // longer than the registers
    ROW(softmax, 1, t, t, {2, 80001}, kDense);
    ROW(softmax, 1, t, t, {6, 264}, kPadded);
    ROW(softmax, 1, t, t, {6, 264}, kMisaligned);
    ROW(softmax, 1, t, t, {3, 4, 5, 264}, kThreeKept);
    for (Dims s : {Dims{3, 40, 3}, Dims{2, 33, 20}, Dims{2, 64, 200}, Dims{1, 40, 700}, Dims{1, 34, 1500}, Dims{300, 32, 5}})
      ROW(softmax, 1, t, t, s, kAcross);
    ROW(softmax, 1, t, t, {40, 3, 70}, kAcross);  // few neighbours: lanes along the row, strided
    ROW(layer_norm, 2, t, GEMS_F32, {9, 768}, kDense);
    ROW(layer_norm, 2, t, GEMS_F32, {9, 768}, kDense, 1u << 4);
    ROW(layer_norm, 2, t, GEMS_F32, {9, 768}, kDense, 1u << 5 | 1u << 4);
    ROW(layer_norm, 2, t, GEMS_F32, {9, 66000}, kDense, 1u << 5 | 1u << 2);
    ROW(rms_norm, 3, t, GEMS_F32, {20, 4096}, kDense);
    ROW(layer_norm, 2, t, GEMS_F32, {9, 3072}, kDense);  // kernels for exactly 96, 192 and 512 threads
    ROW(softmax, 1, t, t, {9, 16384}, kDense);
    ROW(rms_norm, 3, t, GEMS_F32, {1, 576}, kDense);
    FUSED(fused_add_rms_norm, 4, t, t, {5, 2048}, kDense, 0, true);
    FUSED(fused_add_rms_norm, 4, t, t, {5, 576}, kDense, 0, true);
    FUSED(fused_add_rms_norm, 4, t, t, {2, 66000}, kDense, 0, true);
  }
  ROW(layer_norm, 2, GEMS_F64, GEMS_F64, {9, 2048}, kDense);  // too many registers for early weights
  ROW(softmax, 1, GEMS_F64, GEMS_F64, {6, 300}, kDense);
  ROW(softmax, 1, GEMS_F16, GEMS_F16, {6, 304}, kDense);
  ROW(log_softmax, 5, GEMS_F32, GEMS_F32, {6, 1000}, kDense);
  ROW(softmax_backward, 6, GEMS_F32, GEMS_F32, {6, 1000}, kDense);
  ROW(softmax_backward, 6, GEMS_F32, GEMS_F32, {2, 40, 60}, kAcross);
  ROW(log_softmax_backward, 7, GEMS_F32, GEMS_F32, {6, 1000}, kDense);
  ROW(layer_norm_backward, 8, GEMS_BF16, GEMS_F32, {6, 1024}, kDense);
  ROW(layer_norm_backward, 8, GEMS_F32, GEMS_F32, {6, 70000}, kDense, 1u << 5);
  ROW(rms_norm_backward, 9, GEMS_BF16, GEMS_F32, {6, 1024}, kDense);
  ROW(rms_norm_backward, 9, GEMS_F64, GEMS_F64, {6, 100}, kDense, 1u << 4);

  for (int t : {GEMS_BF16, GEMS_F32}) {
    for (Dims s : {Dims{5, 3}, Dims{37, 64}, Dims{9, 1000}, Dims{300, 2048}, Dims{3, 120000}, Dims{2, 1}, Dims{4, 0}, Dims{0, 4},
                   Dims{1, 100003}})
      RED(sum, 20, t, t, s, kInner);
    for (Dims s : {Dims{1000, 8}, Dims{50, 40}, Dims{3, 999}, Dims{5000, 264}, Dims{3000, 3}, Dims{20000, 1}, Dims{0, 5}})
      RED(sum, 20, t, t, s, kOuter);
    RED(sum, 20, t, t, {6, 5, 24}, kMiddle);
    RED(sum, 20, t, t, {300, 5, 264}, kMiddle);
    RED(sum, 20, t, t, {7}, kAll);
    RED(sum, 20, t, t, {300001}, kAll);
    RED(sum, 20, t, t, {300001}, kAll, -2, 2, false, 1);  // misaligned
    RED(sum, 20, t, t, {}, kAll);
    RED(mean, 21, t, t, {9, 1000}, kInner);
    RED(mean, 21, t, t, {4, 0}, kInner);
    for (bool nan : {false, true}) {
      RED(amax, 22, t, t, {9, 1000}, kInner, -2, 2, nan);
      RED(amin, 23, t, t, {1000, 40}, kOuter, -2, 2, nan);
      RED(argmax, 24, t, t, {9, 1000}, kInner, -2, 2, nan);
      RED(argmax, 24, t, t, {1000, 40}, kOuter, -2, 2, nan);
      RED(argmin, 25, t, t, {200001}, kAll, -2, 2, nan);
      RED(max_dim, 26, t, t, {5, 300}, kInner, -2, 2, nan);
      RED(max_dim, 26, t, t, {5000, 70}, kOuter, -2, 2, nan);
    }
  }
  RED(sum, 20, GEMS_F64, GEMS_F64, {9, 1000}, kInner);
  RED(sum, 20, GEMS_I64, GEMS_I64, {9, 1000}, kInner, -100, 100);
  RED(sum, 20, GEMS_U8, GEMS_I64, {9, 1000}, kInner, 0, 255);
  RED(sum, 20, GEMS_BOOL, GEMS_I64, {4000, 64}, kOuter, 0, 2);
  RED(sum, 20, GEMS_I32, GEMS_I64, {300007}, kAll, -100, 100);
  RED(prod, 27, GEMS_F32, GEMS_F32, {9, 50}, kInner, 0.8, 1.2);
  RED(any, 28, GEMS_BOOL, GEMS_BOOL, {40, 30}, kInner, 0, 1.05);
  RED(any, 28, GEMS_F32, GEMS_BOOL, {9, 1000}, kInner, 0, 0);
  RED(all, 29, GEMS_U8, GEMS_U8, {40, 30}, kInner, 0, 30);
  RED(all, 29, GEMS_BF16, GEMS_BOOL, {1000, 8}, kOuter, 0.5, 2);
  RED(argmax, 24, GEMS_I64, GEMS_I64, {40, 300}, kInner, 0, 5);  // ties
  RED(argmax, 24, GEMS_U8, GEMS_I64, {3000, 32}, kOuter, 0, 5);
  RED(argmin, 25, GEMS_I32, GEMS_I64, {200000}, kAll, 0, 3);
  RED(min_dim, 30, GEMS_I64, GEMS_I64, {40, 300}, kInner, 0, 5);
  for (int t : {GEMS_BF16, GEMS_F32})
    for (Dims s : {Dims{500, 264}, Dims{4000, 64}, Dims{30, 7}}) {
      RED(layer_norm_param_grad, 31, t, t, s, kOuter);
      RED(rms_norm_param_grad, 32, t, t, s, kOuter);
    }

  for (int t : {GEMS_BF16, GEMS_F32, GEMS_F64}) {
    for (Dims s : {Dims{5, 3}, Dims{37, 64}, Dims{9, 1000}, Dims{3, 120000}, Dims{2, 2}, Dims{1, 100003}})
      RED(var_mean, 33, t, t, s, kInner);
    for (Dims s : {Dims{1000, 8}, Dims{50, 40}, Dims{3, 999}, Dims{5000, 264}, Dims{20000, 1}})
      RED(var_mean, 33, t, t, s, kOuter);
    RED(var_mean, 33, t, t, {30, 5, 264}, kMiddle);
    RED(var_mean, 33, t, t, {300001}, kAll, 90, 100);
    RED(std_mean, 34, t, t, {300001}, kAll, -2, 2, false, 1);
  }
  for (int t : {GEMS_BF16, GEMS_F32, GEMS_F64}) {
    for (Dims s : {Dims{5, 7}, Dims{300, 16}, Dims{3, 104}, Dims{2, 1000}, Dims{3, 5000}, Dims{1, 100000}, Dims{2, 70003},
                   Dims{4, 0}, Dims{6, 1}})
      SCAN(cumsum, 40, t, t, s, false);
    SCAN(cumsum, 40, t, t, {1, 4100, 19}, true);
    SCAN(cumsum, 40, t, t, {3, 5, 70}, true);
  }
  SCAN(cumsum, 40, GEMS_I32, GEMS_I64, {3, 1000}, false, -100, 100);
  SCAN(cumsum, 40, GEMS_BOOL, GEMS_I64, {1, 60000}, false, 0, 2);
  SCAN(cumsum, 40, GEMS_U8, GEMS_I64, {40, 80}, false, 0, 200);
  SCAN(cumprod, 41, GEMS_F32, GEMS_F32, {9, 60}, false, 0.8, 1.2);
}

// The same results whatever the knobs say: each value of each knob, and pairs that change what a block does.
static void variant_cases() {
  std::vector<gems_knobs> all;
  for (uint8_t v = 1; v <= 7; v++) {
    all.push_back({v, 0, 0, 0});
    if (v <= 3) all.push_back({0, v, 0, 0});
    if (v <= 4) all.push_back({0, 0, v, 0});
    if (v <= 5) all.push_back({0, 0, 0, v});
  }
  for (gems_knobs k :
       {gems_knobs{2, 0, 1, 0}, gems_knobs{5, 1, 0, 0}, gems_knobs{4, 2, 0, 0}, gems_knobs{4, 0, 1, 3}, gems_knobs{1, 0, 3, 2}})
    all.push_back(k);
  for (gems_knobs k : all) {
    g_candidate = gems_variant(k);
    if (!k.split) {
      ROW(softmax, 1, GEMS_BF16, GEMS_BF16, {9, 4160}, kDense);
      ROW(softmax, 1, GEMS_F32, GEMS_F32, {33, 24}, kDense);
      ROW(softmax, 1, GEMS_F32, GEMS_F32, {2, 33, 40}, kAcross);
      ROW(layer_norm, 2, GEMS_BF16, GEMS_F32, {9, 3072}, kDense);
      ROW(rms_norm, 3, GEMS_F32, GEMS_F32, {5, 700}, kDense);
      FUSED(fused_add_rms_norm, 4, GEMS_BF16, GEMS_BF16, {5, 2048}, kDense, 0, true);
    }
    if (k.unroll || k.tile > 5) continue;  // gems_backend.run() lets no call through with values that its family hasn't
    SCAN(cumsum, 40, GEMS_BF16, GEMS_BF16, {3, 9000}, false);
    SCAN(cumsum, 40, GEMS_F32, GEMS_F32, {1, 70003}, false);
    SCAN(cumsum, 40, GEMS_F32, GEMS_F32, {3, 500, 70}, true);
    if (k.tile > 4) continue;
    RED(sum, 20, GEMS_BF16, GEMS_BF16, {9, 9000}, kInner);
    RED(sum, 20, GEMS_F32, GEMS_F32, {37, 64}, kInner);
    RED(sum, 20, GEMS_F32, GEMS_F32, {100003}, kAll);
    RED(sum, 20, GEMS_BF16, GEMS_BF16, {2000, 264}, kOuter);
    RED(argmax, 24, GEMS_F32, GEMS_F32, {9, 5000}, kInner);
    RED(max_dim, 26, GEMS_F32, GEMS_F32, {3000, 70}, kOuter);
  }
  g_candidate = 0;
}
