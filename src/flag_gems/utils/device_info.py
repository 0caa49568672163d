"""Facts about the current device."""

from __future__ import annotations

from typing import NamedTuple

import torch


class DeviceInfo(NamedTuple):
    device_id: int
    l2_cache_size: int
    sm_count: int


_L2_DEFAULT = 40 << 20  # of an A100, where the device doesn't say
_SM_DEFAULT = 108


def _cuda() -> bool:
    from ..runtime import device

    return device.name == "cuda"


def get_device_id() -> int:
    return torch.cuda.current_device() if _cuda() else 0


def get_device_properties(device_id: int | None = None):
    return torch.cuda.get_device_properties(get_device_id() if device_id is None else device_id) if _cuda() else None


def get_device_capability() -> tuple[int, int]:
    """(major, minor) of the GPU; (0, 0) without one."""
    return torch.cuda.get_device_capability() if _cuda() else (0, 0)


def get_l2_cache_size() -> int:
    return getattr(get_device_properties(), "L2_cache_size", None) or _L2_DEFAULT


def get_sm_count() -> int:
    return getattr(get_device_properties(), "multi_processor_count", None) or _SM_DEFAULT


def get_device_info() -> DeviceInfo:
    return DeviceInfo(get_device_id(), get_l2_cache_size(), get_sm_count())


def supported_fp8_dtype() -> torch.dtype:
    """float8_e4m3fn where the device computes with it, else float32."""
    return torch.float8_e4m3fn if get_device_capability() >= (9, 0) else torch.float32
