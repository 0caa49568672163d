"""The rules of _state.State, without the extension: a backend that only remembers what it was told."""

from __future__ import annotations

import itertools
import threading

import pytest

from flag_gems._state import State
from flag_gems._table import Table

ROWS = 8
NONE, ALL = bytes(ROWS), bytes([1] * ROWS)


def mask(*rows):
    m = bytearray(ROWS)
    for r in rows:
        m[r] = 1
    return bytes(m)


class Backend:
    def __init__(self):
        self.registered = self.active = NONE
        self.registrations = 0
        self.fail = False

    def register(self, rows):
        if self.fail:
            raise RuntimeError("refused")
        self.registered = rows
        self.registrations += 1

    def activate(self, rows):
        self.active = rows


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def changes():
    return []


@pytest.fixture
def state(backend, changes):
    return State(backend, ROWS, changes.append)


def test_base_is_replaced(state, backend):
    state.set_base(mask(0, 1))
    assert backend.registered == backend.active == mask(0, 1)
    state.set_base(mask(2))
    assert backend.registered == backend.active == mask(2)
    state.set_base(NONE)
    assert backend.registered == backend.active == NONE


def test_same_base_registers_once(state, backend):
    state.set_base(ALL)
    state.set_base(ALL)
    assert backend.registrations == 1


def test_overlay_says_exactly_what_runs(state, backend):
    state.set_base(mask(0, 1))
    o = state.push(mask(1, 2))
    assert backend.active == mask(1, 2)
    assert backend.registered == mask(0, 1, 2)
    state.remove(o)
    assert backend.active == mask(0, 1)
    assert backend.registered == mask(0, 1, 2), "rows of a block stay registered, inactive"


def test_warm_overlay_doesnt_register(state, backend):
    state.remove(state.push(ALL))
    n = backend.registrations
    for _ in range(3):
        state.remove(state.push(mask(3)))
    assert backend.registrations == n


def test_next_base_removes_parked_rows(state, backend):
    state.remove(state.push(ALL))
    assert backend.registered == ALL
    state.set_base(mask(1))
    assert backend.registered == mask(1)


def test_nested_and_interleaved(state, backend):
    a = state.push(mask(0))
    b = state.push(mask(1))
    c = state.push(mask(2))
    state.remove(b)
    assert backend.active == mask(2)
    state.remove(c)
    assert backend.active == mask(0)
    state.remove(a)
    assert backend.active == NONE
    a, b = state.push(mask(0)), state.push(mask(1))
    state.remove(a)
    assert backend.active == mask(1)
    state.remove(b)
    assert backend.active == NONE


@pytest.mark.parametrize("base", [NONE, ALL, mask(5)])
def test_base_inside_a_block_flattens(state, backend, base):
    a = state.push(mask(0))
    b = state.push(mask(1))
    state.set_base(base)
    assert backend.active == backend.registered == base
    state.remove(b)
    state.remove(a)
    assert backend.active == backend.registered == base


def test_block_after_flattening_counts(state, backend):
    a = state.push(mask(0))
    state.set_base(mask(1))
    b = state.push(mask(2))
    state.remove(a)
    assert backend.active == mask(2)
    state.remove(b)
    assert backend.active == mask(1)


def test_forced_rows_are_added(state, backend):
    state.set_base(mask(0))
    state.force(mask(3))
    state.force(mask(3))
    assert backend.active == mask(0, 3)
    with_block = state.push(mask(1))
    assert backend.active == mask(1, 3)
    state.unforce(mask(3))
    assert backend.active == mask(1, 3)
    state.unforce(mask(3))
    state.remove(with_block)
    assert backend.active == mask(0)


def test_changes_are_told(state, changes):
    state.set_base(mask(0, 1))
    state.set_base(mask(1, 2))
    state.set_base(mask(1, 2))
    assert changes == [mask(0, 1), mask(0, 2)]


