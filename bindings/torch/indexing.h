// A call of the index family being put together (docs/design.md): one operand is walked, the other is a table.
#pragma once
#include "bindings/torch/handlers.h"
#include "bindings/torch/tensors.h"

namespace gems::torch_binding {

constexpr int kMaxIndices = 3;
enum Combine { kSet, kAdd, kMul, kMin, kMax, kInFloat = 256 };  // kAdd | kInFloat: kernels/simd/offsets.h

struct IndexCall {
  gems_call call;
  int rank = 0;
  int64_t sizes[kMaxRank];                     // of the walked operand
  int64_t strides[2 + kMaxIndices][kMaxRank];  // t[k]'s along them
  // t[0] = out or self, t[1] = self or src, then the indices. Numbers are for the indices in turn.
  IndexCall(const Row& r, int indices, bool wraps) {
    call.op = r.op;
    call.nout = 1;
    call.nin = 1 + indices;
    call.npar = 7;
    call.compute = GEMS_I64;
    call.par[6].i = wraps;
  }
  void dimension(int k, int64_t step, int64_t size) {
    call.par[2 * k].i = step;
    call.par[2 * k + 1].i = size;
  }
  void set(int k, int d, int64_t stride) { strides[k][d] = stride; }
  void scatter(int combine) {
    call.npar = 8;
    call.par[7].i = combine;
  }
  bool run();  // false: the native kernel runs; an index that is out of range is its error
};

bool index_dtype(const at::Tensor& i);
// Whether the program asked for results that don't depend on the order of threads; our GPU scatters leave such calls.
bool deterministic();
// What a combination is for self's dtype: sums and products of bool are maxima and minima.
int combine_for(const at::Tensor& self, int combine);

// Where a scatter's result goes: self itself, out=, or new memory, with self's values. Undefined: not possible.
at::Tensor scatter_target(Row& r, c10::IValue* a, const at::Tensor& self);

}  // namespace gems::torch_binding
