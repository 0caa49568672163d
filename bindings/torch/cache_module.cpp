// The kernel cache's part of the Python module (PYTHON_MODULE.md).
#define PY_SSIZE_T_CLEAN
#include "bindings/torch/cache_module.h"

#include "bindings/torch/python.h"
#include "core/cache/kernel_cache.h"

namespace gems::torch_binding {
namespace {

// Runs f without the interpreter's lock: the disk may be slow.
template <class F> auto unlocked(F f) {
  PyThreadState* s = PyEval_SaveThread();
  try {
    auto r = f();
    PyEval_RestoreThread(s);
    return r;
  } catch (...) {
    PyEval_RestoreThread(s);
    throw;
  }
}
PyObject* text(const std::string& s) { return PyUnicode_DecodeFSDefaultAndSize(s.data(), static_cast<Py_ssize_t>(s.size())); }
long long number(int64_t n) { return n; }

PyObject* stats_dict(const CacheStats& s) {
  return Py_BuildValue("{sLsLsLsLsLsLsLsLsLsLsLsLsL}", "hits_user", number(s.hits_user), "hits_pack", number(s.hits_pack),
                       "misses", number(s.misses), "compiles", number(s.compiles), "stores", number(s.stores), "stores_failed",
                       number(s.stores_failed), "corrupt", number(s.corrupt), "waits", number(s.waits), "wait_timeouts",
                       number(s.wait_timeouts), "wait_ms", number(s.wait_ms), "bytes_loaded", number(s.bytes_loaded),
                       "bytes_stored", number(s.bytes_stored), "trimmed", number(s.trimmed));
}

PyObject* py_info(PyObject*, PyObject*) {
  return guarded([]() -> PyObject* {
    const CacheInfo i = unlocked(cache_info);
    PyObject* packs = PyList_New(0);
    for (const CachePack& p : i.packs) {
      PyObject* d = Py_BuildValue("{sNsNsLsL}", "folder", text(p.folder), "why", text(p.why), "entries", number(p.entries),
                                  "bytes", number(p.bytes));
      if (d) PyList_Append(packs, d);
      Py_XDECREF(d);
    }
    return Py_BuildValue("{sNsNsLsLsLsNsN}", "folder", text(i.folder), "why", text(i.why), "entries", number(i.entries), "bytes",
                         number(i.bytes), "limit_bytes", number(i.limit_bytes), "packs", packs, "stats", stats_dict(i.stats));
  });
}

PyObject* py_stats(PyObject*, PyObject*) { return stats_dict(cache_stats()); }

PyObject* removed(const CacheRemoved& r) { return Py_BuildValue("(LL)", number(r.entries), number(r.bytes)); }
PyObject* py_clear(PyObject*, PyObject*) {
  return guarded([] { return removed(unlocked(cache_clear)); });
}
PyObject* py_trim(PyObject*, PyObject* arg) {
  const long long n = PyLong_AsLongLong(arg);
  if (n == -1 && PyErr_Occurred()) return nullptr;
  return guarded([&] { return removed(unlocked([&] { return cache_trim(n < 0 ? 0 : n); })); });
}

// A path argument as bytes; false with an exception set.
bool path_of(PyObject* arg, std::string* path) {
  PyObject* bytes = nullptr;
  if (!PyUnicode_FSConverter(arg, &bytes)) return false;
  path->assign(PyBytes_AS_STRING(bytes), static_cast<size_t>(PyBytes_GET_SIZE(bytes)));
  Py_DECREF(bytes);
  return true;
}
PyObject* py_verify(PyObject*, PyObject* arg) {
  std::string dir;
  if (arg != Py_None && !path_of(arg, &dir)) return nullptr;
  return guarded([&]() -> PyObject* {
    PyObject* list = PyList_New(0);
    for (const BadEntry& b : unlocked([&] { return cache_verify(dir); })) {
      PyObject* t = Py_BuildValue("(NN)", text(b.path), text(b.why));
      if (t) PyList_Append(list, t);
      Py_XDECREF(t);
    }
    return list;
  });
}
PyObject* py_add_pack(PyObject*, PyObject* arg) {
  std::string dir;
  if (!path_of(arg, &dir)) return nullptr;
  return guarded([&] { return text(unlocked([&] { return cache_add_pack(dir); })); });
}
PyObject* py_packs_of_library(PyObject*, PyObject* arg) {
  std::string dir;
  if (!path_of(arg, &dir)) return nullptr;
  cache_packs_of_library(dir);
  Py_RETURN_NONE;
}

}  // namespace

PyMethodDef kCacheMethods[] = {
    {"cache_info", py_info, METH_NOARGS, "folders, their contents and cache_stats()"},
    {"cache_stats", py_stats, METH_NOARGS, "counters of this process"},
    {"cache_clear", py_clear, METH_NOARGS, "(entries, bytes) removed from the user's folder"},
    {"cache_trim", py_trim, METH_O, "down to that many bytes; (entries, bytes) removed"},
    {"cache_verify", py_verify, METH_O, "(path, why) of bad entries in a folder, or with None in all that are used"},
    {"cache_add_pack", py_add_pack, METH_O, "a folder to read kernels from; '' or why it isn't used"},
    {"cache_packs_of_library", py_packs_of_library, METH_O, "the folder whose subfolders are the library's own packs"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace gems::torch_binding
