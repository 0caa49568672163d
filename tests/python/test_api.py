"""The user's functions as the handbook describes them: what runs where after each of them."""

from __future__ import annotations

import logging
import re
import warnings

import pytest
import torch


@pytest.fixture
def x(device):
    return torch.randn(16, 16, device=device)


@pytest.fixture
def on(ran, x):
    """on(): which of mm, add, silu run on our kernels now."""

    def which():
        calls = {"mm": lambda: torch.mm(x, x), "add": lambda: torch.add(x, x), "silu": lambda: torch.nn.functional.silu(x)}
        return {name for name, f in calls.items() if ran(f)[1]}

    return which


ALL = {"mm", "add", "silu"}


def test_nothing_runs_before_enable(gems, on):
    assert on() == set()
    assert gems.all_registered_ops() == [] and gems.all_registered_keys() == []
    assert gems.current_work_registrar is None


def test_enable_disable(gems, on):
    gems.enable()
    assert on() == ALL
    gems.enable()
    assert on() == ALL
    gems.disable()
    assert on() == set()
    gems.disable()
    assert on() == set()


@pytest.mark.parametrize("unused", [["mm"], ("mm",), {"mm"}, "mm", ["mm*"], ["mm", "mm.out"]])
def test_unused(gems, on, unused):
    gems.enable(unused=unused)
    assert on() == ALL - {"mm"}
    assert "mm.out" not in gems.all_registered_keys(), "a function's name stands for its out= form too"
    assert "addmm" in gems.all_registered_keys()


def test_unused_overload_only(gems, on):
    gems.enable(unused=["mm.out"])
    assert on() == ALL
    assert "mm" in gems.all_registered_keys() and "mm.out" not in gems.all_registered_keys()


def test_out_is_native_too(gems, ran, x):
    gems.enable(unused=["mm"])
    out = torch.empty_like(x)
    assert ran(torch.mm, x, x, out=out)[1] == 0


def test_in_place_is_a_function_of_its_own(gems, ran, x):
    mask = x > 0
    gems.only_enable(include=["masked_fill"])
    assert ran(x.masked_fill, mask, 1.0)[1] == 1
    assert ran(x.masked_fill_, mask, 1.0)[1] == 0
    gems.only_enable(include=["masked_fill_"])
    assert ran(x.masked_fill_, mask, 1.0)[1] == 1
    assert set(gems.all_registered_ops()) == {"masked_fill_"}


def test_only_enable(gems, on):
    gems.only_enable(include=["mm", "addmm"])
    assert on() == {"mm"}
    assert set(gems.all_registered_ops()) == {"mm", "mm_out", "addmm", "addmm_out"}
    gems.only_enable(include=["add"])
    assert on() == {"add"}, "each call replaces the former"


def test_only_enable_default_is_everything(gems, on):
    gems.only_enable()
    assert on() == ALL
    gems.only_enable(include="default")
    assert on() == ALL


def test_use_gems(gems, on):
    with gems.use_gems() as entered:
        assert entered is None
        assert on() == ALL
    assert on() == set()
    with gems.use_gems(include=["mm"]):
        assert on() == {"mm"}
    with gems.use_gems(exclude=["mm"]):
        assert on() == ALL - {"mm"}
    with gems.use_gems(include=["mm"], exclude=["mm"]):
        assert on() == {"mm"}, "include wins"
    assert on() == set()


def test_use_gems_after_an_error(gems, on):
    with pytest.raises(ZeroDivisionError):
        with gems.use_gems():
            raise ZeroDivisionError
    assert on() == set()


def test_use_gems_as_decorator(gems, on):
    @gems.use_gems(include=["mm"])
    def inside(depth):
        found = on()
        return found if depth == 0 else inside(depth - 1)

    assert inside(2) == {"mm"}
    assert on() == set()


def test_nesting(gems, on):
    gems.enable(unused=["silu"])
    with gems.use_gems(include=["mm"]):
        assert on() == {"mm"}
        with gems.use_gems(exclude=["mm"]):
            assert on() == ALL - {"mm"}
        assert on() == {"mm"}
    assert on() == ALL - {"silu"}


