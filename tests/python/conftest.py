"""Options and fixtures of the Python tests.

--device cpu|cuda: where the tensors of the tests lie (default: cuda if there is a GPU).
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

# Before torch and the extension are loaded, which read these once.
os.environ.setdefault("GEMS_JIT", "sync")  # a case is to run on our kernel at its first call
os.environ.setdefault("GEMS_MATMUL", "own")  # else products of some sizes are left to native kernels that are faster
os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # threads that spin at barriers make tests of small tensors slow on a busy machine

import torch  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SRC = str(ROOT / "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)  # before an installed flag_gems: the tests are those of this tree
sys.path.insert(0, str(Path(__file__).resolve().parent))

with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # tests of the pure Python part run without the extension too
    import flag_gems  # noqa: E402
from flag_gems import _native  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--device", choices=("cpu", "cuda"), help="where the tensors lie (default: cuda if there is a GPU)")
    parser.addoption(
        "--opinfo", choices=("sample", "all", "reference"), default="sample", help="how much of torch's operator database"
    )
    parser.addoption("--opinfo-ops", help="operators of that database: names and globs parted by commas; every call of these")
    parser.addoption("--shard", default="0/1", help="i/n: every n-th test from the i-th on, for n processes beside each other")


def pytest_collection_modifyitems(config, items):
    i, n = map(int, config.getoption("--shard").split("/"))
    config.hook.pytest_deselected(items=[t for k, t in enumerate(items) if k % n != i])
    items[:] = items[i::n]


def pytest_configure(config):
    torch.set_num_threads(min(2, torch.get_num_threads()))


def device_of(config) -> str:
    return config.getoption("--device") or ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.fixture(scope="session")
def device(request) -> str:
    return device_of(request.config)


@pytest.fixture
def gems():
    """The package, natively before and after the test. A missing extension is a failure, never a skip."""
    _native.native()
    flag_gems.disable()
    yield flag_gems
    flag_gems.disable()


@pytest.fixture
def ran(gems):
    """ran(f, *args): the result, and how many of our kernels ran."""

    def run(f, *args, **kwargs):
        before = gems._debug_call_count()
        result = f(*args, **kwargs)
        return result, gems._debug_call_count() - before

    return run


@pytest.fixture
def subprocess_env() -> dict:
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join([SRC, *filter(None, [env.get("PYTHONPATH")])])
    env["OMP_NUM_THREADS"] = "1"
    return env
