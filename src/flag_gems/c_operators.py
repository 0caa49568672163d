"""The C++ operators. ``from flag_gems import c_operators`` succeeds exactly when the C++ extension works here."""

from __future__ import annotations

from ._native import native

_C = native()


def __getattr__(name: str):
    from . import ops

    try:
        return getattr(ops, name)
    except AttributeError:
        raise AttributeError(f"flag_gems.c_operators has no operator {name!r}") from None