def test_same_block_twice(gems, on):
    block = gems.use_gems(include=["mm"])
    with block:
        with block:
            assert on() == {"mm"}
        assert on() == {"mm"}
    assert on() == set()


def test_base_changes_inside_a_block(gems, on):
    with gems.use_gems(include=["mm"]):
        gems.enable()
        assert on() == ALL
    assert on() == ALL
    with gems.use_gems(include=["mm"]):
        gems.disable()
        assert on() == set()
    assert on() == set()
    with gems.use_gems():
        gems.only_enable(include=["add"])
        assert on() == {"add"}
        with gems.use_gems(include=["mm"]):
            assert on() == {"mm"}
        assert on() == {"add"}
    assert on() == {"add"}


def test_interleaved_generators(gems, on):
    def block(**kwargs):
        with gems.use_gems(**kwargs):
            yield

    a, b = block(include=["mm"]), block(include=["add"])
    next(a)
    next(b)
    assert on() == {"add"}
    a.close()
    assert on() == {"add"}
    b.close()
    assert on() == set()


# ---- names


def test_unknown_name_warns_with_near_matches(gems, on):
    with pytest.warns(UserWarning, match=r"'softmx'.*near: .*softmax") as caught:
        gems.enable(unused=["softmx"])
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert on() == ALL
    with pytest.warns(UserWarning, match="'no_such_operator'"):
        with gems.use_gems(include=["mm", "no_such_operator"]):
            assert on() == {"mm"}


def test_nothing_selected_warns(gems, on):
    with pytest.warns(UserWarning, match="selects no operator"):
        gems.only_enable(include=[])
    assert on() == set()


def test_wrong_type_of_name(gems):
    with pytest.raises(TypeError, match="strings"):
        gems.enable(unused=[torch.mm])


def test_globs(gems):
    gems.only_enable(include=["add*"])
    keys = set(gems.all_registered_keys())
    assert {"add.Tensor", "add_.Tensor", "add.out", "addmm", "addmm.out"} <= keys
    assert "mm" not in keys


def test_yaml(gems, on, tmp_path):
    file = tmp_path / "ops.yaml"
    file.write_text("include: [mm]\nexclude:\n  - silu\n")
    gems.only_enable(include=str(file))
    assert on() == {"mm"}
    gems.enable(unused=file)
    assert on() == ALL - {"silu"}
    with gems.use_gems(exclude=str(file)):
        assert on() == ALL - {"silu"}
    with gems.use_gems(include=str(file)):
        assert on() == {"mm"}
        file.write_text("include: [add, mm]")
    with gems.use_gems(include=str(file)):
        assert on() == {"add", "mm"}, "a changed file is read again"


@pytest.mark.parametrize("text, message", [(None, "No such file"), ("- mm\n", "must be a mapping"), ("include: {", "can't read")])
def test_bad_yaml_warns(gems, on, tmp_path, text, message):
    file = tmp_path / "ops.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.warns(UserWarning, match=message):
        gems.enable(unused=str(file))
    assert on() == ALL


def test_default_include_comes_from_the_config(gems, on, tmp_path, monkeypatch):
    file = tmp_path / "enable_configs.yaml"
    file.write_text("include: [mm]")
    monkeypatch.setattr("flag_gems.config.get_default_enable_config", lambda vendor_name=None, arch_name=None: [file])
    with gems.use_gems(include="default"):
        assert on() == {"mm"}


# ---- inventory


def test_registrar(gems):
    gems.enable(unused=["mm"])
    r = gems.current_work_registrar
    assert r.get_all_keys() == gems.all_registered_keys() and "add.Tensor" in r.get_all_keys()
    assert r.get_all_ops() == gems.all_registered_ops() and "add" in r.get_all_ops()
    assert r.get_unused_ops() == ["mm"]
    assert r.get_vendor_name() == gems.vendor_name and r.get_current_device() == gems.device


def test_own_registrar_chooses(gems, on):
    class OnlyMm(gems.registrar):
        def register_impl(self, key, fn, extra_dispatch_keys=()):
            if fn.__name__ == "mm":
                super().register_impl(key, fn, extra_dispatch_keys)

    gems.enable(registrar=OnlyMm)
    assert on() == {"mm"}


