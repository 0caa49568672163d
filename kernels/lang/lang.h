// What an operator file includes: its declaration, the vocabulary and the math.
#pragma once
#include "gems/op.h"
#include "kernels/lang/base.h"
#include "kernels/lang/functions.h"
#include "kernels/lang/integers.h"
#include "kernels/lang/math.h"
