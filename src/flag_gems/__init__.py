"""FlagGems: operators for torch, switched on with ``flag_gems.enable()``.

Importing the package makes no GPU call, starts no process and compiles nothing: what depends on the machine (``device``,
``vendor_name``) is found when it is first asked for.
"""

from __future__ import annotations

import importlib
import warnings

import torch

from . import _api, logging_utils
from ._api import (
    OpStat,
    _debug_call_count,
    all_registered_keys,
    all_registered_ops,
    disable,
    enable,
    flagtune,
    only_enable,
    reset_stats,
    stats,
    stats_timing,
    use_gems,
)
from ._native import native
from ._version import __version__

__all__ = [
    "OpStat",
    "__version__",
    "_debug_call_count",
    "all_registered_keys",
    "all_registered_ops",
    "disable",
    "enable",
    "flagtune",
    "logging_utils",
    "only_enable",
    "reset_stats",
    "stats",
    "stats_timing",
    "torch_ge",
    "use_gems",
]


def torch_ge(version: str) -> bool:
    """Whether torch is at least this version ("2.12")."""
    numbers = lambda v: tuple(int(p) for p in v.split("+")[0].split(".")[:3] if p.isdigit())
    return numbers(torch.__version__) >= numbers(version)


_SUBMODULES = ("c_operators", "cache", "config", "fused", "jit", "memory", "modules", "ops", "pretune",
               "runtime", "shapes", "testing", "tune", "utils")  # fmt: skip


def _aten_lib():
    # The default target that enable() names in its signature; nothing is registered through it (see enable).
    return torch.library.Library("aten", "IMPL")


def _registrar():
    return importlib.import_module("flag_gems.runtime.op_registrar").GeneralOpRegistrar


def _work_registrar():
    return importlib.import_module("flag_gems.runtime.op_registrar").current()


def _full_config():
    return importlib.import_module("flag_gems.runtime.op_registrar").full_config()


def _full_config_by_func():
    return importlib.import_module("flag_gems.runtime.op_registrar").full_config_by_func()


def _fp8():
    return importlib.import_module("flag_gems.utils.device_info").supported_fp8_dtype()


def _device():
    return importlib.import_module("flag_gems.runtime").device


# Attributes made when they are first asked for; those in _DYNAMIC are asked anew each time.
_LAZY = {
    "prewarm": lambda: importlib.import_module("flag_gems.pretune").prewarm,
    "record_shapes": lambda: importlib.import_module("flag_gems.shapes").record_shapes,
    "device": lambda: _device().name,
    "vendor_name": lambda: _device().vendor_name,
    "backend_info": _device,
    "aten_lib": _aten_lib,
    "registrar": _registrar,
    "_FULL_CONFIG": _full_config,
    "FULL_CONFIG_BY_FUNC": _full_config_by_func,
    "SUPPORTED_FP8_DTYPE": _fp8,
}
_DYNAMIC = {"current_work_registrar": _work_registrar}


def __getattr__(name: str):
    if name in _DYNAMIC:
        return _DYNAMIC[name]()
    if name in _LAZY:
        value = globals()[name] = _LAZY[name]()
        return value
    if name in _SUBMODULES:
        return importlib.import_module(f"flag_gems.{name}")
    if name.startswith("__"):
        raise AttributeError(name)
    for module in ("fused", "modules", "ops"):
        try:
            value = getattr(importlib.import_module(f"flag_gems.{module}"), name)
        except AttributeError:
            continue
        globals()[name] = value
        return value
    raise AttributeError(f"module 'flag_gems' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY, *_DYNAMIC, *_SUBMODULES})


# torch.ops.flag_gems.* exist from here on. Without the extension the import still succeeds (tools read the documentation, the
# state logic has tests of its own) and every use raises ImportError with this text.
try:
    native()
except ImportError as _e:
    warnings.warn(str(_e), RuntimeWarning, stacklevel=2)
else:
    importlib.import_module("flag_gems._custom")
    _api.gems()  # the table and its loggers: 1.5 ms that the first enable() doesn't pay
