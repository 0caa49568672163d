"""flag_gems.testing and the helpers in flag_gems.utils."""

from __future__ import annotations

import pytest
import torch
from flag_gems import testing
from flag_gems.utils import device_info, shape_utils


def test_resolution_is_the_published_table():
    want = {
        torch.float16: 1e-3, torch.bfloat16: 0.016, torch.float32: 1.3e-6, torch.float64: 1e-7, torch.complex32: 1e-3,
        torch.complex64: 1.3e-6, torch.complex128: 1e-7, torch.float8_e4m3fn: 1e-3, torch.float8_e5m2: 1e-3,
        torch.float8_e4m3fnuz: 1e-3, torch.float8_e5m2fnuz: 1e-3,
        **dict.fromkeys((torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64), 0),
    }  # fmt: skip
    assert testing.RESOLUTION == want


def test_assert_close():
    one = torch.ones(3)
    testing.assert_close(one, one.double() + 5e-5, torch.float32)
    testing.assert_close(one, one, None)
    with pytest.raises(AssertionError):
        testing.assert_close(one, one + 1e-3, torch.float32)
    testing.assert_close(one, one + 1e-3, torch.float32, reduce_dim=10)
    with pytest.raises(AssertionError, match="expected torch.float16"):
        testing.assert_close(one, one, torch.float16)
    nan = torch.tensor([float("nan")])
    with pytest.raises(AssertionError):
        testing.assert_close(nan, nan, torch.float32)
    testing.assert_close(nan, nan, torch.float32, equal_nan=True)


def test_assert_equal():
    testing.assert_equal(torch.ones(3), torch.ones(3))
    with pytest.raises(AssertionError):
        testing.assert_equal(torch.ones(3), torch.ones(3) + 1e-7)


def test_broadcasting():
    s = shape_utils
    assert s.broadcast((3, 1), (4,)) == (3, 4)
    assert s.broadcast_shapes([(3, 1), (4,), (2, 1, 1)]) == (2, 3, 4)
    with pytest.raises(ValueError):
        s.broadcast((3,), (4,))
    assert s.broadcastable_to((1, 4), (2, 3, 4)) and not s.broadcastable_to((2, 3, 4), (3, 4))
    t = torch.empty(3, 1).expand(2, 3, 4)
    assert s.broadcasted_stride((3, 1), (1, 1), (2, 3, 4)) == t.stride()


@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (2, 0, 3)])
def test_strides(shape):
    s = shape_utils
    assert s.volume(shape) == torch.empty(shape).numel()
    if 0 not in shape:
        assert s.c_contiguous_stride(shape) == torch.empty(shape).stride()
        f = s.f_contiguous_stride(shape)
        assert f == torch.empty(shape[::-1]).permute(tuple(reversed(range(len(shape))))).stride()
        assert s.ordered_stride(shape, range(len(shape))) == f


def test_orders_and_indices():
    s = shape_utils
    t = torch.empty(2, 3, 4).permute(2, 0, 1)
    assert s.stride_order(t.stride()) == (0, 2, 1)
    assert s.unravel_index(17, (2, 3, 4)) == (1, 1, 1)
    assert s.is_valid_perm((2, 0, 1)) and not s.is_valid_perm((0, 0))
    c = s.dim_compress(torch.arange(24).view(2, 3, 4), [0, 1])
    assert c.shape == (4, 2, 3) and c.is_contiguous()
    assert s.heuristics_for_tile_size(1024, 5, 300) == (2, 512)
    assert [s.heuristics_for_num_warps(n) for n in (1024, 2048, 8192)] == [4, 8, 16]


def test_memory_questions():
    s = shape_utils
    x = torch.empty(4, 6)
    assert s.size_in_bytes(x) == 96 and s.size_in_bytes([x, x]) == 192
    assert not s.has_internal_overlapping(x.t()) and s.has_internal_overlapping(x[:1].expand(4, 6))
    assert s.has_internal_overlapping(x.as_strided((3, 4), (2, 1)))
    assert s.can_use_int32_index(x)
    assert not s.can_use_int32_index(torch.empty(1).expand(1 << 16, 1 << 16))
    assert s.restride_dim(x, 0, (2, 6), 2).stride() == (12, 1)
    assert s.all_the_same_shape([x, x]) and not s.all_the_same_stride([x, x.t()]) and s.all_c_contiguous([x])


def test_device_info(device):
    info = device_info.get_device_info()
    assert info.sm_count > 0 and info.l2_cache_size > 0
    major, _ = device_info.get_device_capability()
    assert (major > 0) == (torch.cuda.is_available())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="the CPU generator has no Philox state")
def test_philox():
    from flag_gems.utils import random_utils

    random_utils.set_philox_state(1234, 8)
    assert random_utils.philox_backend_seed_offset(5) == (1234, 8)
    assert random_utils.philox_backend_seed_offset(1) == (1234, 16)
    state = torch.cuda.get_rng_state()
    a = torch.rand(10, device="cuda")
    torch.cuda.set_rng_state(state)
    assert torch.equal(a, torch.rand(10, device="cuda"))
