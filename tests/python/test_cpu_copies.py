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


LARGE = [
    ("convert", (torch.bfloat16,), lambda x, o: o.copy_(x)),
    ("copy", (torch.float32,), lambda x, o: o.copy_(x)),
    ("fill", (torch.float32,), lambda x, o: o.fill_(1.5)),
    ("add", (torch.float32,), lambda x, o: torch.add(x, x, out=o)),
    ("add mixed", (torch.float32, torch.bfloat16), lambda x, o: torch.add(*x, out=o)),
    ("mul number", (torch.float32,), lambda x, o: torch.mul(x, 3, out=o)),
    ("compare", (torch.float32,), lambda x, o: torch.gt(x, 5, out=o)),
    ("in place", (torch.float32,), lambda x, o: o.copy_(x).add_(1)),
]


@pytest.mark.parametrize("name, dtypes, run", LARGE, ids=[c[0] for c in LARGE])
@pytest.mark.parametrize("first", [0, 3])  # results that don't begin on a line
def test_results_beyond_the_last_cache(name, dtypes, run, first):
    """Larger than any cache here, so stored past it; the last block is a partial one."""
    n = (160 << 20) + 77 if name == "compare" else (40 << 20) + 77
    x = [values((n + first,), d)[first:] for d in dtypes]
    x = x[0] if len(x) == 1 else x
    kind = torch.bool if name == "compare" else torch.float32
    got, want = (torch.empty(n + first, dtype=kind)[first:] for _ in range(2))
    before = flag_gems._debug_call_count()
    run(x, got)
    assert flag_gems._debug_call_count() > before
    flag_gems.disable()
    run(x, want)
    assert torch.equal(got, want)