def test_failed_registration_leaves_no_overlay(state, backend):
    backend.fail = True
    with pytest.raises(RuntimeError, match="refused"):
        state.push(mask(1))
    assert state.depth == 0
    backend.fail = False
    state.set_base(mask(2))
    assert backend.active == backend.registered == mask(2)


def test_all_short_histories_against_a_model():
    """Every sequence of four steps against the sentence in the documentation: newest open block, else base."""
    steps = ["base0", "base1", "push2", "push3", "pop_old", "pop_new"]
    for history in itertools.product(steps, repeat=4):
        backend = Backend()
        state = State(backend, ROWS)
        base, blocks = NONE, []
        for step in history:
            if step.startswith("base"):
                base = mask(int(step[4:]))
                state.set_base(base)
                blocks = [(o, None) for o, _ in blocks]
            elif step.startswith("push"):
                m = mask(int(step[4:]))
                blocks.append((state.push(m), m))
            elif blocks:
                o, _ = blocks.pop(0 if step == "pop_old" else -1)
                state.remove(o)
            live = [m for _, m in blocks if m]
            assert backend.active == (live[-1] if live else base), history
            on = [i for i in range(ROWS) if backend.active[i]]
            assert all(backend.registered[i] for i in on), history


def test_threads_leave_the_base(state, backend):
    state.set_base(mask(7))

    def work(i):
        for _ in range(300):
            o = state.push(mask(i))
            state.remove(o)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert state.depth == 0
    assert backend.active == mask(7)


# ---- names


@pytest.fixture(scope="module")
def table():
    keys = [
        ("add", "add.Tensor", "add"), ("add", "add.Scalar", "add"), ("add", "add_.Tensor", "add_"), ("add", "add.out", "add_out"),
        ("mm", "mm", "mm"), ("mm", "mm.out", "mm_out"), ("sum", "sum", "sum"), ("sum", "sum.dim_IntList", "sum_dim"),
        ("softmax", "_softmax", "softmax"), ("softmax", "_softmax.out", "softmax_out"),
        ("div", "div.Tensor", "div_tensor"), ("div", "div.out", "div_out"), ("div", "div_.Tensor", "div_tensor_"),
        ("layer_norm", "native_layer_norm", "native_layer_norm"), ("fused", "flag_gems::silu_and_mul", "silu_and_mul"),
    ]  # fmt: skip
    return Table((i, op, key, f, "family", "doc") for i, (op, key, f) in enumerate(keys))


@pytest.mark.parametrize(
    "name, keys",
    [
        ("mm", {"mm", "mm.out"}),
        ("mm_out", {"mm.out"}),
        ("mm.out", {"mm.out"}),
        ("aten::mm", {"mm", "mm.out"}),
        ("sum", {"sum"}),
        ("sum_dim", {"sum.dim_IntList"}),
        ("add", {"add.Tensor", "add.Scalar", "add.out"}),
        ("add.Tensor", {"add.Tensor"}),
        ("add_", {"add_.Tensor"}),
        ("_softmax", {"_softmax"}),
        ("softmax", {"_softmax", "_softmax.out"}),
        ("add*", {"add.Tensor", "add.Scalar", "add_.Tensor", "add.out"}),
        ("*.out", {"add.out", "mm.out", "_softmax.out", "div.out"}),
        ("su[mn]", {"sum"}),
        ("div", {"div.Tensor", "div.out"}),
        ("div_", {"div_.Tensor"}),
        ("layer_norm", {"native_layer_norm"}),
        ("sun", set()),
        ("", set()),
    ],
)
def test_names(table, name, keys):
    assert {table.rows[r].key for r in table.match(name)} == keys


def test_near_matches(table):
    assert "sum" in table.near("sun")
    assert "softmax" in table.near("sofmax")


def test_row_names(table):
    row = table.rows[-1]
    assert row.custom and row.packet == "silu_and_mul" and row.overload == "default"
    assert not table.rows[0].custom and (table.rows[0].packet, table.rows[0].overload) == ("add", "Tensor")
