#include "bindings/torch/unboxed.h"

namespace gems::torch_binding {

bool register_unboxed(torch::Library&, Row&, int) { return false; }

}  // namespace gems::torch_binding
