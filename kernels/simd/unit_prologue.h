// System and ABI headers of a CPU unit: outside the unnamed namespace that holds everything compiled for one instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/simd/cells.h"
#if defined(__clang__)
#define GEMS_LAMBDA_INLINE __attribute__((always_inline))
#else
#define GEMS_LAMBDA_INLINE __attribute__((always_inline))
#endif

// An external name with the instruction set in it: GEMS_CAT(gems_convert, _, GEMS_ISA) is gems_convert_v4.
#define GEMS_CAT_(a, b, c) a##b##c
#define GEMS_CAT(a, b, c) GEMS_CAT_(a, b, c)
