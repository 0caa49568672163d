#!/usr/bin/env python3
"""Fits the polynomials of kernels/lang/math.h and writes kernels/lang/math_tables.h.

    tools/fit_math.py            write the tables, print each fit's error
    tools/fit_math.py --check    compare with the tables in the tree; exit status 1 if they differ

Method: minimax (Remez exchange on a Chebyshev grid, 50 digits, mpmath) of a weighted error. Coefficients are rounded to the
target type one after the other, the lowest power first, and the remaining ones fitted again after each rounding if that helps.
Deterministic: the same tables on every machine.
"""

import argparse
import dataclasses
import pathlib
import struct
import sys
from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 50
OUT = pathlib.Path(__file__).resolve().parent.parent / "kernels" / "lang" / "math_tables.h"
LN2 = mp.log(2)
QUARTER_PI = mp.pi / 4


def chebyshev_grid(lo, hi, n):
    return [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]


def horner(coefficients, x):
    r = mp.mpf(0)
    for c in reversed(coefficients):
        r = r * x + c
    return r


def alternation(errors, count):
    """Indices of `count` extrema of alternating sign, the largest ones, out of the errors on the grid."""
    runs = []  # (index of the extremum) of each run of equal sign
    for i, e in enumerate(errors):
        if runs and (errors[runs[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[runs[-1]]):
                runs[-1] = i
        else:
            runs.append(i)
    while len(runs) > count:
        # Drop the weaker end; dropping inside would break the alternation.
        runs.pop(0 if abs(errors[runs[0]]) < abs(errors[runs[-1]]) else -1)
    return runs


def remez(xs, target, weight, fixed, count):
    """Coefficients of powers len(fixed)..count-1 that minimise max |weight * (target - polynomial)| over xs."""
    first, free = len(fixed), count - len(fixed)
    rest = [t - horner(fixed, x) for t, x in zip(target, xs)]
    # Where x^first is about zero the free coefficients have no say: only the other points count once some are fixed.
    edge = mp.mpf("0.05") * max(abs(x) for x in xs) if first else 0
    usable = [i for i, x in enumerate(xs) if abs(x) >= edge]
    sign = [-1 if first % 2 and x < 0 else 1 for x in xs]  # the error alternates relative to x^first
    picked = [usable[k * (len(usable) - 1) // free] for k in range(free + 1)]  # the grid is already denser at its ends
    best, smallest = None, mp.inf
    for _ in range(40):
        a = mp.matrix(free + 1, free + 1)
        b = mp.matrix(free + 1, 1)
        for row, i in enumerate(picked):
            for k in range(free):
                a[row, k] = xs[i] ** (first + k)
            a[row, free] = (-1) ** row * sign[i] / weight[i]
            b[row] = rest[i]
        solution = mp.lu_solve(a, b)
        coefficients = [solution[k] for k in range(free)]
        errors = [weight[i] * sign[i] * (rest[i] - xs[i] ** first * horner(coefficients, xs[i])) for i in usable]
        worst = max(abs(e) for e in errors)
        if worst < smallest:
            best, smallest = coefficients, worst
        extrema = alternation(errors, free + 1)
        if worst <= abs(solution[free]) * mp.mpf("1.001") or len(extrema) < free + 1:
            break
        picked = [usable[i] for i in extrema]
    return best


def to_float(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


def fit(f, lo, hi, count, weight, kind, grid=24):
    """`count` coefficients, lowest power first, rounded to `kind` (float or double), and the largest weighted error."""
    xs = chebyshev_grid(mp.mpf(lo), mp.mpf(hi), grid * count)
    target = [f(x) for x in xs]
    ws = [abs(weight(x)) for x in xs]

    def worst(coefficients):
        return max(w * abs(t - horner(coefficients, x)) for w, t, x in zip(ws, target, xs))

    current = remez(xs, target, ws, [], count)
    for k in range(count):
        current[k] = mp.mpf(to_float(current[k]) if kind == "float" else float(current[k]))
        if k + 1 < count:
            again = current[: k + 1] + remez(xs, target, ws, current[: k + 1], count)
            current = min(current, again, key=worst)
    return current, worst(current)


# Grid points never hit zero exactly (even counts), but quotients lose digits near it: 50 digits leave more than 30.
def exp_tail(r):
    return (mp.expm1(r) - r) / r**2


def log_tail(f):
    return (mp.log1p(f) - f + f**2 / 2) / f**3


def atanh_tail(z):  # log(1 + f) = 2 atanh(s), s = f / (2 + f), z = s * s
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3


def sin_tail(z):
    r = mp.sqrt(z)
    return (mp.sin(r) - r) / r**3


def cos_tail(z):
    return (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2


ERF_END = mp.mpf("3.92")  # erf rounds to 1 in float from here on


def erf_shifted(u):  # erf(x) / x as a function of u = 2 (x / end)^2 - 1
    x = ERF_END * mp.sqrt((u + 1) / 2)
    return mp.erf(x) / x


CDF_END = mp.mpf("5.42")  # the normal distribution rounds to 1 in float from here on


def cdf_at(u):  # x as a function of u = 2 (x / end)^2 - 1
    return CDF_END * mp.sqrt((u + 1) / 2)


def cdf_shifted(u):  # (Phi(x) - 1/2) / x
    return mp.erf(cdf_at(u) / mp.sqrt(2)) / 2 / cdf_at(u)


def erf_even(z):  # erf(x) / x, z = x * x
    return mp.erf(mp.sqrt(z)) / mp.sqrt(z)


def erfcx(t):  # e^(a^2) erfc(a), t = (a - 2) / (a + 2)
    a = 2 * (1 + t) / (1 - t)
    return mp.exp(a**2) * mp.erfc(a)


def erfcx_weight(t):
    a = 2 * (1 + t) / (1 - t)
    return mp.exp(-(a**2)) / mp.erf(a)


def erfcx_whole(t):  # the same, t = (a - 3) / (a + 3)
    a = 3 * (1 + t) / (1 - t)
    return mp.exp(a**2) * mp.erfc(a)


def asin_tail(z):
    s = mp.sqrt(z)
    return (mp.asin(s) - s) / s**3


def atan_tail(z):
    r = mp.sqrt(z)
    return (mp.atan(r) - r) / r**3


def log2_quotient(f):
    return mp.log1p(f) / LN2 / f


def exp2(r):
    return mp.power(2, r)


@dataclasses.dataclass
class Table:
    name: str  # ends in the type of the coefficients: _f float, _d double
    doc: str
    target: Callable
    span: tuple
    count: int
    weight: Callable


def tables():
    half_ln2 = LN2 / 2 * mp.mpf("1.0001")
    sqrt_lo, sqrt_hi = mp.sqrt(mp.mpf(1) / 2) - 1, mp.sqrt(2) - 1
    z_end = QUARTER_PI**2 * mp.mpf("1.0001")
    s_end = (sqrt_hi / (2 + sqrt_hi)) ** 2 * mp.mpf("1.0001")

    def expm1_weight(r):
        return r**2 / mp.expm1(r)

    def log_weight(f):
        return f**3 / mp.log1p(f)

    def sin_weight(z):
        return z ** mp.mpf("1.5") / mp.sin(mp.sqrt(z))

    def cos_weight(z):
        return z**2 / mp.cos(mp.sqrt(z))

    def atanh_weight(z):
        return z ** mp.mpf("1.5") / (2 * mp.atanh(mp.sqrt(z)))

    def asin_weight(z):
        return z ** mp.mpf("1.5") / mp.asin(mp.sqrt(z))

    def atan_weight(z):
        return z ** mp.mpf("1.5") / mp.atan(mp.sqrt(z))

    tiny = mp.mpf("1e-12")
    half_ln2_span, root_span = (-half_ln2, half_ln2), (sqrt_lo, sqrt_hi)
    square_span, atanh_span = (tiny, z_end), (tiny, s_end)
    yield Table(
        "exp_f", "q in e^r = 1 + r + r^2 q(r), |r| <= ln(2)/2; relative to e^r - 1", exp_tail, half_ln2_span, 5, expm1_weight
    )
    yield Table("exp_d", "the same in double", exp_tail, half_ln2_span, 10, expm1_weight)
    doc = "p in log(1 + f) = f - f^2/2 + f^3 p(f), sqrt(1/2) <= 1 + f <= sqrt(2); relative to log(1 + f)"
    yield Table("log_f", doc, log_tail, root_span, 8, log_weight)
    doc = "p in log(1 + f) = 2s + s^3 p(s^2), s = f / (2 + f); relative to log(1 + f)"
    yield Table("log_d", doc, atanh_tail, atanh_span, 7, atanh_weight)
    yield Table("sin_f", "p in sin(r) = r + r^3 p(r^2), |r| <= pi/4; relative", sin_tail, square_span, 3, sin_weight)
    yield Table("cos_f", "p in cos(r) = 1 - r^2/2 + r^4 p(r^2), |r| <= pi/4; relative", cos_tail, square_span, 3, cos_weight)
    yield Table("sin_d", "the same in double", sin_tail, square_span, 6, sin_weight)
    yield Table("cos_d", "the same in double", cos_tail, square_span, 6, cos_weight)
    doc = "p in erf(x) = x p(2 (x / 3.92)^2 - 1), |x| <= 3.92; relative"
    yield Table("erf_f", doc, erf_shifted, (tiny - 1, mp.mpf(1)), 16, lambda u: 1 / erf_shifted(u))
    doc = "p in Phi(x) = 1/2 + x p(2 (x / 5.42)^2 - 1), |x| <= 5.42, Phi the normal distribution; absolute"
    yield Table("cdf_f", doc, cdf_shifted, (tiny - 1, mp.mpf(1)), 15, cdf_at)
    yield Table("erf_d", "p in erf(x) = x p(x^2), |x| <= 1; relative", erf_even, (tiny, mp.mpf(1)), 12, lambda z: 1 / erf_even(z))
    doc = "p in erf(a) = 1 - e^(-a^2) p((a - 2) / (a + 2)), 1 <= a <= 6; relative to erf(a)"
    yield Table("erfcx_d", doc, erfcx, (mp.mpf(-1) / 3, mp.mpf(1) / 2), 13, erfcx_weight)
    doc = "p in log2(1 + f) = f p(f), sqrt(1/2) <= 1 + f <= sqrt(2); relative; for float powers in double"
    yield Table("pow_log2_d", doc, log2_quotient, root_span, 13, lambda f: 1 / log2_quotient(f))
    doc = "2^r, |r| <= 1/2; relative; for float powers in double"
    yield Table("pow_exp2_d", doc, exp2, (mp.mpf(-1) / 2, mp.mpf(1) / 2), 7, lambda r: 1 / exp2(r))
    quarter_span = (tiny, mp.mpf(1) / 4)
    yield Table("asin_f", "p in asin(s) = s + s^3 p(s^2), 0 <= s <= 1/2; relative", asin_tail, quarter_span, 5, asin_weight)
    yield Table("asin_d", "the same in double", asin_tail, quarter_span, 13, asin_weight)
    eighth_span = (tiny, mp.tan(mp.pi / 8) ** 2 * mp.mpf("1.0001"))
    yield Table("atan_f", "p in atan(r) = r + r^3 p(r^2), |r| <= tan(pi/8); relative", atan_tail, eighth_span, 5, atan_weight)
    yield Table("atan_d", "the same in double", atan_tail, eighth_span, 11, atan_weight)
    for name, end, count in (("erfc_f", mp.mpf("10.2"), 11), ("erfc_d", mp.mpf("27.3"), 24)):
        doc = f"p in erfc(a) = e^(-a^2) p((a - 3) / (a + 3)), 0 <= a <= {mp.nstr(end)}; relative"
        yield Table(name, doc, erfcx_whole, (mp.mpf(-1), (end - 3) / (end + 3)), count, lambda t: 1 / erfcx_whole(t))


HEADER = """\
// Polynomial coefficients of kernels/lang/math.h, lowest power first. Written by tools/fit_math.py: don't edit.
// "error": the largest weighted error of the rounded coefficients in exact arithmetic; half an ULP is 6e-8 or 1.1e-16.
#pragma once

// clang-format off
namespace gems::table {
"""


def literal(c, kind):
    text = f"{float(c):.9g}" if kind == "float" else f"{float(c):.17g}"
    if "." not in text and "e" not in text:
        text += "."
    return text + ("f" if kind == "float" else "")


def render():
    lines = [HEADER]
    for t in tables():
        kind = "float" if t.name.endswith("_f") else "double"
        coefficients, worst = fit(t.target, *t.span, t.count, t.weight, kind)
        print(f"{t.name:10s} {kind:6s} {t.count:2d} coefficients, error {mp.nstr(worst, 3)}", flush=True)
        texts = [literal(c, kind) for c in coefficients]
        lines.append(f"// {t.doc}: error {mp.nstr(worst, 3)}")
        row = f"inline constexpr {kind} {t.name}[] = {{"
        rows = []
        for i, t in enumerate(texts):
            piece = t + (", " if i + 1 < len(texts) else "};")
            if len(row) + len(piece) > 128:
                rows.append(row.rstrip())
                row = "    "
            row += piece
        lines.append("\n".join([*rows, row]) + "\n")
    lines.append("}  // namespace gems::table\n")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the tables in the tree instead of writing them")
    check = parser.parse_args().check
    text = render()
    if not check:
        OUT.write_text(text)
    elif OUT.read_text() != text:
        print(f"{OUT.name} differs from what fit_math.py computes", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
