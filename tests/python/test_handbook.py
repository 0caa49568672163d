"""The code blocks of the user handbook, run word for word in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

TEXT = (Path(__file__).parent / "data" / "handbook.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## (.*?)\n\n```python\n(.*?)```", TEXT, re.S | re.M))


@pytest.fixture
def run(gems, tmp_path, monkeypatch, capsys):
    """run(name): (what the block printed, how many of our kernels ran)."""
    monkeypatch.chdir(tmp_path)

    def block(name):
        before = gems._debug_call_count()
        exec(compile(BLOCKS[name], name, "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out, gems._debug_call_count() - before

    return block


def keys(gems):
    return set(gems.all_registered_keys())


def test_enable(gems, run):
    out, calls = run("enable")
    assert out == "torch.Size([1024, 1024])\n" and calls >= 1
    assert "mm" in keys(gems)


def test_use_gems(gems, run):
    out, calls = run("use_gems")
    assert out.splitlines() == ["With FlagGems: torch.Size([1024, 1024])", "Without FlagGems: torch.Size([1024, 1024])"]
    assert calls == 1 and keys(gems) == set()


def test_only_enable(gems, run):
    out, calls = run("only_enable")
    assert len(out.splitlines()) == 2 and calls == 1, "mm is ours, add is native"


def test_unused(gems, run):
    out, calls = run("unused")
    drawn = BLOCKS["unused"].count("torch.randn(")
    assert len(out.splitlines()) == 2 and calls == 1 + drawn, "addmm is ours, mm is native"
    assert "mm" not in keys(gems) and "addmm" in keys(gems)


def test_tune_cache_dir(gems, run):
    """The block multiplies 3-d tensors with torch.mm, which torch refuses: an extension while the library is enabled."""
    with pytest.warns(UserWarning, match="tuned_configs can't be used"):
        out, calls = run("tune_cache_dir")
    assert out == "torch.Size([1, 4096, 4096])\n" and calls >= 1
    assert "mm" in keys(gems)


def test_c_operators(run):
    assert run("c_operators")[0] == "C++ 扩展安装成功！\n"


def test_log(run, tmp_path):
    out, _ = run("log")
    assert "[DEBUG] flag_gems.ops.mm.mm: GEMS MM\n" in out
    assert (tmp_path / "gems_debug.log").exists()


def test_comparison(gems, run):
    out, calls = run("comparison")
    assert float(re.search(r"Maximum difference: (\S+)", out)[1]) < 1e-3
    drawn = BLOCKS["comparison"].count("torch.randn(")
    assert calls == 1 + drawn and "mm" in keys(gems), "enabled again at the end"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="the block uses a GPU")
@pytest.mark.parametrize("name", [n for n in BLOCKS if n.endswith("on a GPU")])
def test_on_a_gpu(run, name):
    assert run(name)[1] >= 10
