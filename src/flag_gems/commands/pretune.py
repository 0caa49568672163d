"""flag-gems pretune: measures and compiles a list of calls ahead of a deployment."""

from __future__ import annotations

import argparse
import re
import sys


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 90, 90s, 10m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[found[2]]


def add_arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--shapes", required=True, metavar="FILE", help="the calls, as YAML (docs/pretuning.md)")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder for flag_gems.enable(tune_cache_dir=...)")
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: the GPU if there is one)")
    parser.add_argument("--dtype", default=None, help="of tensors that the file gives none (default: float32, on a GPU bfloat16)")
    parser.add_argument("--budget", type=seconds, metavar="TIME", help="stop after 90s, 10m, ...; run again to go on")
    parser.add_argument("--exhaustive", action="store_true", help="measure every candidate, not those that the cost model picks")
    parser.set_defaults(run=run)
    return parser


def add_parser(subparsers) -> None:
    text = "Measure our kernels against native ones for a list of calls, compile them, keep both in a folder."
    add_arguments(subparsers.add_parser("pretune", help="tune and compile ahead of a deployment", description=text))


def run(args) -> int:
    import os
    from pathlib import Path

    # Kernels that are compiled now go into the folder. Before the library reads its settings.
    output = Path(args.output).absolute()
    output.mkdir(parents=True, exist_ok=True, mode=0o755)
    os.environ["GEMS_CACHE_DIR"] = str(output)
    os.environ.setdefault("GEMS_JIT", "sync")
    import torch

    import flag_gems
    from flag_gems import pretune, shapes

    device = args.device or flag_gems.device
    dtype = getattr(torch, args.dtype, None) if args.dtype else torch.float32 if device.startswith("cpu") else torch.bfloat16
    if not isinstance(dtype, torch.dtype):
        print(f"flag-gems: {args.dtype!r} is no dtype", file=sys.stderr)
        return 2
    try:
        entries = shapes.load(args.shapes)
    except shapes.ShapeFileError as e:
        print(f"flag-gems: {e}", file=sys.stderr)
        return 2
    flag_gems.enable()
    say = lambda s: print(s, flush=True)
    results = pretune.pretune(entries, output, device, dtype, args.budget, say=say, exhaustive=args.exhaustive)
    won = [m for m in results if m.decided and m.winner != "native"]
    print(f"written: {output}: {sum(m.decided for m in results)} of {len(entries)} calls decided now, ours wins {len(won)}")
    return 0
