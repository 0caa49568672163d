"""flag-gems tune show|export|import|merge|trim|verify: the tuning records of this machine or of a fleet."""

from __future__ import annotations

import argparse
import os
import sys
import time
from fnmatch import fnmatchcase
from pathlib import Path


def add_parser(subparsers) -> None:
    tune = subparsers.add_parser("tune", help="show, pass on and check tuning records")
    actions = tune.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, run, text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(run=run)
        return parser

    store = {
        "metavar": "WHERE",
        "help": "SQLite file or postgresql://... (default: GEMS_TUNE_DB_URL, GEMS_TUNE_DB or the cache folder)",
    }

    show = action("show", _show, "Print the records as a table.")
    export = action("export", _export, "Write the records into one file of JSON lines.")
    for parser in (show, export):
        parser.add_argument("--op", metavar="GLOB", help="only these operators")
        parser.add_argument("--device", metavar="GLOB", help="only these devices")
    show.add_argument("--winners", action="store_true", help="only the fastest of each bucket and environment")
    export.add_argument("file", help="'-': standard output")
    load = action("import", _import, "Merge files of records into the store; newer records win.")
    load.add_argument("files", nargs="+", metavar="FILE")
    merge = action("merge", _merge, "Merge several nodes' files into one.")
    merge.add_argument("files", nargs="+", metavar="FILE")
    merge.add_argument("-o", "--output", required=True, metavar="FILE", help="'-': standard output")
    trim = action("trim", _trim, "Remove old records, damaged ones, and those dated in the future.")
    trim.add_argument("--max-records", type=_natural, metavar="N", help="keep the newest N")
    trim.add_argument("--max-age-days", type=_days, metavar="D", help="remove what is older")
    verify = action(
        "verify",
        _verify,
        "Check the store, a file of records, or a folder of tuned results; exit status 1 if something is wrong.",
    )
    verify.add_argument(
        "path", nargs="?", help="a folder that pretune made, a file of JSON lines, or a store (default: that of --db)"
    )
    for parser in (show, export, load, trim, verify):
        parser.add_argument("--db", **store)


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of records")
    return int(text)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} isn't a number of days")
    return days


def _say(problems) -> int:
    for p in problems:
        print(f"flag-gems: {p}", file=sys.stderr)
    return 1 if problems else 0


def _open(args):
    from .. import tune

    # A store of its own even at the default place, so that leaving the block closes it.
    return tune.Store(tune.default_place() if args.db is None else args.db)


def _status(store) -> int:
    """1 and a line if the store isn't where it should be: what the command read or wrote is in memory only."""
    return _say([store.problem] if store.problem else [])


def _wanted(records, args) -> list:
    return [r for r in records if fnmatchcase(r.op, args.op or "*") and fnmatchcase(r.device, args.device or "*")]


def _show(args) -> int:
    with _open(args) as store:
        records = _wanted(store.all(), args)
        if args.winners:
            envs = {r.env: None for r in records}
            records = _wanted([w for env in envs for w in store.winners(env)], args)
        head = (
            "op",
            "bucket",
            "candidate",
            "median us",
            "spread",
            "count",
            "date",
            "kernel",
            "device",
            "driver",
            "compiler",
            "library",
        )
        rows = [
            (r.op, r.bucket, r.candidate, f"{r.median_us:.3f}", f"{r.spread:.3g}", str(r.count), _date(r.date))
            + (r.kernel_hash[:12], r.device, r.driver, r.compiler, r.library)
            for r in records
        ]
        # What is printed is one line a record, whatever stands in it.
        rows = [head, *(tuple("".join(c if c.isprintable() else "?" for c in cell) for cell in row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print("  ".join(c.rjust(w) if 3 <= i <= 5 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip())
        print(f"{len(records)} records in {store.where}")
        return _status(store)


def _date(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)


def _write(records, path: str) -> None:
    from .. import tune

    if path == "-":
        sys.stdout.write(tune.to_text(records))
        sys.stdout.flush()
        return
    with tune.Store("") as store:
        store.put(records)
        count = tune.export(store, path)
    print(f"{count} records in {path}", file=sys.stderr)


def _export(args) -> int:
    with _open(args) as store:
        records = _wanted(store.all(), args)
        status = _status(store)
        if not status:
            _write(records, args.file)
        return status


def _import(args) -> int:
    from .. import tune

    with _open(args) as store:
        _, problems = tune.merge(args.files, store)
        print(f"{len(store.all())} records in {store.where}", file=sys.stderr)
        return _say(problems) | _status(store)


def _merge(args) -> int:
    from .. import tune

    store, problems = tune.merge(args.files)
    _write(store.all(), args.output)
    return _say(problems)


def _trim(args) -> int:
    with _open(args) as store:
        count = store.trim(args.max_records, args.max_age_days)
        print(f"{count} records removed, {len(store.all())} left in {store.where}", file=sys.stderr)
        return _status(store)


def _verify(args) -> int:
    from .. import tune

    if args.path is not None and Path(args.path).is_dir():
        problems, what = tune.verify_folder(args.path), args.path
    elif args.path is not None and "://" not in args.path and not _is_sqlite(args.path):
        problems, what = tune.read_file(args.path).problems, args.path
    else:
        if args.path is not None:
            args.db = args.path
        with _open(args) as store:
            problems, what = store.verify(), store.where
    if not problems:
        print(f"{what}: nothing is wrong")
    return _say(problems)


def _is_sqlite(path: str) -> bool:
    try:
        with open(os.path.expanduser(path), "rb") as f:
            return f.read(16) == b"SQLite format 3\0"
    except OSError:
        return False
