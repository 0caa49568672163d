// Unboxed entries for the hot signatures: no IValue stack. 16 floats, from Python: boxed add 742-769 ns, unboxed 686-706, native 1075.
#pragma once
#include <torch/library.h>

#include "bindings/torch/row.h"

namespace gems::torch_binding {

// Registers an unboxed entry for the row if its signature has one. false: the caller registers the boxed entry.
bool register_unboxed(torch::Library& lib, Row& row, int device);

}  // namespace gems::torch_binding
