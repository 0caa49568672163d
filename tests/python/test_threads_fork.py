"""Many threads, forked children, spawned processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
import torch


def in_threads(n, work):
    errors = []

    def run(i):
        try:
            work(i)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    if errors:
        raise errors[0]


def test_operators_in_threads(gems, device):
    gems.enable()
    inputs = [torch.randn(40 + i, 33, device=device) for i in range(4)]
    gems.disable()
    want = [torch.softmax(x @ x.t(), -1) + x.sum() for x in inputs]
    gems.enable()

    def work(i):
        for _ in range(50):
            torch.testing.assert_close(torch.softmax(inputs[i] @ inputs[i].t(), -1) + inputs[i].sum(), want[i])

    in_threads(4, work)


def test_blocks_in_threads_leave_nothing(gems):
    def work(i):
        for k in range(100):
            with gems.use_gems(include=["mm"] if k % 2 else ["add"]):
                with gems.use_gems():
                    pass

    in_threads(4, work)
    assert gems.all_registered_keys() == []


def test_toggling_while_others_run(gems):
    """Blocks flip flags while other threads run operators: results stay right, nothing crashes."""
    x = torch.randn(64, 64)
    want = torch.softmax(x @ x, -1)
    with gems.use_gems():
        pass  # the rows are registered: from here on only flags change
    stop = threading.Event()

    def work(i):
        if i == 0:
            end = time.monotonic() + 1
            while time.monotonic() < end:
                with gems.use_gems():
                    time.sleep(0)
            stop.set()
        else:
            while not stop.is_set():
                torch.testing.assert_close(torch.softmax(x @ x, -1), want)

    in_threads(3, work)


def test_memory_freed_by_another_thread(gems):
    gems.enable()
    made = []
    in_threads(2, lambda i: made.extend(torch.randn(n) + 1 for n in (3, 1000, 100_000) for _ in range(20)))
    in_threads(2, lambda i: made.clear())
    assert (torch.zeros(1000) + 1).sum() == 1000


def fork(child):
    """Exit status of a forked child that runs the function; it has a minute."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child()
            status = 0
        except BaseException as e:
            print(f"child: {e!r}", file=sys.stderr)
        finally:
            os._exit(status)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "hung"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child(gems):
    """The child keeps the state, may change it, and computes; also large tensors, for which the parent had threads running.
    (Native kernels hang there unless torch.set_num_threads(1) is called first, so the comparison does that.)"""
    gems.enable()
    big = torch.randn(512, 1024)
    want = torch.softmax(big, -1)

    def child():
        got = torch.softmax(big, -1)
        torch.set_num_threads(1)
        torch.testing.assert_close(got, want)
        before = gems._debug_call_count()
        _ = big + 1
        assert gems._debug_call_count() == before + 1
        gems.disable()
        with gems.use_gems(include=["mm"]):
            before = gems._debug_call_count()
            torch.mm(big[:8, :8], big[:8, :8])
            assert gems._debug_call_count() == before + 1
        gems.enable()

    assert fork(child) == 0
    assert len(gems.all_registered_keys()) > 100, "the parent's state is its own"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_a_thread_toggles(gems):
    stop = threading.Event()

    def toggle():
        while not stop.is_set():
            with gems.use_gems():
                pass

    def child():
        with gems.use_gems():
            torch.ones(3) + 1
        gems.disable()

    thread = threading.Thread(target=toggle)
    thread.start()
    try:
        assert [fork(child) for _ in range(5)] == [0] * 5
    finally:
        stop.set()
        thread.join()


def test_exit_while_enabled(subprocess_env):
    code = "import torch, flag_gems; flag_gems.enable(record=True, path={!r}); x = torch.randn(99, 99) @ torch.randn(99, 99); print(x.shape)"
    out = subprocess.run([sys.executable, "-c", code.format(os.devnull)], env=subprocess_env, capture_output=True, text=True, timeout=120)
    assert (out.returncode, out.stderr) == (0, "")
