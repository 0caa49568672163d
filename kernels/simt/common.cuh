// Shared by all GPU skeletons: vectors of storage types, fast division, warp and block reductions.
#pragma once
#include "kernels/lang/lang.h"
