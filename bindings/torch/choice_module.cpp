// What was decided, and how, for Python (core/tune/choices.h, decide.h, online.h; interface: PYTHON_MODULE.md).
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdlib>

#include "bindings/torch/python.h"
#include "bindings/torch/tune_module.h"
#include "core/tune/decide.h"
#include "core/tune/online.h"
#include "core/tune/worker.h"

namespace gems::torch_binding {
namespace {

// What `take` makes of a list of (op, bucket, candidate).
PyObject* give_choices(PyObject* arg, size_t (*take)(const std::vector<Choice>&)) {
  PyObject* seq = PySequence_Fast(arg, "a list of (op, bucket, candidate)");
  if (!seq) return nullptr;
  std::vector<Choice> choices;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
    const char *op, *bucket, *candidate;
    PyObject* t = PySequence_Fast_GET_ITEM(seq, i);
    if (!PyTuple_Check(t) || !PyArg_ParseTuple(t, "sss", &op, &bucket, &candidate)) {
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a tuple (op, bucket, candidate)");
      Py_DECREF(seq);
      return nullptr;
    }
    const std::string text = bucket;
    const size_t at = text.rfind('#');
    const int16_t c = candidate_of_name(candidate);
    if (at == std::string::npos || c < 0) continue;  // of another version
    choices.push_back({op, std::strtoull(text.c_str() + at + 1, nullptr, 16), c});
  }
  Py_DECREF(seq);
  return guarded([&]() -> PyObject* { return PyLong_FromSize_t(take(choices)); });
}
PyObject* tune_choices(PyObject*, PyObject* arg) { return give_choices(arg, set_choices); }
PyObject* tune_add_choices(PyObject*, PyObject* arg) { return give_choices(arg, add_choices); }
PyObject* tune_force(PyObject*, PyObject* arg) {
  const char* name = PyUnicode_AsUTF8(arg);
  if (!name) return nullptr;
  const int16_t c = candidate_of_name(name);
  if (c < 0) return PyErr_Format(PyExc_ValueError, "flag_gems: no candidate %s", name);
  force_candidate(c);
  Py_RETURN_NONE;
}
PyObject* tune_trace(PyObject*, PyObject* arg) {
  const auto seen = trace_buckets(PyObject_IsTrue(arg) == 1);
  return list_of(seen, [](const TracedCall& s) {
    PyObject* names = list_of(s.candidates, [](const std::string& c) { return PyUnicode_FromString(c.c_str()); });
    return names ? Py_BuildValue("(ssN)", s.op.c_str(), s.bucket.c_str(), names) : nullptr;
  });
}

PyObject* tune_best(PyObject*, PyObject* times) {
  if (!PyDict_Check(times)) return PyErr_Format(PyExc_TypeError, "a dict {candidate: median}");
  std::vector<std::pair<int16_t, double>> medians;
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(times, &at, &key, &value);) {
    const char* name = PyUnicode_AsUTF8(key);
    const double us = PyFloat_AsDouble(value);
    if (!name || PyErr_Occurred()) return nullptr;
    if (const int16_t c = candidate_of_name(name); c > kCandidateAuto) medians.push_back({c, us});
  }
  return guarded([&]() -> PyObject* { return PyUnicode_FromString(candidate_name(best_candidate(medians)).c_str()); });
}

PyObject* tune_places(PyObject*, PyObject*) {
  return guarded(
      []() -> PyObject* { return Py_BuildValue("(ss)", machine_records_place().c_str(), fleet_records_place().c_str()); });
}
PyObject* tune_load(PyObject*, PyObject* args) {
  const char *place, *device, *driver, *compiler, *library;
  int background;
  if (!PyArg_ParseTuple(args, "s(ssss)p", &place, &device, &driver, &compiler, &library, &background)) return nullptr;
  return guarded([&]() -> PyObject* {
    const std::string where = place;
    const TuneEnv env{device, driver, compiler, library};
    if (background) {
      in_background([=] { load_choices(where, env); });
      Py_RETURN_NONE;
    }
    {
      const Unlocked u;
      load_choices(where, env);
    }
    Py_RETURN_NONE;
  });
}
PyObject* tune_environment(PyObject*, PyObject* args) {
  const char *device, *driver, *compiler, *library;
  int type;
  if (!PyArg_ParseTuple(args, "i(ssss)", &type, &device, &driver, &compiler, &library)) return nullptr;
  return guarded([&]() -> PyObject* {
    online_environment(type, {device, driver, compiler, library});
    Py_RETURN_NONE;
  });
}
PyObject* tune_online(PyObject*, PyObject* arg) {
  if (arg == Py_None) {
    online_stop();
    Py_RETURN_NONE;
  }
  return guarded([&]() -> PyObject* {
    OnlineOptions options;
    PyObject* seq = PySequence_Fast(arg, "a list of places, or None");
    if (!seq) return nullptr;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++)
      if (const char* place = PyUnicode_AsUTF8(PySequence_Fast_GET_ITEM(seq, i))) options.stores.push_back(place);
    Py_DECREF(seq);
    if (PyErr_Occurred()) return nullptr;
    online_start(options);
    Py_RETURN_NONE;
  });
}
PyObject* tune_progress(PyObject*, PyObject*) {
  const OnlineState s = online_state();
  return Py_BuildValue("(nnnL)", static_cast<Py_ssize_t>(s.buckets), static_cast<Py_ssize_t>(s.measuring),
                       static_cast<Py_ssize_t>(s.decided), static_cast<long long>(s.samples));
}

PyMethodDef kMethods[] = {
    {"tune_choices", tune_choices, METH_O, "([(op, bucket, candidate)]): replaces what was decided; how many hold"},
    {"tune_add_choices", tune_add_choices, METH_O, "([(op, bucket, candidate)]): adds what isn't decided yet; how many are new"},
    {"tune_force", tune_force, METH_O, "(candidate): for all calls of this thread; \"auto\" ends it"},
    {"tune_trace", tune_trace, METH_O, "(on): [(op, bucket, [candidates])] of this thread's calls since the last call"},
    {"tune_best", tune_best, METH_O, "({candidate: median}): which to run"},
    {"tune_places", tune_places, METH_NOARGS, "(the machine's, the fleet's): where records are, \"\": nowhere"},
    {"tune_load", tune_load, METH_VARARGS, "(place, env, in background): adds what its records of this environment decide"},
    {"tune_environment", tune_environment, METH_VARARGS, "(device type, env): where what is measured online holds"},
    {"tune_online", tune_online, METH_O, "([places of records]): measures calls from now on; None ends it"},
    {"tune_progress", tune_progress, METH_NOARGS, "(buckets, measuring, decided, samples) of online tuning"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMethodDef* choice_methods() { return kMethods; }

}  // namespace gems::torch_binding
