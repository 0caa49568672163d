#!/usr/bin/env python3
"""Writes the table of served operators into README.md from the declarations ops/*/*.op.h.

usage: served_table.py            rewrites the table
       served_table.py --check    exit status 1 if the table is not what the declarations say
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BEGIN, END = "<!-- served: begin (tools/served_table.py) -->", "<!-- served: end -->"
LITERAL = r'(?:"(?:[^"\\]|\\.)*"\s*)+'


def text_field(source: str, name: str) -> str:
    """The string of a designated initialiser; adjacent literals are one string."""
    m = re.search(rf"\.{name}\s*=\s*({LITERAL})", source)
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', m[1])) if m else ""


def declarations() -> list[tuple[str, str, list[str], str]]:
    """(family, operator, names it serves, doc), one for each file"""
    rows = []
    for path in sorted(ROOT.glob("ops/*/*.op.h")):
        source = path.read_text()
        names = [n.split("=")[0] for n in text_field(source, "aten").split()]
        rows.append((path.parent.name, path.name.removesuffix(".op.h"), names, text_field(source, "doc")))
    return rows


def table() -> str:
    rows = declarations()
    lines = [
        f"{len(rows)} operators, {sum(len(r[2]) for r in rows)} ATen and custom overloads.",
        "",
        "| family | operators |",
        "|---|---|",
    ]
    for family in sorted({r[0] for r in rows}):
        lines.append(f"| {family} | {', '.join(r[1] for r in rows if r[0] == family)} |")
    return "\n".join(lines)


def main() -> int:
    text = README.read_text()
    head, rest = text.split(BEGIN)
    tail = rest.split(END)[1]
    wanted = f"{head}{BEGIN}\n{table()}\n{END}{tail}"
    if "--check" in sys.argv[1:]:
        if text != wanted:
            print("README.md: the table of served operators is stale; run tools/served_table.py")
            return 1
        print("README.md: the table of served operators is up to date")
        return 0
    README.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
