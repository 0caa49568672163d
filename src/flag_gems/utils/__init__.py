"""Helpers about shapes, random numbers and the device."""

import importlib


def __getattr__(name: str):
    if name in ("device_info", "random_utils", "shape_utils"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
