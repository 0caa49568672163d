"""Comparisons with the tolerances of the FlagGems test suite."""

from __future__ import annotations

import torch

RESOLUTION = {
    torch.bool: 0,
    torch.uint8: 0,
    torch.int8: 0,
    torch.int16: 0,
    torch.int32: 0,
    torch.int64: 0,
    torch.float8_e4m3fn: 1e-3,
    torch.float8_e5m2: 1e-3,
    torch.float8_e4m3fnuz: 1e-3,
    torch.float8_e5m2fnuz: 1e-3,
    torch.float16: 1e-3,
    torch.float32: 1.3e-6,
    torch.bfloat16: 0.016,
    torch.float64: 1e-7,
    torch.complex32: 1e-3,
    torch.complex64: 1.3e-6,
    torch.complex128: 1e-7,
}

_LARGE = 1 << 30  # bytes from which a comparison goes to the CPU: it makes several copies


def _fits(res: torch.Tensor) -> bool:
    size = res.numel() * res.element_size()
    if res.device.type != "cuda":
        return True
    return size < _LARGE and size <= torch.cuda.mem_get_info(res.device)[0]


def assert_close(res, ref, dtype, equal_nan=False, reduce_dim=1, atol=1e-4):
    """``res`` has ``dtype`` (None: float32) and equals ``ref`` within rtol = RESOLUTION[dtype], atol = atol * reduce_dim."""
    if dtype is None:
        dtype = torch.float32
    assert res.dtype == dtype, f"the result is {res.dtype}, expected {dtype}"
    ref = ref.to(dtype)
    if not _fits(res):
        res, ref = res.cpu(), ref.cpu()
    torch.testing.assert_close(res, ref, atol=atol * reduce_dim, rtol=RESOLUTION[dtype], equal_nan=equal_nan)


def assert_equal(res, ref, equal_nan=False):
    if isinstance(res, torch.Tensor) and not _fits(res):
        res, ref = res.cpu(), ref.cpu()
    torch.testing.assert_close(res, ref, atol=0, rtol=0, equal_nan=equal_nan)
