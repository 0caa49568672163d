#!/usr/bin/env python3
"""Keeps the outcome of a peer-suite run: a table for each status, PASS files with their hits, reasons of the others.

usage: peer_summary.py RUN_FOLDER RESULT_PREFIX DATE
"""

import collections
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def number(row: dict, key: str) -> int:
    return int(row[key] or 0)


def reason(row: dict) -> str:
    return row["first_reason"][:110].replace("|", "/")


def main() -> None:
    run, prefix, date = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    with open(run / "results.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    import torch

    import flag_gems
    from benchmark.common import machine

    with open(prefix.with_suffix(".csv"), "w", newline="") as f:
        out = csv.writer(f)
        columns = ["file", "status", "passed", "failed", "skipped", "errors", "hits"]  # no times: they make every run a change
        out.writerow(columns)
        out.writerows([r[c] for c in columns] for r in rows)
    by_status = collections.Counter(r["status"].split("(")[0] for r in rows)
    total = {k: sum(number(r, k) for r in rows) for k in ("passed", "failed", "skipped", "errors", "hits")}
    head = next((line for line in (run / "run.log").read_text().splitlines() if line.startswith("# suite=")), "")
    m = machine()
    where = m.get("gpu", {}).get("name") or f"{m['cpu']}, {m['cores']} cores, {m['isa']}"
    pass_hits = [r for r in rows if r["status"] == "PASS" and number(r, "hits")]
    lines = [
        "# FlagGems' own tests against this package",
        "",
        f"{date}, {where}, torch {torch.__version__}, flag_gems {flag_gems.__version__} on {flag_gems.device}.",
        head.lstrip("# ") + ".",
        "",
        f"{len(rows)} files: " + ", ".join(f"{k} {v}" for k, v in by_status.most_common()) + ".",
        f"Cases: {total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped, {total['errors']} errors; "
        f"**{total['hits']} ran on our kernels**. PASS files with hits: {len(pass_hits)}.",
        "",
        "| PASS file with hits | passed | hits |",
        "|---|---|---|",
        *(f"| {r['file']} | {r['passed']} | {r['hits']} |" for r in sorted(pass_hits, key=lambda r: r["file"])),
        "",
        "Files that ran on our kernels and did not pass:",
        "",
        "| file | status | passed | failed | hits | first reason |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r['file']} | {r['status']} | {r['passed']} | {r['failed']} | {r['hits']} | {reason(r)} |"
            for r in sorted(rows, key=lambda r: r["file"])
            if r["status"] != "PASS" and number(r, "hits")
        ),
    ]
    prefix.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print(f"written: {prefix}.md, {prefix}.csv")


if __name__ == "__main__":
    main()
