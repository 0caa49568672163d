// Type promotion, the rules of torch.result_type: a category (bool < integer < floating < complex) of a dimensioned tensor beats
// the same or a lower category of 0-d tensors, those beat numbers.
#pragma once
#include "core/base.h"

namespace gems {

// The smallest type that both promote to (torch.promote_types); -1 when one of them isn't served.
GEMS_API int promote_types(int a, int b);

// Common dtype of the operands; `skip` masks operands that take no part, `default_dtype` is what Python floats become
// (torch.get_default_dtype()). ABSENT operands take no part. -1 when an operand's dtype isn't served.
GEMS_API int result_type(const gems_tensor* operands, int n, unsigned skip, int default_dtype);

// Whether `to` holds every value of `from` exactly.
GEMS_API bool embeds(int from, int to);

}  // namespace gems
