// The Python module flag_gems._C (interface: PYTHON_MODULE.md). Raw C API: tensors never pass through it.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "bindings/torch/allocator.h"
#include "bindings/torch/cache_module.h"
#include "bindings/torch/python.h"
#include "bindings/torch/registration.h"
#include "bindings/torch/row.h"
#include "bindings/torch/tune_module.h"
#include "core/backend.h"

namespace gems::torch_binding {
namespace {

PyObject* g_recorder = nullptr;

PyObject* py_table(PyObject*, PyObject*) {
  return guarded([]() -> PyObject* {
    PyObject* list = PyList_New(0);
    static const char* const families[] = {"pointwise", "reduce", "row", "scan", "index", "create", "copy", "matmul", "fused", "compact", "map"};
    for (const Row* r : rows()) {
      const std::string key = r->ns == "aten" ? r->key : r->ns + "::" + r->key;
      PyObject* t =
          Py_BuildValue("(isssss)", r->index, r->op->name, key.c_str(), r->function.c_str(), families[r->op->family], r->op->doc);
      PyList_Append(list, t);
      Py_DECREF(t);
    }
    return list;
  });
}

PyObject* py_register(PyObject*, PyObject* arg) {
  char* p;
  Py_ssize_t n;
  if (PyBytes_AsStringAndSize(arg, &p, &n) < 0) return nullptr;
  return guarded([&]() -> PyObject* {
    std::vector<uint8_t> wanted(rows().size());
    for (size_t i = 0; i < wanted.size() && i < static_cast<size_t>(n); i++) wanted[i] = p[i] != 0;
    register_rows(wanted);
    Py_RETURN_NONE;
  });
}

PyObject* py_activate(PyObject*, PyObject* arg) {
  char* p;
  Py_ssize_t n;
  if (PyBytes_AsStringAndSize(arg, &p, &n) < 0) return nullptr;
  activate_rows(reinterpret_cast<const uint8_t*>(p), static_cast<size_t>(n));
  Py_RETURN_NONE;
}

PyObject* py_environment(PyObject*, PyObject* args) {
  int type = 0, index = 0;
  if (!PyArg_ParseTuple(args, "ii", &type, &index)) return nullptr;
  return guarded([&]() -> PyObject* {
    const gems_backend* b = backend_for(type);
    const char* text = b && b->environment ? b->environment(index) : nullptr;
    if (!text) Py_RETURN_NONE;
    return PyUnicode_FromString(text);
  });
}

PyObject* py_call_count(PyObject*, PyObject*) { return PyLong_FromLongLong(call_counter().load()); }

PyObject* py_stats(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  static const char* const names[] = {"cpu", "cuda"};
  for (const Row* r : rows())
    for (int d = 0; d < kDevices; d++) {
      const Counters& c = r->counters[d];
      if (c.own.load() == 0 && c.native.load() == 0) continue;
      PyObject* t = Py_BuildValue("(isLLLL)", r->index, names[d], static_cast<long long>(c.own.load()),
                                  static_cast<long long>(c.native.load()), static_cast<long long>(c.own_ns.load()),
                                  static_cast<long long>(c.native_ns.load()));
      PyList_Append(list, t);
      Py_DECREF(t);
    }
  return list;
}

PyObject* py_stats_reset(PyObject*, PyObject*) {
  for (Row* r : rows())
    for (Counters& c : r->counters) c.own = c.native = c.own_ns = c.native_ns = 0;
  Py_RETURN_NONE;
}

PyObject* py_stats_timing(PyObject*, PyObject* arg) {
  set_timing(PyObject_IsTrue(arg) == 1);
  Py_RETURN_NONE;
}

void record(int row) {
  const PyGILState_STATE gil = PyGILState_Ensure();
  if (g_recorder) {
    PyObject *type, *value, *trace;  // a log line must not disturb an exception in flight
    PyErr_Fetch(&type, &value, &trace);
    PyObject* r = PyObject_CallFunction(g_recorder, "i", row);
    if (r) Py_DECREF(r);
    else PyErr_WriteUnraisable(g_recorder);
    PyErr_Restore(type, value, trace);
  }
  PyGILState_Release(gil);
}

PyObject* py_set_recorder(PyObject*, PyObject* arg) {
  set_recorder(nullptr);
  Py_XDECREF(g_recorder);
  g_recorder = nullptr;
  if (arg != Py_None) {
    Py_INCREF(arg);
    g_recorder = arg;
    set_recorder(&record);
  }
  Py_RETURN_NONE;
}

// ---- what torch lends the core ----
void lend_parallel_for(int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t), void* ctx) {
  at::parallel_for(0, n, grain, [&](int64_t b, int64_t e) { fn(ctx, b, e); });
}
int lend_num_threads() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }
void* lend_scratch(int type, int, size_t bytes, void*, void** handle) {
  c10::Allocator* a = type == GEMS_CPU ? cpu_allocator() : c10::GetAllocator(static_cast<c10::DeviceType>(type));
  auto* p = new c10::DataPtr(a->allocate(bytes));  // freed on the stream it was allocated for: torch's allocator orders reuse
  *handle = p;
  return p->get();
}
void lend_scratch_free(void* handle) { delete static_cast<c10::DataPtr*>(handle); }

