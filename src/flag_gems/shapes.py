"""Lists of calls with their shapes: the file that pre-tuning reads, and its recording from a real run.

shapes:
  - op: "mm"                       # a function ("mm"), an ATen overload ("mm.out") or one of ours ("fused_add_rms_norm")
    args: [[16, 4096], [4096, 4096]]        # a list of integers is a tensor of that shape
  - op: "add"
    args:
      - {shape: [8, 64], dtype: bfloat16, strides: [1, 8]}
      - 2.5                        # anything else is a plain value
    kwargs: {alpha: 2}
    dtype: float16                 # of the tensors that don't name one (default: the file's, else the caller's)
    repeat: 12                     # how often a run makes this call; weighs the report
dtype: bfloat16
model: {command: "python my_model.py --tokens 4"}   # or {import: "my_module:run"}: the calls of a real run follow
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

import torch


class TensorSpec(NamedTuple):
    shape: tuple[int, ...]
    dtype: torch.dtype | None = None
    strides: tuple[int, ...] | None = None
    high: int | None = None  # values of an integer tensor are below this: indices


class ShapeEntry(NamedTuple):
    op: str
    args: tuple[Any, ...]  # TensorSpec, list of TensorSpec, or a plain value
    kwargs: dict[str, Any] = {}
    dtype: torch.dtype | None = None
    repeat: int = 1

    def describe(self) -> str:
        def one(a):
            if isinstance(a, TensorSpec):
                return "x".join(map(str, a.shape)) or "0-d"
            return str(a) if not isinstance(a, list) else "[" + ", ".join(map(one, a)) + "]"

        return f"{self.op}({', '.join(map(one, self.args))})"


class ShapeFileError(ValueError):
    pass


def _dtype(name: str, where: str) -> torch.dtype:
    found = getattr(torch, str(name).removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise ShapeFileError(f"{where}: {name!r} is no dtype")
    return found


def _argument(a, where: str):
    if isinstance(a, dict):
        unknown = set(a) - {"shape", "dtype", "strides", "high"}
        if "shape" not in a or unknown:
            raise ShapeFileError(f"{where}: a tensor has shape, and may have dtype, strides, high; got {sorted(a)}")
        strides = a.get("strides")
        return TensorSpec(
            tuple(a["shape"]),
            _dtype(a["dtype"], where) if "dtype" in a else None,
            None if strides is None else tuple(strides),
            a.get("high"),
        )
    if isinstance(a, list):
        if all(isinstance(x, int) and not isinstance(x, bool) for x in a):
            if any(x < 0 for x in a):
                raise ShapeFileError(
                    f"{where}: a shape has no negative sizes: {a}; a list of numbers is written as {{value: {a}}}"
                )
            return TensorSpec(tuple(a))
        return [_argument(x, where) for x in a]
    if isinstance(a, str):  # YAML reads 1e-5 as a text
        with contextlib.suppress(ValueError):
            return float(a)
    return a


def parse(text: str, name: str = "shapes", folder: str | os.PathLike = ".") -> list[ShapeEntry]:
    """The entries of a YAML text, `model:` in it run from ``folder``; ShapeFileError says where it is wrong."""
    import yaml

    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise ShapeFileError(f"{name}: {e}") from e
    if not isinstance(data, dict) or not isinstance(data.get("shapes", [] if "model" in data else None), list):
        raise ShapeFileError(f"{name}: a list `shapes:` is missing at the top (or a program: `model:`)")
    common = _dtype(data["dtype"], name) if "dtype" in data else None
    entries = []
    for i, e in enumerate(data.get("shapes", ())):
        where = f"{name}: entry {i + 1}"
        if not isinstance(e, dict) or not isinstance(e.get("op"), str) or not isinstance(e.get("args"), list):
            raise ShapeFileError(f"{where}: needs `op` (a name) and `args` (a list)")
        unknown = set(e) - {"op", "args", "kwargs", "dtype", "repeat"}
        if unknown:
            raise ShapeFileError(f"{where} ({e['op']}): unknown {', '.join(sorted(unknown))}")
        kwargs = {k: _dtype(v, where) if k == "dtype" else _plain(v) for k, v in (e.get("kwargs") or {}).items()}
        entries.append(
            ShapeEntry(
                e["op"],
                tuple(_plain(a) if isinstance(a, dict) and set(a) == {"value"} else _argument(a, where) for a in e["args"]),
                kwargs,
                _dtype(e["dtype"], where) if "dtype" in e else common,
                int(e.get("repeat", 1)),
            )
        )
    if "model" in data:
        entries += _recorded(data["model"], folder, f"{name}: model")
    return entries


def _recorded(model, folder: str | os.PathLike, where: str) -> list[ShapeEntry]:
    """The calls of a real run, {command: python my_model.py} or {import: my_module:function}, from the shape file's folder."""
    import subprocess
    import sys
    import tempfile

    if not isinstance(model, dict) or len(model) != 1 or set(model) - {"command", "import"}:
        raise ShapeFileError(f"{where}: {{command: python my_model.py}} or {{import: my_module:function}}")
    kind, text = next(iter(model.items()))
    command = shlex.split(str(text))
    if kind == "import":
        module, _, function = str(text).partition(":")
        if not module or not function.isidentifier():
            raise ShapeFileError(f"{where}: `import` is module:function, got {text!r}")
        command = ["-c", f"import importlib; importlib.import_module({module!r}).{function}()"]
    with tempfile.TemporaryDirectory() as t:
        out = os.path.join(t, "recorded.yaml")
        # A process of its own: what the program changes, or its exit, isn't ours. It compiles nothing for us.
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([os.fspath(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        env["PYTHONPATH"] += os.pathsep + here
        env.pop("GEMS_CACHE_DIR", None)
        run = [sys.executable, "-m", "flag_gems", "record-shapes", "--output", out, "--", *command]
        done = subprocess.run(run, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode or not os.path.exists(out):
            last = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise ShapeFileError(f"{where}: {shlex.join(command)} failed ({done.returncode}):\n{last}")
        return load(out)


def _plain(v):
    return v["value"] if isinstance(v, dict) and set(v) == {"value"} else v


def load(path: str | os.PathLike) -> list[ShapeEntry]:
    with open(path, encoding="utf-8") as f:
        return parse(f.read(), os.fspath(path), os.path.dirname(os.path.abspath(path)))


def _to_yaml(a):
    if isinstance(a, TensorSpec):
        out = {"shape": list(a.shape), "dtype": str(a.dtype)[6:]}
        if a.strides is not None:
            out["strides"] = list(a.strides)
        if a.high is not None:
            out["high"] = a.high
        return out
    if isinstance(a, torch.dtype):
        return str(a)[6:]
    if isinstance(a, list) and a and isinstance(a[0], TensorSpec):
        return [_to_yaml(x) for x in a]
    if isinstance(a, (list, tuple)):
        return {"value": list(a)}
    return a


def dump(entries: list[ShapeEntry], path: str | os.PathLike) -> None:
    import yaml

    shapes = []
    for e in entries:
        row: dict[str, Any] = {"op": e.op, "args": [_to_yaml(a) for a in e.args]}
        if e.kwargs:
            row["kwargs"] = {k: _to_yaml(v) for k, v in e.kwargs.items()}
        if e.repeat != 1:
            row["repeat"] = e.repeat
        shapes.append(row)
    text = yaml.safe_dump({"shapes": shapes}, sort_keys=False, default_flow_style=None, width=140)
    part = f"{os.fspath(path)}.part"
    with open(part, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(part, path)


def function(op: str) -> Callable:
    """What an entry calls: torch's function, one of ours, or the ATen overload."""
    from . import fused

    if "." in op.removeprefix("aten::"):
        packet, overload = op.removeprefix("aten::").split(".", 1)
        found = getattr(getattr(torch.ops.aten, packet, None), overload, None)
        if found is not None:
            return found
    for place in (fused, torch.nn.functional, torch, torch.ops.aten):
        found = getattr(place, op, None)
        if callable(found):
            return found
    raise ShapeFileError(f"{op!r} is neither a function of torch nor one of ours")


def _tensor(spec: TensorSpec, dtype: torch.dtype, device: str) -> torch.Tensor:
    dtype = spec.dtype or dtype
    if dtype.is_floating_point or dtype.is_complex:
        t = torch.randn(spec.shape, dtype=torch.float32, device=device).to(dtype)
    elif dtype == torch.bool:
        t = torch.randint(0, 2, spec.shape, device=device).bool()
    else:
        t = torch.randint(0, spec.high or 2, spec.shape, device=device).to(dtype)
    if spec.strides is None:
        return t
    return torch.empty_strided(spec.shape, spec.strides, dtype=dtype, device=device).copy_(t)


def build(entry: ShapeEntry, device: str, dtype: torch.dtype, tensor: Callable = _tensor) -> tuple[Callable, tuple, dict]:
    """(function, args, kwargs) with fresh random tensors on the device; ``tensor(spec, dtype, device)`` makes one."""
    dtype = entry.dtype or dtype

    def make(a):
        if isinstance(a, TensorSpec):
            return tensor(a, dtype, device)
        return [make(x) for x in a] if isinstance(a, list) else a

    args = tuple(make(a) for a in entry.args)
    kwargs = dict(entry.kwargs)
    if "device" in kwargs:
        kwargs["device"] = device
    if entry.op == "fused_add_rms_norm":
        # The handbook's entry has a residual and a weight that broadcast to x; the operator takes them in full.
        x, residual, weight, *rest = args
        weight = weight.reshape(weight.shape[-1:])
        return torch.ops.flag_gems.fused_add_rms_norm, (x, residual.expand(x.shape).contiguous(), weight, *rest), kwargs
    return function(entry.op), args, kwargs


class record_shapes:
    """Writes the calls that served operators get inside the block, each shape once with its number, to a file for pre-tuning.

    with flag_gems.record_shapes("model_shapes.yaml"):
        model.generate(...)
    """

    def __init__(self, path: str | os.PathLike | None = None):
        self._path = path
        self._seen: dict[tuple, list] = {}
        self._mode = None

    @property
    def entries(self) -> list[ShapeEntry]:
        found = [ShapeEntry(op, args, dict(kwargs), None, n) for (op, _, _), (args, kwargs, n) in self._seen.items()]
        return sorted(found, key=lambda e: -e.repeat)

    def __enter__(self):
        from torch.utils._python_dispatch import TorchDispatchMode

        from ._api import gems

        served = {("aten" if not r.custom else "flag_gems", r.packet, r.overload) for r in gems().table.rows}
        outer = self

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                name = (func.namespace, func._schema.name.split("::")[1], func._overloadname)
                if name in served:
                    outer._note(name, args, kwargs or {})
                return func(*args, **(kwargs or {}))

        self._mode = Mode()
        self._mode.__enter__()
        return self

    def __exit__(self, *exc):
        self._mode.__exit__(*exc)
        if self._path is not None:
            dump(self.entries, self._path)

    def _note(self, name, args, kwargs) -> None:
        def spec(a):
            if isinstance(a, torch.Tensor):
                dense = a.is_contiguous()
                high = None
                if not a.is_floating_point() and a.dtype != torch.bool and name[1] in ("embedding", "gather", "index_select"):
                    table = args[0]
                    high = table.shape[args[1]] if name[1] != "embedding" and table.dim() else table.shape[0]
                return TensorSpec(tuple(a.shape), a.dtype, None if dense else tuple(a.stride()), high)
            if isinstance(a, (list, tuple)):
                return [spec(x) for x in a]
            return str(a) if isinstance(a, (torch.device, torch.layout)) else a

        if any(v is not None and isinstance(v, (torch.memory_format, torch.layout)) for v in kwargs.values()):
            kwargs = {k: v for k, v in kwargs.items() if not isinstance(v, (torch.memory_format, torch.layout))}
        args = tuple(spec(a) for a in args)
        kwargs = {k: spec(v) for k, v in kwargs.items() if v is not None}
        op = name[1] if name[0] == "flag_gems" else f"{name[1]}.{name[2] if name[2] else 'default'}"
        key = (op, repr(args), repr(sorted(kwargs.items(), key=lambda kv: kv[0])))
        row = self._seen.get(key)
        if row is None:
            self._seen[key] = [args, kwargs, 1]
        else:
            row[2] += 1
