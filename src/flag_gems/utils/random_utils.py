"""The Philox state of torch's generators: (seed, offset), both 64 bits."""

from __future__ import annotations

import torch


def _generator(device=None) -> torch.Generator:
    from ..runtime import device as info

    device = torch.device(info.name if device is None else device)
    if device.type != "cuda":
        raise RuntimeError(f"flag_gems: the generator of {device.type} has no Philox state")
    index = torch.cuda.current_device() if device.index is None else device.index
    torch.cuda.init()
    return torch.cuda.default_generators[index]


def set_philox_state(seed: int, offset: int, device=None) -> None:
    """Sets seed and offset; the offset is a multiple of 4."""
    if offset % 4:
        raise ValueError("set_philox_state: the offset must be a multiple of 4")
    state = torch.tensor([seed, offset], dtype=torch.uint64).view(torch.uint8)
    _generator(device).set_state(state)


def philox_backend_seed_offset(increment: int, generator: torch.Generator | None = None) -> tuple[int, int]:
    """(seed, offset) to use now; moves the generator on by ``increment``, rounded up to a multiple of 4."""
    generator = generator or _generator()
    state = generator.get_state()
    seed, offset = (int(v) for v in state.view(torch.int64))
    step = (increment + 3) // 4 * 4
    state.view(torch.int64)[1] = offset + step
    generator.set_state(state)
    return seed, offset
