"""Which vendor's chip is used. No CUDA context is made, and no program is started."""

from __future__ import annotations

import glob
import os

import torch

VENDOR_VARIABLES = ("GEMS_VENDOR", "FLAGGEMS_VENDOR", "GEMS_BACKEND", "FLAGGEMS_BACKEND")


def detect_vendor() -> str:
    """The name in one of the environment variables (first found wins), "nvidia" when torch can use an NVIDIA GPU, else "cpu"."""
    for variable in VENDOR_VARIABLES:
        name = os.environ.get(variable, "").strip().lower()
        if name:
            return name
    return "nvidia" if nvidia_usable() else "cpu"


def nvidia_usable() -> bool:
    if torch.version.cuda is None or os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    if torch.cuda.is_initialized():
        return True
    # Device nodes: Linux, WSL, Jetson. They spare a machine without a GPU the driver's start-up.
    if os.name == "posix" and not any(glob.glob(p) for p in ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/nvhost-gpu", "/dev/nvgpu*")):
        return False
    return torch.cuda.device_count() > 0  # asks NVML, which doesn't initialise CUDA in this process
