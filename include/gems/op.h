// The declaration half of an operator: what `ops/<family>/<op>.op.h` states once and everything else is derived from.
// Read by g++ (registry and CPU units) and by NVRTC, so no system header in here.
#pragma once

namespace gems {

// Which skeleton walks the memory (docs/design.md, "Families").
enum class family : unsigned char {
  pointwise,
  reduce,
  row,
  scan,
  index,
  create,
  copy,
  matmul,
  fused,
  random,
  sort,
  compact,
  map
};

// Result dtype.
enum class rule : unsigned char {
  same,      // the promoted type of the operands
  to_float,  // as same, integers and bool become the default float type (sqrt, exp, true division)
  boolean,   // computed in the promoted type, stored as bool (comparisons)
  first,     // the dtype of operand 0, the others are converted (masked_fill)
  sum,       // as same, integers and bool become int64 (sum, prod, cumsum)
  index      // int64 (argmax)
};

struct tol {
  double rel = 0, abs = 0;  // of the float32 result against a float64 reference; 16-bit types use flag_gems.testing
};
struct range {
  double lo = -4, hi = 4;  // sample values for tests and benchmarks
};

struct decl {
  // Blank-separated ATen names, every variant: "silu silu_ silu.out". "sum.dim_IntList=sum_dim" gives the Python
  // function name where the rule (base name, plus "_out" for out overloads) doesn't.
  const char* aten = "";
  family fam = family::pointwise;
  rule dtype = rule::same;
  int in = 1;   // operands (tensors or numbers), in schema order
  int par = 0;  // further numbers of the schema, passed to the functor after the operands
  int out = 1;
  unsigned nopromote = 0;  // bit k: operand k takes no part in type promotion (the condition of where)
  // Numbers beside 16-bit floating point are rounded to it like tensors, but torch's kernels keep some in the compute type: bit k:
  // operand k on the CPU, bit 4 + k: on a GPU.
  unsigned wide = 0;
  // Bit i: parameter i takes part in type promotion (the exponent of pow). With an integer result it must be one of that dtype from 0
  // on: others are torch's errors.
  unsigned promote = 0;
  const char* types =
      "fd";  // compute types: f float, d double, l int64 (serves every integer), i int32, b bool; ! no bool tensors, - no 16-bit
             // floating point (f is float32 alone), = tensors of one dtype only (no promotion)
  int slots = 0;             // reductions in passes: accumulators of one result (docs/design.md, "Families"); 0: one an output
  const char* choices = "";  // a str argument becomes its position in this blank-separated list ("none tanh")
  // Value of operand k, behind the operands of parameter k - in, when None was given, blank-separated: "- -inf inf" (clamp). most, least:
  // of the result's dtype.
  const char* missing = "";
  tol t{1e-6, 1e-7};
  range samples{};
  const char* roles =
      "";  // row family: outputs then inputs, r row, v vector shared by all rows, s one number a row; sort: the algorithm
  const char* schema = "";  // custom operators (flag_gems::...): the full schema text
  const char* doc = "";
};

}  // namespace gems
