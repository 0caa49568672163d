"""The registrar: the object that names the overloads in force, and the protocol for choosing them oneself.

A class given as ``registrar=`` is called with a configuration, a list of (ATen name, function) entries; it calls (or overrides)
``register_impl`` for each. Overloads for which ``GeneralOpRegistrar.register_impl`` ran are registered.
"""

from __future__ import annotations

from .. import _api


class GeneralOpRegistrar:
    def __init__(
        self, config, user_include_ops=None, user_exclude_ops=None, cpp_patched_ops=None, lib=None, full_config_by_func=None
    ):
        include = None if user_include_ops is None else set(user_include_ops)
        exclude = set(user_exclude_ops or ()) | set(cpp_patched_ops or ())
        self._unused = list(user_exclude_ops or ())
        self._keys: list[str] = []
        self._ops: list[str] = []
        for entry in config:
            key, function = entry[0], entry[1]
            name = function if isinstance(function, str) else function.__name__
            if (include is None or name in include) and name not in exclude and key not in exclude:
                self.register_impl(key, function)

    def register_impl(self, key, fn, extra_dispatch_keys=()):
        """Chooses one overload. Override it to leave some out."""
        self._keys.append(key)
        self._ops.append(fn if isinstance(fn, str) else fn.__name__)

    def get_all_ops(self) -> list[str]:
        return list(self._ops)

    def get_all_keys(self) -> list[str]:
        return list(self._keys)

    def get_unused_ops(self) -> list[str]:
        return list(self._unused)

    def get_vendor_name(self) -> str:
        from . import device

        return device.vendor_name

    def get_current_device(self) -> str:
        from . import device

        return device.name


def current() -> GeneralOpRegistrar | None:
    """A registrar that names what runs on our kernels now; None when nothing does."""
    g = _api._gems
    if g is None or g.state.active == g.table.none_mask:
        return None
    made = GeneralOpRegistrar([(r.key, r.function) for r in g.table.rows if g.state.active[r.row]])
    made._unused = list(g.unused)
    return made


def full_config() -> tuple:
    """(ATen name, function) of every row of the table, in its order."""
    from .. import ops

    return tuple((r.key, ops._function(r.function)) for r in _api.gems().table.rows)


def full_config_by_func() -> dict[str, list]:
    found: dict[str, list] = {}
    for entry in full_config():
        found.setdefault(entry[1].__name__, []).append(entry)
    return found
