// A borrowed view of somebody's tensor: no ownership, no reference counts. Sizes and strides point into the owner's arrays.
#pragma once
#include <stdint.h>

#include "gems/dtype.h"

#ifdef __cplusplus
extern "C" {
#endif

enum gems_device_type { GEMS_CPU = 0, GEMS_CUDA = 1 };  // equal to c10::DeviceType

enum gems_tensor_flags {
  GEMS_T_SCALAR = 1,      // no memory: the value is in `imm` (numbers in the caller's program)
  GEMS_T_WRAPPED = 2,     // takes part in type promotion as a number does (torch: wrapped number)
  GEMS_T_CONTIGUOUS = 4,  // row-major without gaps; set by whoever fills the struct
  GEMS_T_ABSENT = 8,      // an optional argument that was not given
  GEMS_T_VIA = 16         // pointwise: an input that is converted to the call's common dtype before the compute type
};

typedef union gems_scalar {
  double d;
  int64_t i;
} gems_scalar;

typedef struct gems_tensor {
  void* data;
  const int64_t* sizes;    // [ndim], elements
  const int64_t* strides;  // [ndim], elements
  int64_t numel;
  gems_scalar imm;  // with GEMS_T_SCALAR: .d for floating dtypes, .i for integers and bool
  int32_t ndim;
  int8_t dtype;         // enum gems_dtype
  int8_t device_type;   // enum gems_device_type
  int8_t device_index;  // 0 on the CPU
  uint8_t flags;
} gems_tensor;

#ifdef __cplusplus
}
#endif
