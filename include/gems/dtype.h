// Element types. The numbers equal c10::ScalarType's, so that a binding converts by a cast; the core itself knows no torch.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum gems_dtype {
  GEMS_U8 = 0,
  GEMS_I8 = 1,
  GEMS_I16 = 2,
  GEMS_I32 = 3,
  GEMS_I64 = 4,
  GEMS_F16 = 5,
  GEMS_F32 = 6,
  GEMS_F64 = 7,
  GEMS_C32 = 8,  // complex of two F16
  GEMS_C64 = 9,
  GEMS_C128 = 10,
  GEMS_BOOL = 11,
  GEMS_BF16 = 15,
  GEMS_DTYPE_COUNT = 48  // every id below this may appear; those without a name here are "unsupported"
};

#ifdef __cplusplus
}  // extern "C"

namespace gems {

constexpr int dtype_size(int d) {
  switch (d) {
    case GEMS_U8:
    case GEMS_I8:
    case GEMS_BOOL: return 1;
    case GEMS_I16:
    case GEMS_F16:
    case GEMS_BF16: return 2;
    case GEMS_I32:
    case GEMS_F32:
    case GEMS_C32: return 4;
    case GEMS_I64:
    case GEMS_F64:
    case GEMS_C64: return 8;
    case GEMS_C128: return 16;
    default: return 0;
  }
}
constexpr bool dtype_is_float(int d) { return d == GEMS_F16 || d == GEMS_F32 || d == GEMS_F64 || d == GEMS_BF16; }
constexpr bool dtype_is_int(int d) { return d >= GEMS_U8 && d <= GEMS_I64; }  // without bool
constexpr bool dtype_is_complex(int d) { return d >= GEMS_C32 && d <= GEMS_C128; }
// Types that our kernels load and store; everything else goes to the native kernel.
constexpr bool dtype_is_served(int d) { return dtype_is_float(d) || dtype_is_int(d) || d == GEMS_BOOL; }
constexpr const char* dtype_name(int d) {
  switch (d) {
    case GEMS_U8: return "uint8";
    case GEMS_I8: return "int8";
    case GEMS_I16: return "int16";
    case GEMS_I32: return "int32";
    case GEMS_I64: return "int64";
    case GEMS_F16: return "float16";
    case GEMS_F32: return "float32";
    case GEMS_F64: return "float64";
    case GEMS_C32: return "complex32";
    case GEMS_C64: return "complex64";
    case GEMS_C128: return "complex128";
    case GEMS_BOOL: return "bool";
    case GEMS_BF16: return "bfloat16";
    default: return "other";
  }
}

}  // namespace gems
#endif
