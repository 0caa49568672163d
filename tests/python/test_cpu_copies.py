"""Transposed and broadcast operands on the CPU, around the sizes of tiles, registers and the pieces threads get."""

import pytest
import torch

import flag_gems

DTYPES = [torch.uint8, torch.bfloat16, torch.float32, torch.int64]


def values(shape, dtype):
    n = torch.Size(shape).numel()
    return (torch.arange(n, dtype=torch.int64) * 7919 % 251).to(dtype).view(shape)


@pytest.fixture(autouse=True)
def enabled():
    flag_gems.enable()
    yield
    flag_gems.disable()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(8, 8), (9, 200), (70, 131), (130, 64), (257, 129), (64, 2048), (1100, 2050), (2048, 1088)])
def test_transposed_copy(shape, dtype):
    x = values(shape, dtype)
    before = flag_gems._debug_call_count()
    got = x.t().contiguous()
    assert flag_gems._debug_call_count() > before
    assert got.is_contiguous()
    assert got.tolist() == [list(c) for c in zip(*x.tolist())]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dims", [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2)])
def test_permuted_copy(dims, dtype):
    x = values((5, 33, 140), dtype)
    want = x.numpy() if dtype != torch.bfloat16 else x.float().numpy()
    got = x.permute(dims).contiguous()
    assert (torch.tensor(want.transpose(dims).copy()) == got.to(torch.from_numpy(want).dtype)).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("shape", [(3, 64), (70, 131), (130, 1100), (9, 20000)])
@pytest.mark.parametrize("other", ["t", "row", "column", "t to float", "strided"])
def test_mixed_layouts(shape, dtype, other):
    x = values(shape, dtype)
    y = {
        "t": lambda: values(shape[::-1], dtype).t(),
        "row": lambda: values(shape[1:], dtype),
        "column": lambda: values((shape[0], 1), dtype),
        "t to float": lambda: values(shape[::-1], torch.float32).t(),
        "strided": lambda: values((shape[0], 2 * shape[1]), dtype)[:, ::2],
    }[other]()
    got = torch.sub(x, y)
    flag_gems.disable()
    torch.testing.assert_close(got, torch.sub(x, y), rtol=0, atol=0)
