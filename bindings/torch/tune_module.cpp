// The store of tuning records for Python (interface: PYTHON_MODULE.md). A store is a capsule; records are tuples in the order of TuneRecord.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <map>

#include "bindings/torch/python.h"
#include "bindings/torch/tune_module.h"
#include "core/tune/records.h"

namespace gems::torch_binding {
namespace {

constexpr const char* kCapsule = "flag_gems.RecordStore";

RecordStore* store_of(PyObject* o) { return static_cast<RecordStore*>(PyCapsule_GetPointer(o, kCapsule)); }
PyObject* text(const std::string& s) { return PyUnicode_FromStringAndSize(s.data(), static_cast<Py_ssize_t>(s.size())); }

PyObject* tuple_of(const TuneRecord& r) {
  auto c = [](const std::string& s) { return s.c_str(); };  // no record holds a NUL
  return Py_BuildValue("(ssssssssddLL)", c(r.op), c(r.bucket), c(r.candidate), c(r.device), c(r.driver), c(r.compiler),
                       c(r.kernel_hash), c(r.library), r.median_us, r.spread, static_cast<long long>(r.count),
                       static_cast<long long>(r.date));
}

bool text_from(PyObject* o, std::string* out) {
  Py_ssize_t n;
  const char* s = PyUnicode_AsUTF8AndSize(o, &n);
  if (s) out->assign(s, static_cast<size_t>(n));
  return s != nullptr;
}

bool records_from(PyObject* o, std::vector<TuneRecord>* out) {
  PyObject* seq = PySequence_Fast(o, "records are a list of tuples");
  if (!seq) return false;
  bool good = true;
  for (Py_ssize_t i = 0; good && i < PySequence_Fast_GET_SIZE(seq); i++) {
    PyObject* t = PySequence_Fast_GET_ITEM(seq, i);
    if (!PyTuple_Check(t) || PyTuple_GET_SIZE(t) != 12) {
      PyErr_SetString(PyExc_TypeError, "a record is a tuple of 12: eight texts, median_us, spread, count, date");
      good = false;
      break;
    }
    TuneRecord r;
    std::string* const texts[] = {&r.op, &r.bucket, &r.candidate, &r.device, &r.driver, &r.compiler, &r.kernel_hash, &r.library};
    for (int k = 0; good && k < 8; k++) good = text_from(PyTuple_GET_ITEM(t, k), texts[k]);
    if (!good) break;
    r.median_us = PyFloat_AsDouble(PyTuple_GET_ITEM(t, 8));
    r.spread = PyFloat_AsDouble(PyTuple_GET_ITEM(t, 9));
    r.count = PyLong_AsLongLong(PyTuple_GET_ITEM(t, 10));
    r.date = PyLong_AsLongLong(PyTuple_GET_ITEM(t, 11));
    good = !PyErr_Occurred();
    out->push_back(std::move(r));
  }
  Py_DECREF(seq);
  return good;
}

// A tuple in the order of RecordFilter: texts, or None for anything.
bool filter_from(PyObject* o, RecordFilter* f) {
  if (o == Py_None) return true;
  if (!PyTuple_Check(o) || PyTuple_GET_SIZE(o) != 8) {
    PyErr_SetString(PyExc_TypeError,
                    "a filter is None or a tuple of 8 (op, bucket, candidate, device, driver, compiler, kernel_hash, library)");
    return false;
  }
  std::optional<std::string>* const to[] = {&f->op,     &f->bucket,   &f->candidate,   &f->device,
                                            &f->driver, &f->compiler, &f->kernel_hash, &f->library};
  for (int k = 0; k < 8; k++) {
    PyObject* t = PyTuple_GET_ITEM(o, k);
    if (t != Py_None && !text_from(t, &to[k]->emplace())) return false;
  }
  return true;
}

PyObject* tune_open(PyObject*, PyObject* args) {
  PyObject* arg;
  StoreOptions o;
  if (!PyArg_ParseTuple(args, "O|(iiiii)", &arg, &o.busy_ms, &o.connect_ms, &o.query_ms, &o.retry_ms, &o.busy_retry_ms))
    return nullptr;
  if (arg == Py_None) {
    return guarded([]() -> PyObject* {
      RecordStore* s;
      {
        Unlocked u;
        s = &process_records();
      }
      return PyCapsule_New(s, kCapsule, nullptr);
    });
  }
  std::string where;
  if (!text_from(arg, &where)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s;
    {
      Unlocked u;
      s = open_records(where, o).release();
    }
    return PyCapsule_New(s, kCapsule, [](PyObject* o) {
      RecordStore* mine = store_of(o);
      Unlocked u;
      delete mine;
    });
  });
}

PyObject* tune_put(PyObject*, PyObject* args) {
  PyObject *capsule, *list;
  std::vector<TuneRecord> records;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s || !records_from(list, &records)) return nullptr;
    size_t n;
    {
      Unlocked u;
      n = s->put(records);
    }
    return PyLong_FromSize_t(n);
  });
}