PyObject* py_load_backends(PyObject*, PyObject* args) {
  const char* dir;
  PyObject* nvrtc;
  if (!PyArg_ParseTuple(args, "sO", &dir, &nvrtc)) return nullptr;
  PyObject* seq = PySequence_Fast(nvrtc, "a list of directories");
  if (!seq) return nullptr;
  std::string dirs;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++)
    if (const char* d = PyUnicode_AsUTF8(PySequence_Fast_GET_ITEM(seq, i))) dirs += (dirs.empty() ? "" : ":") + std::string(d);
  Py_DECREF(seq);
  return guarded([&]() -> PyObject* {
    static bool loaded = false;
    if (!loaded) {
      loaded = true;
      default_setting("GEMS_NVRTC_DIRS", dirs);
      set_framework({lend_parallel_for, lend_num_threads, lend_scratch, lend_scratch_free});
      std::vector<std::string> files;
      for (const auto& e : std::filesystem::directory_iterator(dir)) {
        const std::string name = e.path().filename();
        if (name.rfind("libgems_", 0) == 0 && name.rfind("libgems_core", 0) != 0 && e.path().extension() == ".so")
          files.push_back(e.path());
      }
      std::sort(files.begin(), files.end());
      for (const std::string& f : files) load_backend(f.c_str());
      define_custom_operators();
    }
    Py_RETURN_NONE;
  });
}

PyObject* py_custom_autograd(PyObject*, PyObject*) {
  return guarded([]() -> PyObject* {
    define_custom_autograd();
    Py_RETURN_NONE;
  });
}

PyObject* py_backends(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  for (const gems_backend* b : loaded_backends()) {
    const bool usable = b->score() > 0;
    PyObject* t = Py_BuildValue("(sOs)", b->name, usable ? Py_True : Py_False, usable && b->describe ? b->describe() : "");
    PyList_Append(list, t);
    Py_DECREF(t);
  }
  return list;
}

PyObject* py_isas(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  const gems_backend* b = backend_for(GEMS_CPU);
  for (int i = 0; b && b->variant_name && b->variant_name(i); i++) {
    PyObject* s = PyUnicode_FromString(b->variant_name(i));
    PyList_Append(list, s);
    Py_DECREF(s);
  }
  return list;
}

PyObject* py_force_isa(PyObject*, PyObject* arg) {
  const gems_backend* b = backend_for(GEMS_CPU);
  if (!b || !b->force_variant) Py_RETURN_FALSE;
  if (arg == Py_None) return PyBool_FromLong(b->force_variant(-1));
  const char* name = PyUnicode_AsUTF8(arg);
  if (!name) return nullptr;
  for (int i = 0; b->variant_name(i); i++)
    if (std::strcmp(b->variant_name(i), name) == 0) return PyBool_FromLong(b->force_variant(i));
  Py_RETURN_FALSE;
}

