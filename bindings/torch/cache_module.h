// Functions of flag_gems._C about the kernel cache.
#pragma once
#include <Python.h>

namespace gems::torch_binding {
extern PyMethodDef kCacheMethods[];
}
