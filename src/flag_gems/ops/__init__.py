"""Every served operator as a function: ``flag_gems.ops.<function>(...)`` runs our kernel, whatever is enabled.

The functions are made from the operator table. Submodule paths (``from flag_gems.ops.eq import eq_scalar``) resolve too.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types

import torch

from .._api import gems
from . import _aliases
from ._composites import COMPOSITES, Composite


class OpFunction:
    """Calls one operator with our kernel forced on; of several overloads (``add.Tensor``, ``add.Scalar``) torch chooses."""

    def __init__(self, name: str, rows: list[int]):
        g = gems()
        found = [g.table.rows[r] for r in rows]
        self.__name__ = self.__qualname__ = name
        self.__module__ = f"flag_gems.ops.{found[0].module}"
        self.__doc__ = found[0].doc
        self.rows = tuple(rows)
        self.keys = tuple(r.key for r in found)
        overload = found[0].find()
        self._call = overload if len(found) == 1 else overload.overloadpacket
        if _aliases.is_loss(name):
            self._call = _aliases.loss_call(self._call)
        self._state = g.state
        self._mask = None if found[0].custom else g.table.mask(rows)

    def __call__(self, *args, **kwargs):
        # A compiled graph keeps the call, not the state around it.
        if self._mask is None or torch.compiler.is_compiling() or all(self._state.active[r] for r in self.rows):
            return self._call(*args, **kwargs)
        self._state.force(self._mask)
        try:
            return self._call(*args, **kwargs)
        finally:
            self._state.unforce(self._mask)

    def __repr__(self):
        return f"<flag_gems operator {self.__name__}: {', '.join(self.keys)}>"


class _OpModule(types.ModuleType):
    """flag_gems.ops.<module>: the functions of one operator. Callable, as its name is a function's as well (``ops.add``)."""

    def __call__(self, *args, **kwargs):
        return getattr(self, self.__name__.rpartition(".")[2])(*args, **kwargs)


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    prefix = __name__ + "."

    def find_spec(self, fullname, path=None, target=None):
        if not fullname.startswith(self.prefix) or fullname[len(self.prefix) :] not in _modules():
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec):
        return _OpModule(spec.name)

    def exec_module(self, module):
        short = module.__name__[len(self.prefix) :]
        for name in _modules()[short]:
            setattr(module, name, _function(name))


_module_names: dict[str, list[str]] = {}
_functions: dict[str, OpFunction] = {}


def _modules() -> dict[str, list[str]]:
    if not _module_names:
        for row in gems().table.rows:
            names = _module_names.setdefault(row.module, [])
            if row.function not in names:
                names.append(row.function)
        for name in COMPOSITES:
            _module_names.setdefault(name, [name])
    return _module_names


def _function(name: str) -> OpFunction:
    if name not in _functions:
        rows = gems().table.by_function.get(name)
        _functions[name] = OpFunction(name, rows) if rows else Composite(name, gems())
    return _functions[name]


def __getattr__(name: str):
    if not name.startswith("__") and name in gems().table.by_function or name in COMPOSITES:
        value = globals()[name] = _function(name)
        return value
    raise AttributeError(f"flag_gems serves no operator named {name!r}")


def __dir__():
    return sorted({*globals(), *gems().table.by_function, *COMPOSITES})


sys.meta_path.append(_Finder())
