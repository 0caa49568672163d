"""torch.compile, disable(), torch.compile again. torch's Python dispatcher remembers per overload which key serves it; after our
kernels are gone such an entry leads to an empty slot of the dispatcher's table, and the process dies. In processes of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Operators that have no native kernel at the backend's key (CompositeExplicitAutograd): theirs is the slot that becomes empty.
CODE = """
import torch, flag_gems

def f(x, i):
    e = torch.nn.functional.embedding(i, x)
    return torch.stack([e, e]).to(torch.float64).clone() + torch.ones(2, 3, 4) + torch.full((1,), 2.0) + torch.arange(4)

x, i = torch.randn(5, 4), torch.tensor([0, 2, 4])
want = f(x, i)
for _ in range(3):
    {on}
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(f, backend="aot_eager", dynamic=True)(x, i), want)
    {off}
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(f, backend="aot_eager", dynamic=True)(x, i), want)
print("alive")
"""
WAYS = {
    "enable": ("flag_gems.enable()", "flag_gems.disable()"),
    "fewer": ("flag_gems.enable()", "flag_gems.only_enable(include=['mm'])"),
    "block": ("block = flag_gems.use_gems(); block.__enter__()", "block.__exit__(None, None, None)"),
    "block, then disable": (
        "block = flag_gems.use_gems(); block.__enter__()",
        "block.__exit__(None, None, None); flag_gems.disable()",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_compile_after_toggling(subprocess_env, way):
    on, off = WAYS[way]
    out = subprocess.run(
        [sys.executable, "-c", CODE.format(on=on, off=off)], env=subprocess_env, capture_output=True, text=True, timeout=300
    )
    assert out.returncode == 0, f"exit status {out.returncode}\n{out.stderr[-2000:]}"
    assert out.stdout.strip() == "alive"


def test_caches_are_cleared(gems):
    """The entries of rows whose registration changes are dropped; the scenario above isn't luck."""
    import torch

    overload = torch.ops.aten.stack.default
    key = torch._C.DispatchKey.CPU
    overload._dispatch_cache[key] = key
    gems.enable()
    assert key not in overload._dispatch_cache
    overload._dispatch_cache[key] = key
    gems.enable()
    assert key in overload._dispatch_cache, "nothing changed, nothing to drop"
    gems.disable()
    assert key not in overload._dispatch_cache
