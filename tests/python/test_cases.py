"""Every served overload, every dtype, many layouts and values: see cases.py."""

from __future__ import annotations

import cases
import pytest

CASES = cases.all_cases()


def pytest_generate_tests(metafunc):
    if metafunc.function is test_values:
        pairs = [(c, d) for c in CASES for d in cases.dtypes_of(c)]
        metafunc.parametrize("case, dtype", pairs, ids=[f"{c.key}-{str(d)[6:]}" for c, d in pairs])


def test_values(case, dtype, gems, device):
    """All samples of an overload and dtype; the failures are listed together."""
    bad, seen = [], set()
    for sample in case.samples(dtype, device):
        try:
            seen.add(case.test(sample, dtype, device))
        except AssertionError as e:
            bad.append(f"{sample.name}: {e}")
    if bad:
        pytest.fail(f"{case.key} {dtype}: {len(bad)} samples fail:\n  " + "\n  ".join(bad[:6]), pytrace=False)
    assert seen, "no sample"