def test_full_config(gems):
    keys = [entry[0] for entry in gems._FULL_CONFIG]
    assert len(keys) == len(set(keys)) and "add.Tensor" in keys
    assert {e[0] for e in gems.FULL_CONFIG_BY_FUNC["add"]} == {"add.Tensor", "add.Scalar"}
    assert all(callable(e[1]) for e in gems._FULL_CONFIG)


def test_facts(gems):
    assert gems.device in ("cpu", "cuda") and gems.device == gems.runtime.device.name
    assert gems.vendor_name == ("nvidia" if gems.device == "cuda" else "cpu")
    assert gems.backend_info is gems.runtime.device
    assert gems.runtime.device.dispatch_key == gems.device.upper()
    gems.runtime.torch_device_fn.synchronize()
    with gems.runtime.torch_device_fn.device(0):
        pass
    assert re.fullmatch(r"\d+\.\d+\.\d+", gems.__version__)
    assert gems.torch_ge("2.0") and not gems.torch_ge("99.0")
    from flag_gems import c_operators

    assert callable(c_operators.mm)


@pytest.mark.parametrize("variable", ["GEMS_VENDOR", "FLAGGEMS_VENDOR", "GEMS_BACKEND", "FLAGGEMS_BACKEND"])
def test_vendor_of_the_environment(gems, monkeypatch, variable):
    from flag_gems.runtime.backend import DeviceInfo

    monkeypatch.setenv(variable, "CPU")
    assert (DeviceInfo().vendor_name, DeviceInfo().name) == ("cpu", "cpu")
    monkeypatch.setenv(variable, "cambricon")
    with pytest.raises(RuntimeError, match="cambricon device is not supported"):
        _ = DeviceInfo().name


def test_direct_calls_run_ours_whatever_is_enabled(gems, on, x):
    before = gems._debug_call_count()
    torch.testing.assert_close(gems.ops.mm(x, x), x @ x)
    torch.testing.assert_close(gems.sum_dim(x, [0]), x.sum(0))
    torch.testing.assert_close(gems.add(x, 2.0), x + 2)
    torch.testing.assert_close(gems.eq_scalar(x, 0.0), x == 0)
    assert gems._debug_call_count() == before + 4
    assert on() == set()
    with gems.use_gems(include=["add"]):
        gems.mm(x, x)
        assert on() == {"add"}


def test_operator_modules(gems, x):
    import flag_gems.ops.mm  # noqa: F401
    from flag_gems.ops.eq import eq_scalar

    assert eq_scalar is gems.ops.eq_scalar
    torch.testing.assert_close(gems.ops.mm(x, x), x @ x)
    with pytest.raises(ImportError):
        import flag_gems.ops.no_such_operator  # noqa: F401
    with pytest.raises(AttributeError, match="no_such_operator"):
        gems.no_such_operator  # noqa: B018


def test_flagtune(gems, monkeypatch):
    import os

    monkeypatch.delenv("FLAGTUNE_INCLUDE", raising=False)
    gems.flagtune("mm; addmm")
    assert os.environ["FLAGTUNE_INCLUDE"] == "mm,addmm"
    with pytest.raises(ValueError, match="no_such_operator"):
        gems.flagtune(["mm", "no_such_operator"])
    gems.flagtune()
    assert "FLAGTUNE_INCLUDE" not in os.environ


