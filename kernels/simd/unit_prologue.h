// System and ABI headers of a CPU unit: outside the unnamed namespace that holds everything compiled for one instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "backends/cpu/cells.h"
#if defined(__clang__)
#define GEMS_LAMBDA_INLINE __attribute__((always_inline))
#else
#define GEMS_LAMBDA_INLINE __attribute__((always_inline))
#endif
