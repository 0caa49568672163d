#!/usr/bin/env python3
"""Did the compiler vectorise the pointwise loops? It leaves a loop scalar without a word, at a tenth of the speed.

    tools/check_vectorised.py OBJECT...     object files of the AVX-512 units (build/backends/cpu/CMakeFiles/gems_cpu_v4.dir)

Counts the innermost loops with zmm registers in the disassembly (objdump) of each `pointwise_block<op::NAME, TYPE, ...>`.
There must be one, and one more for each further choice or `known` value and for the search of `rare` or `invalid` arguments
(kernels/simd/pointwise.h).
Exit status 1 if a functor has fewer and SCALAR doesn't name it.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Scalar on purpose: double powers and remainders go to libm; g++ 12 has no vector "not" of bools;
# Stein's loop ends when the element has.
SCALAR = {
    "fmod": "double",
    "remainder": "double",
    "floor_divide": "double",
    "div_mode": "double",
    "pow": "double",
    "pow_tensor_scalar": "double",
    "logical_not": "bool",
    "bitwise_not": "bool",
    "gcd": "int, long long",
    "lcm": "int, long long",
}
NAME = re.compile(r"pointwise_block<.*?op::(\w+), ([\w ]+), [^,]+, \d+, \d+>")  # functor, compute type; what lies in memory
LINE = re.compile(r"^\s*([0-9a-f]+):\t(\S+)\s*(.*)$")
JUMP = re.compile(r"^([0-9a-f]+) <")


def functions(path):
    """(functor, type, instructions) of each pointwise block; an instruction is (address, mnemonic, operands)."""
    text = subprocess.run(["objdump", "-dC", "--no-show-raw-insn", "-w", path], check=True, capture_output=True, text=True).stdout
    name, body = None, []
    for line in [*text.splitlines(), "0000 <end>:"]:
        if line.endswith(">:"):
            if name:
                yield (*name, body)
            found = NAME.search(line)
            name, body = (found.groups() if found else None), []
        elif name and (found := LINE.match(line)):
            body.append((int(found[1], 16), found[2], found[3]))


def innermost_loops(body):
    """Instructions between the target of a backward jump and the jump, without those that contain another."""
    spans = []
    for address, mnemonic, operands in body:
        target = JUMP.match(operands) if mnemonic.startswith("j") else None
        if target and int(target[1], 16) <= address:
            spans.append((int(target[1], 16), address))
    for lo, hi in spans:
        if not any((a, b) != (lo, hi) and lo <= a and b <= hi for a, b in spans):
            yield [i for i in body if lo <= i[0] <= hi]


def applies(text, member, kind):
    """Whether the functor has bool `member` for this type: all, or what a requires clause names."""
    found = re.search(rf"template <class V>([^{{;]*?)GEMS_FN bool {member}\(", text)
    constraint = found[1].strip() if found else "none"
    if "!gems::is_same<V, int>" in constraint:
        return kind != "int"
    if "gems::integer<V>" in constraint:
        return kind in ("int", "long long")
    return bool(found)


def expected_loops(functor, kind):
    (path,) = ROOT.glob(f"ops/*/{functor}.op.h")
    text = path.read_text()
    if known := re.search(r"known\[\] = \{([^}]*)\}", text):
        values = [float(v) for v in known[1].split(",")]
        if kind not in ("float", "double"):
            values = [] if kind == "bool" else [v for v in values if v >= 0 and v == int(v)]
        loops = len(values) + 1
    else:
        choices = re.search(r'\.choices = "([^"]*)"', text)
        loops = len(choices[1].split()) if choices else 1
    return loops + (applies(text, "rare", kind) or applies(text, "invalid", kind))


def main(paths):
    checked, bad = 0, []
    unused = {(n, t) for n, types in SCALAR.items() for t in types.split(", ")}
    for path in paths:
        for functor, kind, body in functions(path):
            loops = list(innermost_loops(body))
            vector = sum(any("zmm" in operands for _, _, operands in loop) for loop in loops)
            expected = expected_loops(functor, kind) if loops else 0  # none: the compiler made it a memset or memmove
            checked += 1
            if vector >= expected:
                continue
            if (functor, kind) in unused:
                unused.discard((functor, kind))
            else:
                bad.append(f"{functor} in {kind}: {vector} vector loops instead of {expected}")
    if checked == 0:
        bad.append(f"no pointwise_block in {len(paths)} object files: {pathlib.Path(__file__).name} looks for the wrong name")
    else:
        bad += [f"{n} in {t} is named in SCALAR, but is vectorised" for n, t in sorted(unused)]
    for line in bad:
        print(f"not vectorised: {line}", file=sys.stderr)
    print(f"{checked} pointwise blocks looked at, {len(bad)} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
