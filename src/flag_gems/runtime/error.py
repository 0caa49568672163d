"""Errors of device detection."""

from __future__ import annotations


def device_not_supported(name: str) -> RuntimeError:
    return RuntimeError(f"flag_gems: {name} device is not supported; supported are nvidia and cpu")
