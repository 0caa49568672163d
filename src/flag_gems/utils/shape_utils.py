"""Arithmetic on shapes and strides."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence

import torch

Shape = tuple[int, ...]


def volume(shape: Iterable[int]) -> int:
    return math.prod(shape)


def size_in_bytes(a) -> int:
    """Bytes of a tensor's elements, or of all tensors in a sequence."""
    if isinstance(a, torch.Tensor):
        return a.numel() * a.element_size()
    return sum(size_in_bytes(t) for t in a) if isinstance(a, (list, tuple)) else 0


def broadcast(s1: Sequence[int], s2: Sequence[int]) -> Shape:
    if not broadcastable(s1, s2):
        raise ValueError(f"{tuple(s1)} and {tuple(s2)} can't be broadcast together")
    return tuple(torch.broadcast_shapes(tuple(s1), tuple(s2)))


def broadcast_shapes(shapes: Iterable[Sequence[int]]) -> Shape:
    return functools.reduce(broadcast, (tuple(s) for s in shapes), ())


def broadcastable(s1: Sequence[int], s2: Sequence[int]) -> bool:
    return all(a == b or a == 1 or b == 1 for a, b in zip(reversed(s1), reversed(s2)))


def broadcastable_to(s1: Sequence[int], s2: Sequence[int]) -> bool:
    """Whether s1 can be expanded to s2."""
    return len(s1) <= len(s2) and all(a == b or a == 1 for a, b in zip(reversed(s1), reversed(s2)))


def broadcasted_stride(shape: Sequence[int], stride: Sequence[int], new_shape: Sequence[int]) -> Shape:
    """Strides of a tensor expanded to ``new_shape``: 0 along new and repeated dimensions."""
    if not broadcastable_to(shape, new_shape):
        raise ValueError(f"{tuple(shape)} can't be expanded to {tuple(new_shape)}")
    lead = len(new_shape) - len(shape)
    kept = (0 if size == 1 and new > 1 else st for size, st, new in zip(shape, stride, new_shape[lead:]))
    return (0,) * lead + tuple(kept)


def is_valid_perm(perm: Sequence[int]) -> bool:
    return sorted(perm) == list(range(len(perm)))


def unravel_index(linear: int, shape: Sequence[int]) -> Shape:
    found = []
    for size in reversed(shape):
        linear, r = divmod(linear, size)
        found.append(r)
    return tuple(reversed(found))


def c_contiguous_stride(shape: Sequence[int]) -> Shape:
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def f_contiguous_stride(shape: Sequence[int]) -> Shape:
    return tuple(reversed(c_contiguous_stride(tuple(reversed(shape)))))


def ordered_stride(shape: Sequence[int], order: Sequence[int]) -> Shape:
    """Dense strides in which ``order`` lists the dimensions from the fastest to the slowest."""
    if not is_valid_perm(order) or len(order) != len(shape):
        raise ValueError(f"{tuple(order)} isn't an order of {len(shape)} dimensions")
    strides, step = [0] * len(shape), 1
    for d in order:
        strides[d] = step
        step *= max(shape[d], 1)
    return tuple(strides)


def stride_order(strides: Sequence[int]) -> Shape:
    """Dimensions from the smallest stride to the largest; of equal ones the last dimension first."""
    n = len(strides)
    return tuple(sorted(range(n), key=lambda d: (abs(strides[d]), -d)))


def _same(values) -> bool:
    values = list(values)
    return all(v == values[0] for v in values)


def all_the_same_shape(tensors: Sequence[torch.Tensor]) -> bool:
    return _same(t.shape for t in tensors)


def all_the_same_stride(tensors: Sequence[torch.Tensor]) -> bool:
    return _same(t.stride() for t in tensors)


def all_c_contiguous(tensors: Sequence[torch.Tensor]) -> bool:
    return all(t.is_contiguous() for t in tensors)


def heuristics_for_tile_size(max_tile_size: int, *sizes: int) -> Shape:
    """Powers of two whose product is at most ``max_tile_size``, the last (fastest) dimension served first."""
    tiles, left = [], max_tile_size
    for size in reversed(sizes):
        tile = min(1 << max(size - 1, 0).bit_length(), left)
        tiles.append(tile)
        left = max(1, left // tile)
    return tuple(reversed(tiles))


def heuristics_for_num_warps(tile_size: int) -> int:
    return 4 if tile_size < 2048 else 8 if tile_size < 4096 else 16


def dim_compress(inp: torch.Tensor, dims) -> torch.Tensor:
    """Contiguous, with ``dims`` moved to the end, the one of the smallest stride last."""
    dims = [dims] if isinstance(dims, int) else list(dims)
    dims = sorted((d % inp.dim() for d in dims), key=lambda d: inp.stride(d), reverse=True)
    kept = [d for d in range(inp.dim()) if d not in dims]
    return inp.permute(kept + dims).contiguous()


def can_use_int32_index(a: torch.Tensor) -> bool:
    """Whether every element offset of the tensor, and its element count, is below 2^31."""
    reach = sum((size - 1) * abs(st) for size, st in zip(a.shape, a.stride()) if size > 1)
    return max(reach, a.numel() - 1) <= (1 << 31) - 1


def has_internal_overlapping(x: torch.Tensor) -> bool:
    """Whether two indices of the tensor share memory. Exact for strides that nest; others are taken to overlap."""
    if x.numel() < 2 or x.is_contiguous():
        return False
    reach = 0
    for st, size in sorted((abs(st), size) for st, size in zip(x.stride(), x.shape) if size > 1):
        if st <= reach:
            return True
        reach += st * (size - 1)
    return False


def restride_dim(
    src: torch.Tensor, dim: int, shape: Sequence[int], step: int = 0, storage_offset: int | None = None
) -> torch.Tensor:
    """A view of ``src`` in ``shape`` whose stride along ``dim`` is multiplied by ``step``."""
    strides = list(src.stride())
    strides[dim] *= step
    return torch.as_strided(src, tuple(shape), strides, storage_offset)
