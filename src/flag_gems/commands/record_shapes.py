"""flag-gems record-shapes -- python my_model.py: the calls of a real run as a file for pretune."""

from __future__ import annotations

import os
import runpy
import sys


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser(
        "record-shapes",
        help="write the calls of a program to a shape file",
        description="Run a Python program and write the calls that served operators get, with their shapes, for pretune.",
    )
    parser.add_argument("--output", default="model_shapes.yaml", metavar="FILE", help="default: model_shapes.yaml")
    parser.add_argument("command", nargs="+", help="-- [python] SCRIPT|-m MODULE|-c TEXT ARGUMENTS...")
    parser.set_defaults(run=run)


def run(args) -> int:
    command = list(args.command)
    if os.path.basename(command[0]).startswith("python") and not command[0].endswith(".py"):
        command.pop(0)
    if not command or command[0] in ("-c", "-m") and len(command) < 2:
        print("flag-gems: record-shapes needs a Python program: -- python my_model.py", file=sys.stderr)
        return 2
    from flag_gems import shapes

    recorder = shapes.record_shapes(args.output)
    try:
        with recorder:
            if command[0] == "-c":
                sys.argv = ["-c", *command[2:]]
                sys.path.insert(0, "")
                exec(compile(command[1], "<string>", "exec"), {"__name__": "__main__"})
            elif command[0] == "-m":
                sys.argv = command[1:]
                runpy.run_module(command[1], run_name="__main__", alter_sys=True)
            else:
                sys.argv = command
                sys.path.insert(0, os.path.dirname(os.path.abspath(command[0])))
                runpy.run_path(command[0], run_name="__main__")
    except SystemExit as e:  # the program's own end; what it called is written all the same
        if e.code not in (None, 0):
            print(f"flag-gems: the program ended with {e.code}", file=sys.stderr)
            return 1
    print(f"written: {args.output}, {len(recorder.entries)} different calls")
    return 0
