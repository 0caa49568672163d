// Packs for machines that aren't here, for Python (interface: PYTHON_MODULE.md).
#define PY_SSIZE_T_CLEAN
#include "bindings/torch/target_module.h"

#include <mutex>
#include <string>
#include <vector>

#include "bindings/torch/phantoms.h"
#include "bindings/torch/python.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

struct Planned {
  std::string kernel, key, error;
  int state;
  double seconds;
};
std::mutex g_lock;
std::vector<Planned>& planned() {
  static auto* v = new std::vector<Planned>;
  return *v;
}
void on_planned(const gems_planned* p) {
  std::lock_guard<std::mutex> guard(g_lock);
  planned().push_back({p->kernel, p->key, p->error ? p->error : "", p->state, p->seconds});
}

PyObject* py_phantoms(PyObject*, PyObject* arg) {
  const long index = PyLong_AsLong(arg);
  if (index == -1 && PyErr_Occurred()) return nullptr;
  return guarded([&]() -> PyObject* {
    set_phantoms(static_cast<int>(index));
    Py_RETURN_NONE;
  });
}
PyObject* py_target(PyObject*, PyObject* args) {
  const char* arch;
  int model = 0;
  if (!PyArg_ParseTuple(args, "z|i", &arch, &model)) return nullptr;
  return guarded([&]() -> PyObject* {
    int models = 0;
    PyThreadState* s = PyEval_SaveThread();  // ending one waits for a compilation
    models = plan_for(arch, model, on_planned);
    PyEval_RestoreThread(s);
    if (arch && !models) return PyErr_Format(PyExc_ValueError, "flag_gems: %s", last_error());
    return PyLong_FromLong(models);
  });
}
PyObject* py_target_planned(PyObject*, PyObject*) {
  std::vector<Planned> v;
  {
    std::lock_guard<std::mutex> guard(g_lock);
    v.swap(planned());
  }
  PyObject* list = PyList_New(0);
  for (const Planned& p : v) {
    PyObject* t = Py_BuildValue("(ssisd)", p.kernel.c_str(), p.key.c_str(), p.state, p.error.c_str(), p.seconds);
    if (t) PyList_Append(list, t);
    Py_XDECREF(t);
  }
  return list;
}

PyMethodDef kMethods[] = {
    {"phantoms", py_phantoms, METH_O, "(device index, -1: off): CUDA tensors without memory; register operators anew afterwards"},
    {"target", py_target, METH_VARARGS,
     "(arch or None, model): calls of this thread on cuda:127 are planned for it and their kernels compiled; how many models "
     "there are"},
    {"target_planned", py_target_planned, METH_NOARGS,
     "[(kernel, key, 0 asked for, 1 from the cache, 2 compiled, 3 failed; error, seconds)] since the last call"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMethodDef* target_methods() { return kMethods; }

}  // namespace gems::torch_binding
