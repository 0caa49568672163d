"""torch's operator database (OpInfo) against our kernels: values, errors and gradients of whatever in it reaches a row of ours.

--opinfo sample (default): a share of the calls, chosen by a hash of operator, dtype, sample and GEMS_OPINFO_SEED. --opinfo all: every call.
--opinfo reference: every call of the reference inputs too. --opinfo-ops "softmax,nn.functional.*": only these operators, every call.

Which operators reach a row is found by running them: a call in which no kernel of ours ran isn't compared, and isn't counted.
"""

from __future__ import annotations

import fnmatch
import zlib

import opinfo
import opinfo_gradients
import pytest
import torch

from flag_gems._api import gems as state

SAMPLES, LARGE = 4, 100_000  # sampled: further samples of an operator and dtype, each of fewer elements
PARTS = 16  # tests of each kind, so that shards share the work; an operator belongs to one of them
# Operators of the database whose name is a row's, but which call an overload that isn't one.
OTHER_OVERLOAD = {"round.decimals_0", "round.decimals_3", "round.decimals_neg_3"}
RAN: dict[str, dict[str, set[str]]] = {"values": {}, "gradients": {}}  # kind -> operator -> rows of ours that ran
# Samples this small are left to torch, which is faster there.
TOO_SMALL = {"native_group_norm"}
PASSED: set[int] = set()  # parts whose values were compared
COMPARED = {"calls": 0, "errors": 0, "gradients": 0}


@pytest.fixture(scope="module")
def mode(request) -> str:
    return "all" if request.config.getoption("--opinfo-ops") else request.config.getoption("--opinfo")


@pytest.fixture
def operators(request, part):
    wanted = [p for p in (request.config.getoption("--opinfo-ops") or "*").split(",") if p]
    return [
        op
        for name, op in sorted(opinfo.database().items())
        if zlib.crc32(name.encode()) % PARTS == part and any(fnmatch.fnmatch(name, p) for p in wanted)
    ]


def report(bad: list[str], what: str) -> None:
    if bad:
        pytest.fail(f"{len(bad)} {what} fail:\n  " + "\n  ".join(bad[:8]), pytrace=False)


def dtypes_of(op, device, mode) -> list[torch.dtype]:
    """Sampled: one of each six, and always one, floating point if there is one."""
    dtypes = sorted(op.supported_dtypes(device), key=str)
    if mode != opinfo.SAMPLE:
        return dtypes
    real = [d for d in dtypes if d.is_floating_point] or dtypes
    usual = [torch.float32] if torch.float32 in dtypes else []  # some rows leave 16 bits to native kernels
    chosen = usual or opinfo.first_by_chance(real, 1, op.full_name)
    return chosen + [d for d in dtypes if d not in chosen and opinfo.picked(1 / 6, op.full_name, str(d))]


def chosen_calls(op, device, dtype, mode) -> list[opinfo.Call]:
    """Sampled: the first sample and a few others, each in half of its forms."""
    samples = list(enumerate(opinfo.samples(op, device, dtype, mode == "reference")))
    if mode != opinfo.SAMPLE:
        return [c for i, s in samples for c in opinfo.calls_of(op, s, i)]
    small = [(i, s) for i, s in samples if sum(t.numel() for t in opinfo.tensors((s.input, s.args))) < LARGE]
    few = small[:1] + opinfo.first_by_chance(small[1:], SAMPLES, op.full_name, str(dtype))
    calls = [c for i, s in few for c in opinfo.calls_of(op, s, i)]
    return [c for k, c in enumerate(calls) if k == 0 or opinfo.picked(1 / 2, op.full_name, str(dtype), c.name)]


@pytest.mark.parametrize("part", range(PARTS))
def test_values(gems, device, mode, operators, part):
    bad = []
    for op in operators:
        for dtype in dtypes_of(op, device, mode):
            calls = chosen_calls(op, device, dtype, mode)
            native = opinfo.run_all(calls, False)
            outs = [o for c, n in zip(calls, native) if n.error is None and c.plain for o in opinfo.out_calls(op, c, n)]
            if mode == opinfo.SAMPLE:
                outs = [o for o in outs if opinfo.picked(1 / 4, op.full_name, str(dtype), o.name)]
            calls += outs
            native += opinfo.run_all(outs, False)
            for call, n, o in zip(calls, native, opinfo.run_all(calls, True)):
                if o.rows:
                    RAN["values"].setdefault(op.full_name, set()).update(o.rows)
                if not o.calls and o.error is None:
                    continue
                COMPARED["calls"] += 1
                try:
                    opinfo.compare(call, n, o)
                except AssertionError as e:
                    bad.append(f"{op.full_name} {dtype} {call.name}: {e} ({', '.join(o.rows)})")
    packets = {r.packet for r in state().table.rows}
    bad += [
        f"{op.full_name} ran natively, and has a row"
        for op in operators
        if op.aten_name in packets
        and op.supported_dtypes(device)
        and op.full_name not in RAN["values"]
        and op.full_name not in OTHER_OVERLOAD | TOO_SMALL
    ]
    PASSED.add(part)
    report(bad, "calls")


@pytest.mark.parametrize("part", range(PARTS))
def test_errors(gems, device, mode, operators, part):
    """Calls that torch refuses: the same exception type, or the same results where it takes them."""
    bad = []
    for op in operators:
        if op.error_inputs_func is None or (mode == opinfo.SAMPLE and not opinfo.picked(1 / 3, op.full_name)):
            continue
        calls = opinfo.error_calls(op, device)
        for call, n, o in zip(calls, opinfo.run_all(calls, False), opinfo.run_all(calls, True)):
            COMPARED["errors"] += n.error is not None
            try:
                opinfo.compare(call, n, o)
            except AssertionError as e:
                bad.append(f"{op.full_name} {call.name}: {e}")
    report(bad, "calls")


@pytest.mark.parametrize("part", range(PARTS))
def test_gradients(gems, device, mode, operators, part):
    bad = []
    for op in operators:
        if mode == opinfo.SAMPLE and not opinfo.picked(1 / 6, op.full_name, "gradient"):
            continue
        gradients = opinfo_gradients.gradients_of(op, device)
        if mode == opinfo.SAMPLE:
            gradients = opinfo.first_by_chance(gradients, 2, op.full_name, "gradient")
        for g in gradients:
            wrong, rows = opinfo_gradients.failure(g, bool(op.supports_gradgrad))
            if rows:
                RAN["gradients"].setdefault(op.full_name, set()).update(rows)
                COMPARED["gradients"] += 1
            if wrong:
                bad.append(f"{op.full_name} {g.name}: {wrong} ({', '.join(rows)})")
    report(bad, "gradients")


def test_our_kernels_ran(request, mode):
    """So that the comparisons above can't pass by running natively on both sides. Each part looks at its operators; these are sums."""
    if len(PASSED) < PARTS or request.config.getoption("--opinfo-ops"):
        pytest.skip("not all operators ran in this process")
    counts = {kind: len(ran) for kind, ran in RAN.items()}
    rows = len(set().union(*RAN["values"].values()))
    print(f"\nOpInfo: {COMPARED}, operators that ran our kernels {counts}, rows {rows}")
    least = {"values": 500, "gradients": 400} if mode != opinfo.SAMPLE else {"values": 500, "gradients": 30}
    assert all(counts[kind] >= n for kind, n in least.items()), counts
    assert rows >= (400 if mode != opinfo.SAMPLE else 300)
