// What the files of the Python module share.
#pragma once
#include <Python.h>

#include <exception>

namespace gems::torch_binding {

// A module function's body: what it throws becomes a RuntimeError.
template <class F> PyObject* guarded(F f) {
  try {
    return f();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
    return nullptr;
  }
}

}  // namespace gems::torch_binding
