"""Where decisions come from: the modes of ``flag_gems.tune``. Imported by every program, so it imports little itself.

What is decided first stays: the tuned folder, the machine's store, the fleet's store, what is measured online.
"""

from __future__ import annotations

import contextlib
import os
import warnings

import torch

from ._native import native
from ._version import __version__

MODES = ("off", "records", "online")

_mode: str | None = None  # None: not read from the environment yet
_begun = False  # the mode is in force
_folder: list[tuple[str, str, str]] = []  # what the tuned folder decides
_guesses: list[tuple[str, str, str]] = []  # what its cost model expects of buckets that nobody measured
_awaits_cuda = False


def mode() -> str:
    """The mode in force."""
    global _mode
    if _mode is None:
        _mode = os.environ.get("GEMS_TUNE") or "off"
        if _mode not in MODES:
            warnings.warn(f"flag_gems: GEMS_TUNE={_mode} is none of {', '.join(MODES)}: taken as off", stacklevel=3)
            _mode = "off"
    return _mode


def set_mode(name: str) -> None:
    """One of MODES, for the whole process, at once. What stores and measurements decided ends with ``off``."""
    global _mode
    if name not in MODES:
        raise ValueError(f"flag_gems: {name!r} is none of {', '.join(MODES)}")
    if name != mode() or not _begun:
        _mode = name
        _apply()


@contextlib.contextmanager
def using(name: str):
    before = mode()
    set_mode(name)
    try:
        yield
    finally:
        set_mode(before)


def begin() -> None:
    """Whatever switches operators on calls this: the mode of the environment takes effect then."""
    if not _begun and mode() != "off":
        _apply()


def use_folder(choices: list[tuple[str, str, str]], guesses: list[tuple[str, str, str]] = ()) -> None:
    """(op, bucket, candidate) of a tuned folder: what was measured before all else, whatever the mode; what was only predicted
    after what the machine's store knows, and not in mode online, which measures it."""
    global _folder, _guesses, _begun
    _folder, _guesses = choices, list(guesses)
    _begun = False  # what the stores add has to come again, after it
    native().tune_choices(choices)
    if mode() == "off":
        native().tune_add_choices(_guesses)


def environment(device: str) -> tuple[str, str, str, str]:
    """Where a measurement on this device holds: device, driver, compiler, library."""
    where = torch.device(device)
    if where.type == "cuda":
        index = torch.cuda.current_device() if where.index is None else where.index
        lines = (native().environment(1, index) or "").split("\n")
        if len(lines) == 3:
            return lines[0], lines[1], f"{lines[2]}, torch {torch.__version__}", __version__
    isa = (native().isas() or ["baseline"])[-1]
    name = f"{_cpu_name()}, {isa}, {torch.get_num_threads()} threads"
    return name, os.uname().machine, f"torch {torch.__version__}", __version__


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            return next(line.partition(":")[2].strip() for line in f if line.startswith("model name"))
    except (OSError, StopIteration):
        return os.uname().machine


def _apply() -> None:
    global _begun, _awaits_cuda
    _begun = True
    c = native()
    c.tune_choices(_folder)
    c.tune_online([p for p in dict.fromkeys(c.tune_places()) if p] if mode() == "online" else None)
    if mode() == "off":
        c.tune_add_choices(_guesses)
        return
    _load("cpu", 0)
    # Asking a GPU makes a context, which is the program's to do: at its first use.
    if not _awaits_cuda and any(name == "cuda" and usable for name, usable, _ in c.backends()):
        _awaits_cuda = not torch.cuda.is_initialized()
        torch.cuda._lazy_call(_cuda_is_there)


def _cuda_is_there() -> None:
    global _awaits_cuda
    _awaits_cuda = False
    if mode() != "off":
        try:
            _load("cuda", 1)
        except Exception as e:  # tuning is never a reason for a program to fail
            warnings.warn(f"flag_gems: tuning records of the GPU aren't used: {e}", stacklevel=2)


def _load(device: str, kind: int) -> None:
    c, env = native(), environment(device)
    c.tune_environment(kind, env)
    machine, fleet = c.tune_places()
    c.tune_load(machine, env, False)
    if mode() == "records" and device == "cuda":
        c.tune_add_choices(_guesses)
    if fleet:
        c.tune_load(fleet, env, True)
