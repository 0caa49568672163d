"""What the package knows about the device it runs on. Everything is found at first use."""

from __future__ import annotations

import importlib

import torch

from . import backend
from .backend import DeviceInfo

device = DeviceInfo()


class _CpuFunctions:
    """torch.cpu, with what code written for ``torch.cuda`` expects in addition."""

    class device:
        def __init__(self, index=None):
            self.index = index

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            return None

    @staticmethod
    def empty_cache():
        from .. import memory

        memory.trim()

    def __getattr__(self, name):
        return getattr(torch.cpu, name)


def __getattr__(name: str):
    if name == "torch_device_fn":
        value = _CpuFunctions() if device.name == "cpu" else getattr(torch, device.name)
    elif name == "torch_backend_device":
        value = getattr(torch.backends, device.name)
    elif name in ("op_registrar", "error"):
        return importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


__all__ = ["backend", "device", "torch_backend_device", "torch_device_fn"]
