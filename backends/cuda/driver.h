// The part of the CUDA driver API that the backend uses, declared here and resolved from libcuda.so.1 at run time: the build
// has no CUDA headers. Numbers are those of cuda.h and are part of the driver's binary interface.
#pragma once
#include <stddef.h>

namespace gems::cuda {

typedef int CUresult;
typedef int CUdevice;
typedef struct CUctx_st* CUcontext;
typedef struct CUmod_st* CUmodule;
typedef struct CUfunc_st* CUfunction;
typedef struct CUstream_st* CUstream;
typedef struct CUevent_st* CUevent;

enum : CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_NOT_SUPPORTED = 801,
};
enum {  // CUdevice_attribute
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE = 38,
  CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR = 39,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
};
enum {  // CUfunction_attribute
  CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
  CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES = 3,
  CU_FUNC_ATTRIBUTE_NUM_REGS = 4,
  CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,
};
enum { CU_STREAM_CAPTURE_STATUS_NONE = 0, CU_STREAM_CAPTURE_MODE_RELAXED = 2 };

struct CUlaunchAttribute {
  int id, pad;
  union {
    char room[64];
    int programmatic_stream_serialization;
  } value;
};
enum { CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6 };
struct CUlaunchConfig {
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, smem;
  CUstream stream;
  CUlaunchAttribute* attributes;
  unsigned attribute_count;
};

// X(return type is CUresult, name, parameters)
#define GEMS_CUDA_DRIVER_FUNCTIONS(X)                                             \
  X(cuInit, (unsigned))                                                           \
  X(cuGetErrorName, (CUresult, const char**))                                     \
  X(cuGetErrorString, (CUresult, const char**))                                   \
  X(cuDeviceGetCount, (int*))                                                     \
  X(cuDeviceGet, (CUdevice*, int))                                                \
  X(cuDeviceGetName, (char*, int, CUdevice))                                      \
  X(cuDeviceGetAttribute, (int*, int, CUdevice))                                  \
  X(cuDevicePrimaryCtxRetain, (CUcontext*, CUdevice))                             \
  X(cuCtxGetCurrent, (CUcontext*))                                                \
  X(cuCtxSetCurrent, (CUcontext))                                                 \
  X(cuModuleLoadData, (CUmodule*, const void*))                                   \
  X(cuModuleGetFunction, (CUfunction*, CUmodule, const char*))                    \
  X(cuFuncGetAttribute, (int*, int, CUfunction))                                  \
  X(cuFuncSetAttribute, (CUfunction, int, int))                                   \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int*, CUfunction, int, size_t)) \
  X(cuStreamIsCapturing, (CUstream, int*))                                        \
  X(cuThreadExchangeStreamCaptureMode, (int*))                                    \
  X(cuLaunchKernel, (CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**, void**))

// Without which calls still run; nullptr where they are missing.
#define GEMS_CUDA_OPTIONAL_FUNCTIONS(X)             \
  X(cuDriverGetVersion, (int*))                     \
  X(cuEventCreate, (CUevent*, unsigned))            \
  X(cuEventRecord, (CUevent, CUstream))             \
  X(cuEventQuery, (CUevent))                        \
  X(cuEventElapsedTime, (float*, CUevent, CUevent)) \
  X(cuLaunchKernelEx, (const CUlaunchConfig*, CUfunction, void**, void**))

struct Driver {
#define GEMS_MEMBER(name, params) CUresult(*name) params = nullptr;
  GEMS_CUDA_DRIVER_FUNCTIONS(GEMS_MEMBER)
  GEMS_CUDA_OPTIONAL_FUNCTIONS(GEMS_MEMBER)
#undef GEMS_MEMBER
  bool ok = false;
  const char* why = "";  // when !ok
  // "CUDA_ERROR_INVALID_VALUE: invalid argument"; static text of the driver, nullptr-safe
  const char* name(CUresult r) const;
};

// Opens libcuda at the first use; never calls into it.
const Driver& driver();

}  // namespace gems::cuda
