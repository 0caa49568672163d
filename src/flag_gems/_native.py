"""Loads the extension module ``flag_gems._C`` and the backends beside it.

The module is a thin C API over the operator table (no tensor passes through it), so everything that needs it asks
``native()`` for it; ``import flag_gems`` itself survives without it, and says what to do on first use.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from pathlib import Path

import torch  # first: the extension finds libtorch because it is loaded already

PACKAGE = Path(__file__).resolve().parent
LIB_DIR = PACKAGE / "lib"
REMEDY = "Build it for this torch with `pip install -e . --no-build-isolation` (or `make build`) in a checkout of flag_gems."

_lock = threading.Lock()
_module = None
_error: str | None = None


def native():
    """The extension module. Raises ImportError with the cause and the remedy when it can't be loaded."""
    global _module, _error
    if _module is not None:
        return _module
    with _lock:
        if _module is None:
            if _error is not None:
                raise ImportError(_error)
            try:
                module = _import()
                module.cache_packs_of_library(str(PACKAGE / "packs"))
                module.load_backends(str(LIB_DIR), nvrtc_dirs())
            except (ImportError, OSError, RuntimeError) as e:
                _error = _explain(e)
                raise ImportError(_error) from e
            _module = module
    return _module


def _import():
    try:
        return importlib.import_module("flag_gems._C")
    except ModuleNotFoundError as e:
        if e.name != "flag_gems._C":
            raise
    # An uninstalled build writes the module into lib/, beside the backends.
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        path = LIB_DIR / f"_C{suffix}"
        if path.exists():
            loader = importlib.machinery.ExtensionFileLoader("flag_gems._C", str(path))
            module = importlib.util.module_from_spec(importlib.util.spec_from_loader("flag_gems._C", loader))
            loader.exec_module(module)
            sys.modules["flag_gems._C"] = module
            sys.modules["flag_gems"]._C = module
            return module
    raise ModuleNotFoundError(f"flag_gems: the C++ extension _C isn't in {PACKAGE} or {LIB_DIR}", name="flag_gems._C")


def _explain(e: BaseException) -> str:
    text = str(e)
    if "undefined symbol" in text or "symbol not found" in text.lower() or "GLIBCXX" in text or "version `" in text:
        why = f"flag_gems: the C++ extension was built for another torch or compiler than torch {torch.__version__}: {text}."
    elif isinstance(e, ModuleNotFoundError):
        others = sorted(p.name for d in (PACKAGE, LIB_DIR) if d.is_dir() for p in d.glob("_C*.so"))
        found = f" Found {', '.join(others)}, for another Python than {sys.version.split()[0]}." if others else ""
        why = f"{text}.{found}"
    else:
        why = f"flag_gems: the C++ extension can't be loaded: {text}."
    return f"{why} {REMEDY}"


def nvrtc_dirs() -> list[str]:
    """Folders that may hold libnvrtc: the CUDA wheels beside torch, torch itself, a toolkit. Only stat calls."""
    dirs = []
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations or () if spec else ():
        dirs += sorted((str(p) for p in Path(root).glob("cu[0-9]*/lib")), reverse=True)
        dirs.append(os.path.join(root, "cuda_nvrtc", "lib"))
    dirs.append(os.path.join(os.path.dirname(torch.__file__), "lib"))
    for toolkit in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if toolkit:
            dirs.append(os.path.join(toolkit, "lib64"))
    return list(dict.fromkeys(d for d in dirs if os.path.isdir(d)))