// hashes: None, or {(op, candidate): kernel hash}; what isn't named isn't compared.
PyObject* tune_winners(PyObject*, PyObject* args) {
  PyObject *capsule, *hashes;
  const char *device, *driver, *compiler, *library;
  if (!PyArg_ParseTuple(args, "O(ssss)O", &capsule, &device, &driver, &compiler, &library, &hashes)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s) return nullptr;
    std::map<std::pair<std::string, std::string>, std::string> known;
    if (hashes != Py_None) {
      if (!PyDict_Check(hashes)) {
        PyErr_SetString(PyExc_TypeError, "hashes are a dict {(op, candidate): hash}");
        return nullptr;
      }
      PyObject *key, *value;
      for (Py_ssize_t at = 0; PyDict_Next(hashes, &at, &key, &value);) {
        const char *op, *candidate;
        std::string hash;
        if (!PyTuple_Check(key) || !PyArg_ParseTuple(key, "ss", &op, &candidate) || !text_from(value, &hash)) {
          if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "hashes are a dict {(op, candidate): hash}");
          return nullptr;
        }
        known[{op, candidate}] = hash;
      }
    }
    const KernelHash current = [&](const TuneRecord& r) {
      const auto it = known.find({r.op, r.candidate});
      return it == known.end() ? std::string() : it->second;
    };
    const TuneEnv env{device, driver, compiler, library};
    std::vector<TuneRecord> found;
    {
      Unlocked u;
      found = s->winners(env, known.empty() ? KernelHash() : current);
    }
    return list_of(found, tuple_of);
  });
}

PyObject* tune_all(PyObject*, PyObject* args) {
  PyObject *capsule, *wanted = Py_None;
  RecordFilter f;
  if (!PyArg_ParseTuple(args, "O|O", &capsule, &wanted)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s || !filter_from(wanted, &f)) return nullptr;
    std::vector<TuneRecord> found;
    {
      Unlocked u;
      found = s->all(f);
    }
    return list_of(found, tuple_of);
  });
}

PyObject* tune_erase(PyObject*, PyObject* args) {
  PyObject *capsule, *wanted;
  RecordFilter f;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &wanted)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s || !filter_from(wanted, &f)) return nullptr;
    size_t n;
    {
      Unlocked u;
      n = s->erase(f);
    }
    return PyLong_FromSize_t(n);
  });
}

PyObject* tune_trim(PyObject*, PyObject* args) {
  PyObject* capsule;
  long long max_records;
  double max_age_days;
  if (!PyArg_ParseTuple(args, "OLd", &capsule, &max_records, &max_age_days)) return nullptr;
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s) return nullptr;
    size_t n;
    {
      Unlocked u;
      n = s->trim(max_records, max_age_days);
    }
    return PyLong_FromSize_t(n);
  });
}

PyObject* tune_verify(PyObject*, PyObject* capsule) {
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s) return nullptr;
    std::vector<std::string> problems;
    {
      Unlocked u;
      problems = s->verify();
    }
    return list_of(problems, text);
  });
}

PyObject* tune_close(PyObject*, PyObject* capsule) {
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s) return nullptr;
    {
      Unlocked u;
      s->close();
    }
    Py_RETURN_NONE;
  });
}

PyObject* tune_where(PyObject*, PyObject* capsule) {
  return guarded([&]() -> PyObject* {
    RecordStore* s = store_of(capsule);
    if (!s) return nullptr;
    std::string where, problem;
    {
      Unlocked u;
      where = s->where();
      problem = s->problem();
    }
    return Py_BuildValue("(NN)", text(where), text(problem));
  });
}

PyObject* tune_default(PyObject*, PyObject*) {
  return guarded([]() -> PyObject* { return text(default_records_place()); });
}

PyObject* tune_format(PyObject*, PyObject* args) {
  PyObject* list;
  const char* library;
  std::vector<TuneRecord> records;
  if (!PyArg_ParseTuple(args, "Os", &list, &library)) return nullptr;
  return guarded([&]() -> PyObject* {
    if (!records_from(list, &records)) return nullptr;
    return text(records_to_text(std::move(records), library));
  });
}

PyObject* tune_parse(PyObject*, PyObject* args) {
  Py_buffer bytes;
  const char* name;
  if (!PyArg_ParseTuple(args, "y*s", &bytes, &name)) return nullptr;
  PyObject* result = guarded([&]() -> PyObject* {
    const RecordFile f = records_from_text({static_cast<const char*>(bytes.buf), static_cast<size_t>(bytes.len)}, name);
    PyObject* records = list_of(f.records, tuple_of);
    PyObject* problems = records ? list_of(f.problems, text) : nullptr;
    // The header's text may be anything.
    PyObject* library =
        problems ? PyUnicode_DecodeUTF8(f.library.data(), static_cast<Py_ssize_t>(f.library.size()), "replace") : nullptr;
    if (library) return Py_BuildValue("(NNN)", records, problems, library);
    Py_XDECREF(records);
    Py_XDECREF(problems);
    return nullptr;
  });
  PyBuffer_Release(&bytes);
  return result;
}

PyMethodDef kMethods[] = {
    {"tune_open", tune_open, METH_VARARGS, "(where[, limits]); None: the store of this process; a capsule"},
    {"tune_put", tune_put, METH_VARARGS, "(store, records): how many were taken"},
    {"tune_winners", tune_winners, METH_VARARGS, "(store, env, hashes or None): the fastest record of each bucket"},
    {"tune_all", tune_all, METH_VARARGS, "(store[, filter]): records in the order of their keys"},
    {"tune_erase", tune_erase, METH_VARARGS, "(store, filter): how many are gone"},
    {"tune_trim", tune_trim, METH_VARARGS, "(store, max_records, max_age_days), -1: no limit; how many are gone"},
    {"tune_verify", tune_verify, METH_O, "(store): problems, each with what to do"},
    {"tune_close", tune_close, METH_O, "(store)"},
    {"tune_where", tune_where, METH_O, "(store): (where, why it is memory only or \"\")"},
    {"tune_default", tune_default, METH_NOARGS, "where tune_open(None) looks"},
    {"tune_format", tune_format, METH_VARARGS, "(records, library version): JSON lines"},
    {"tune_parse", tune_parse, METH_VARARGS, "(bytes, name): (records, problems, library version)"},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

PyMethodDef* tune_methods() { return kMethods; }

}  // namespace gems::torch_binding
