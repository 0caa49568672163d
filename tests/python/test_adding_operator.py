"""docs/adding-an-operator.md, done: one new file in a copy of the tree, a build, and it runs on our kernels."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["CMakeLists.txt", "cmake", "include", "core", "kernels", "ops", "backends", "bindings", "src"]

# An ATen operator that the copy doesn't serve, word for word from the document, and one of our own.
DOCUMENT = ROOT / "docs" / "adding-an-operator.md"
OWN = """#include "kernels/lang/lang.h"
struct lerp_square {
  static constexpr gems::decl decl{.aten = "flag_gems::lerp_square", .in = 2,
                                   .schema = "flag_gems::lerp_square(Tensor self, Tensor other) -> Tensor",
                                   .doc = "self + (other - self)^2"};
  template <class V> GEMS_FN V operator()(V x, V y) const { V d = y - x; return x + d * d; }
};
"""
PROGRAM = """
import sys, torch, flag_gems
assert flag_gems.__file__.startswith(sys.argv[1]), flag_gems.__file__
torch.manual_seed(0)
x, y = torch.randn(7, 65) * 4, torch.randn(7, 65)
x[0, :3] = torch.tensor([float("nan"), float("inf"), float("-inf")])
wanted = torch.nn.functional.hardswish(x)
strided = torch.nn.functional.hardswish(x.t())
flag_gems.enable()
assert "hardswish" in flag_gems.all_registered_ops()
before = flag_gems._debug_call_count()
got = [torch.nn.functional.hardswish(x), torch.nn.functional.hardswish(x.t()), torch.ops.aten.hardswish_(x.clone())]
inner = flag_gems._debug_call_count() - before
assert inner >= 3, f"{inner} kernels of ours ran"
for g, w in zip(got, (wanted, strided, wanted)):
    torch.testing.assert_close(g, w, equal_nan=True)
for dtype in (torch.bfloat16, torch.float16, torch.float64):
    flag_gems.disable()
    w = torch.nn.functional.hardswish(y.double().to(dtype))
    flag_gems.enable()
    torch.testing.assert_close(torch.nn.functional.hardswish(y.double().to(dtype)), w)
other = y + 2
before = flag_gems._debug_call_count()
z = torch.ops.flag_gems.lerp_square(y, other)
assert flag_gems._debug_call_count() == before + 1, "the operator of our own did not run"
flag_gems.disable()
torch.testing.assert_close(z, y + 4)
print("ADDED")
"""


def from_document() -> str:
    """The first C++ block of the document."""
    return DOCUMENT.read_text().split("```cpp\n")[1].split("```")[0]


def run(command, **kw):
    done = subprocess.run(command, capture_output=True, text=True, **kw)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.mark.timeout(900)
def test_one_new_file_is_a_new_operator(tmp_path):
    extension = list((ROOT / "src/flag_gems").glob("_C*.so"))
    assert extension, "the package isn't built"
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy2(source, tree / name)
    (tree / "ops/pointwise/hardswish.op.h").unlink()  # the copy doesn't serve it, until the document's file is there
    (tree / "ops/pointwise/hardswish.op.h").write_text(from_document())
    (tree / "ops/pointwise/lerp_square.op.h").write_text(OWN)

    # The binding knows no operator by name, so the one that is there serves the copy; core and CPU backend are built. With
    # ccache only what the new files change is compiled, without it both take one to two minutes on two cores.
    for so in extension:
        shutil.copy2(so, tree / "src/flag_gems" / so.name)
    env = dict(os.environ, PYTHONPATH=str(tree / "src"))
    env.pop("GEMS_KERNEL_DIR", None)
    env["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), env["PATH"]])
    configure = [
        "cmake",
        "-S",
        ".",
        "-B",
        "build",
        "-G",
        "Ninja",
        "-DCMAKE_BUILD_TYPE=Release",
        "-DGEMS_TORCH=OFF",
        "-DGEMS_TESTS=OFF",
    ]
    run(configure, env=env, cwd=tree)
    run(["cmake", "--build", "build", "-j", str(os.cpu_count())], env=env, cwd=tree)
    done = run([sys.executable, "-c", PROGRAM, str(tree)], env=env, cwd=tmp_path)
    assert "ADDED" in done.stdout
