#!/usr/bin/env python3
"""Tunes and compiles a list of calls ahead of a deployment; the same as `flag-gems pretune`.

python examples/pretune.py --shapes model_shapes.yaml --output tuned_configs
"""

import argparse
import sys

from flag_gems.commands import pretune

if __name__ == "__main__":
    args = pretune.add_arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    sys.exit(args.run(args))
