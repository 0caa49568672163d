"""The program ``flag-gems`` (also ``python -m flag_gems``).

Each module of ``flag_gems.commands`` is a sub-command: ``add_parser(subparsers)`` declares it and sets the parser's default
``run``, a function of the parsed arguments that returns the exit status (0 well, 1 something is wrong, 2 wrong arguments).
Modules import what they need inside ``run``, so that ``--help`` stays quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from . import commands
from ._version import __version__


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flag-gems", description="Tools of the flag_gems operator library.")
    parser.add_argument("--version", action="version", version=f"flag-gems {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in sorted(m.name for m in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        return args.run(args)
    except BrokenPipeError:  # `flag-gems tune show | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ImportError, OSError) as e:
        print(f"flag-gems: {e}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
