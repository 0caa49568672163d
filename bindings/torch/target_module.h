// The functions of flag_gems._C for packs of machines that aren't here.
#pragma once
#include <Python.h>

namespace gems::torch_binding {

PyMethodDef* target_methods();

}  // namespace gems::torch_binding
