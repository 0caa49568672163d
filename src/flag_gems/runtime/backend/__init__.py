"""The kind of chip: vendor, torch device, capabilities."""

from __future__ import annotations

import functools

import torch

from ..error import device_not_supported
from . import detect

# vendor name -> torch device
SUPPORTED = {"nvidia": "cuda", "cpu": "cpu", "arm": "cpu"}


class DeviceInfo:
    """``flag_gems.runtime.device`` and ``flag_gems.backend_info``."""

    @functools.cached_property
    def vendor_name(self) -> str:
        name = detect.detect_vendor()
        if name not in SUPPORTED:
            raise device_not_supported(name)
        return name

    @functools.cached_property
    def name(self) -> str:
        """The torch device type: "cuda" or "cpu". With "cuda", CPU tensors are served as well."""
        return SUPPORTED[self.vendor_name]

    @property
    def vendor(self) -> str:
        return self.vendor_name

    @property
    def vendor_list(self) -> list[str]:
        return sorted(SUPPORTED)

    @property
    def dispatch_key(self) -> str:
        return self.name.upper()

    @functools.cached_property
    def arch_name(self) -> str | None:
        if self.name != "cuda":
            return None
        return {8: "ampere", 9: "hopper", 10: "blackwell", 12: "blackwell"}.get(torch.cuda.get_device_capability()[0])

    @property
    def device_count(self) -> int:
        return torch.cuda.device_count() if self.name == "cuda" else 1

    @property
    def support_fp64(self) -> bool:
        return True

    @property
    def support_bf16(self) -> bool:
        return self.name == "cpu" or torch.cuda.get_device_capability()[0] >= 8

    @property
    def support_int64(self) -> bool:
        return True

    @property
    def info(self) -> dict:
        return {
            "vendor_name": self.vendor_name,
            "device_name": self.name,
            "dispatch_key": self.dispatch_key,
            "device_count": self.device_count,
        }

    def __repr__(self):
        return f"DeviceInfo(vendor_name={self.vendor_name!r}, name={self.name!r})"


def gen_torch_device_object(vendor_name: str | None = None):
    """The module ``torch.<device>``."""
    from flag_gems import runtime

    return runtime.torch_device_fn


def get_vendor_info(vendor_name: str | None = None) -> dict:
    from flag_gems import runtime

    return runtime.device.info