def test_tune_cache_dir(gems, on, tmp_path):
    with pytest.warns(UserWarning, match="tune_cache_dir .*No such file"):
        gems.enable(tune_cache_dir=tmp_path / "missing")
    assert on() == ALL
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="isn't a folder"):
        gems.enable(tune_cache_dir=tmp_path / "file")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.warns(UserWarning, match="writable by everyone"):
        gems.enable(tune_cache_dir=tmp_path / "open")
    (tmp_path / "good").mkdir(mode=0o755)
    with pytest.warns(UserWarning, match="isn't a tuned folder"):
        gems.enable(tune_cache_dir=tmp_path / "good")
    gems.pretune.pretune([], tmp_path / "good", "cpu", say=lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gems.enable(tune_cache_dir=tmp_path / "good")
    assert gems.config.tune_cache_dir() == str(tmp_path / "good")


def test_stats(gems, x):
    gems.reset_stats()
    gems.stats_timing(True)
    try:
        with gems.use_gems(include=["mm", "silu"]):
            for _ in range(3):
                torch.mm(x, x)
            torch.mm(torch.ones(2, 2, dtype=torch.complex64), torch.ones(2, 2, dtype=torch.complex64))
    finally:
        gems.stats_timing(False)
    found = {(s.key, s.device): s for s in gems.stats()}
    own = found["mm", x.device.type]
    assert own.own_calls == 3 and own.own_ns > 0
    assert found["mm", "cpu"].native_calls == 1
    gems.reset_stats()
    assert gems.stats() == []


# ---- the log

LINE = re.compile(r"^\[DEBUG\] flag_gems\.ops\.(\w+)\.(\w+): GEMS (\w+)$")


def lines(path):
    found = [LINE.match(s) for s in path.read_text().splitlines()]
    assert all(found), path.read_text()
    return [m.groups() for m in found]


def test_log(gems, x, tmp_path):
    path = tmp_path / "gems.log"
    gems.enable(record=True, path=str(path))
    torch.mm(x, x)
    _ = x == 1.5
    torch.mm(x, x)
    assert lines(path) == [("mm", "mm", "MM"), ("eq", "eq_scalar", "EQ_SCALAR"), ("mm", "mm", "MM")]
    gems.disable()
    torch.mm(x, x)
    assert len(lines(path)) == 3


def test_log_once(gems, x, tmp_path):
    path = tmp_path / "sub" / "gems.log"
    with gems.use_gems(record=True, once=True, path=path):
        for _ in range(3):
            torch.mm(x, x)
            x + x
    assert lines(path) == [("mm", "mm", "MM"), ("add", "add", "ADD")]
    x + x
    with gems.use_gems():
        x + x
    assert len(lines(path)) == 2


def test_log_is_overwritten_and_shared_while_open(gems, x, tmp_path):
    path = tmp_path / "gems.log"
    path.write_text("old\n")
    with gems.use_gems(record=True, path=path):
        with gems.use_gems(include=["mm"], record=True, path=path):
            torch.mm(x, x)
        x + x
    assert [m[1] for m in lines(path)] == ["mm", "add"]


def test_native_calls_are_not_logged(gems, tmp_path):
    path = tmp_path / "gems.log"
    with gems.use_gems(record=True, path=path):
        torch.ones(2, dtype=torch.complex64) * 2
    assert [m for m in lines(path) if m[0] == "mul"] == []


def test_default_path_of_the_log(gems, x, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with gems.use_gems(record=True):
        torch.mm(x, x)
    assert lines(tmp_path / ".flaggems" / "oplist.log")


def test_levels_of_python_loggers(gems, x, caplog):
    """Records come without a file when a logger's level asks for them, also if it is set inside the block."""
    with gems.use_gems():
        with caplog.at_level(logging.DEBUG, logger="flag_gems.ops.mm"):
            torch.mm(x, x)
            x + x
        torch.mm(x, x)
    assert [(r.name, r.funcName, r.getMessage()) for r in caplog.records] == [("flag_gems.ops.mm", "mm", "GEMS MM")]


def test_setup_and_teardown(gems, x, tmp_path):
    from flag_gems import logging_utils

    path = tmp_path / "gems.log"
    logging_utils.setup_flaggems_logging(path=path)
    gems.enable()
    torch.mm(x, x)
    logging_utils.teardown_flaggems_logging()
    torch.mm(x, x)
    assert [m[1] for m in lines(path)] == ["mm"]


def test_unwritable_log_changes_nothing(gems, on, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        gems.enable(record=True, path=tmp_path / "file" / "x.log")
    assert on() == set()


# ---- results of the fused operators and of the helpers are in test_custom_ops.py and test_helpers.py


def test_memory(gems, device):
    gems.enable()
    for _ in range(2):
        a = torch.randn(1 << 20) + 1
        del a
    before = gems.memory.stats()
    assert before["cached_bytes"] > 0
    gems.memory.trim()
    assert gems.memory.stats()["cached_bytes"] == 0
    gems.memory.limit(0)
    try:
        a = torch.ones(1 << 20) + 1
        del a
        assert gems.memory.stats()["cached_bytes"] == 0
    finally:
        gems.memory.limit(before["limit_bytes"])