PyObject* py_jit_mode(PyObject*, PyObject* arg) {
  const long mode = PyLong_AsLong(arg);
  if (mode == -1 && PyErr_Occurred()) return nullptr;
  int before = -1;
  for (const gems_backend* b : loaded_backends())
    if (b->jit_mode) before = b->jit_mode(static_cast<int>(mode));
  return PyLong_FromLong(before);
}
PyObject* py_jit_pending(PyObject*, PyObject* arg) {
  const double seconds = PyFloat_AsDouble(arg);
  if (seconds == -1 && PyErr_Occurred()) return nullptr;
  int left = 0;
  Py_BEGIN_ALLOW_THREADS for (const gems_backend* b : loaded_backends()) if (b->jit_pending) left += b->jit_pending(seconds);
  Py_END_ALLOW_THREADS return PyLong_FromLong(left);
}

PyObject* py_allocator_trim(PyObject*, PyObject*) { return PyLong_FromLongLong(allocator_trim()); }
PyObject* py_allocator_limit(PyObject*, PyObject* arg) {
  const long long n = PyLong_AsLongLong(arg);
  if (n == -1 && PyErr_Occurred()) return nullptr;
  allocator_set_limit(n);
  Py_RETURN_NONE;
}
PyObject* py_allocator_stats(PyObject*, PyObject*) {
  const AllocatorStats s = allocator_stats();
  return Py_BuildValue("{sLsLsLsL}", "cached_bytes", static_cast<long long>(s.cached_bytes), "limit_bytes",
                       static_cast<long long>(s.limit), "hits", static_cast<long long>(s.hits), "misses",
                       static_cast<long long>(s.misses));
}
PyObject* py_last_fallback(PyObject*, PyObject*) {
  const char* plan = plan_reason();
  return PyUnicode_FromString(last_error()[0] ? last_error() : plan);
}

PyMethodDef kMethods[] = {
    {"table", py_table, METH_NOARGS, "rows of the operator table"},
    {"register", py_register, METH_O, "one byte a row: registered with the dispatcher"},
    {"activate", py_activate, METH_O, "one byte a row: calls run our kernels"},
    {"call_count", py_call_count, METH_NOARGS, "own kernels run since load"},
    {"environment", py_environment, METH_VARARGS, "(device type, index): lines (device, driver, compiler), or None"},
    {"stats", py_stats, METH_NOARGS, "(row, device, own, native, own_ns, native_ns) of rows that were called"},
    {"stats_reset", py_stats_reset, METH_NOARGS, ""},
    {"stats_timing", py_stats_timing, METH_O, "collect times too"},
    {"set_recorder", py_set_recorder, METH_O, "callable(row) or None"},
    {"load_backends", py_load_backends, METH_VARARGS, "load_backends(dir, nvrtc_dirs): dlopen only"},
    {"custom_autograd", py_custom_autograd, METH_NOARGS, "call once the gradients of the custom operators are registered"},
    {"backends", py_backends, METH_NOARGS, "(name, usable, description)"},
    {"isas", py_isas, METH_NOARGS, "instruction sets this CPU has"},
    {"force_isa", py_force_isa, METH_O, "name or None"},
    {"jit_mode", py_jit_mode, METH_O,
     "0 off, 1 sync, 2 async, -1 only asks; returns what was set before, -1 without a compiling backend"},
    {"jit_pending", py_jit_pending, METH_O, "calls whose kernel is being compiled, after waiting this many seconds at most"},
    {"allocator_trim", py_allocator_trim, METH_NOARGS, "gives idle CPU memory back; returns bytes"},
    {"allocator_limit", py_allocator_limit, METH_O, "bytes of idle memory kept; 0 = off"},
    {"allocator_stats", py_allocator_stats, METH_NOARGS, ""},
    {"last_fallback", py_last_fallback, METH_NOARGS, "why the last call of this thread ran natively"},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef kModule = {
    PyModuleDef_HEAD_INIT, "flag_gems._C", "FlagGems core and torch binding", -1, kMethods, nullptr, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace gems::torch_binding

PyMODINIT_FUNC PyInit__C() {
  PyObject* module = PyModule_Create(&gems::torch_binding::kModule);
  for (PyMethodDef* methods : {gems::torch_binding::kCacheMethods, gems::torch_binding::tune_methods()})
    if (module && PyModule_AddFunctions(module, methods) < 0) Py_CLEAR(module);
  return module;
}
