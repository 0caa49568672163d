// The functions of flag_gems._C that reach the tuning records.
#pragma once
#include <Python.h>

namespace gems::torch_binding {

PyMethodDef* tune_methods();
PyMethodDef* choice_methods();

}  // namespace gems::torch_binding
