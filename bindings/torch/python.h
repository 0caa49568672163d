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

// Without the interpreter's lock: a store may wait for another process or a server.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

// A list of what `one` makes of each element; nullptr if one of them failed.
template <class Range, class F> PyObject* list_of(const Range& range, F one) {
  PyObject* list = PyList_New(0);
  if (!list) return nullptr;
  for (const auto& e : range) {
    PyObject* o = one(e);
    const bool good = o && PyList_Append(list, o) == 0;
    Py_XDECREF(o);
    if (good) continue;
    Py_DECREF(list);
    return nullptr;
  }
  return list;
}

}  // namespace gems::torch_binding
