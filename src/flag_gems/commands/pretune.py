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
    parser.add_argument(
        "--arch", metavar="ARCHS", help="sm_80,sm_90a,...: only compile, for GPUs that needn't be here; nothing is measured"
    )
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
    os.environ.pop("GEMS_PACK_DIRS", None)  # the folder is to hold what other packs have too,
    os.environ["GEMS_CACHE_MAX_MB"] = "65536"  # and nothing is trimmed from it
    os.environ.setdefault("GEMS_JIT", "sync")
    import torch

    import flag_gems
    from flag_gems import pretune, shapes
    from flag_gems.progress import Progress

    device = "cuda" if args.arch else args.device or flag_gems.device
    dtype = getattr(torch, args.dtype, None) if args.dtype else torch.float32 if device.startswith("cpu") else torch.bfloat16
    if not isinstance(dtype, torch.dtype):
        print(f"flag-gems: {args.dtype!r} is no dtype", file=sys.stderr)
        return 2
    try:
        entries = shapes.load(args.shapes)
    except shapes.ShapeFileError as e:
        print(f"flag-gems: {e}", file=sys.stderr)
        return 2
    try:
        if args.arch:
            return _packs(entries, output, dtype, args)
        flag_gems.enable()
        with Progress("pre-tuning", len(entries), lines=False) as progress:
            results = pretune.pretune(entries, output, device, dtype, args.budget, progress.say, progress.at, args.exhaustive)
    except KeyboardInterrupt:
        print(f"flag-gems: interrupted; {output} keeps what is done, the same command goes on from there", file=sys.stderr)
        return 130
    won = [m for m in results if m.decided and m.winner != "native"]
    print(f"written: {output}: {sum(m.decided for m in results)} of {len(entries)} calls decided now, ours wins {len(won)}")
    return 0


def _packs(entries, output, dtype, args) -> int:
    import time

    from flag_gems import cost_model, packs, pretune

    begin = time.perf_counter()
    try:
        archs = [a for a in args.arch.split(",") if a]
        built = packs.build(entries, archs, dtype, args.budget, model=cost_model.default())
    except ValueError as e:
        print(str(e).replace("flag_gems:", "flag-gems:", 1), file=sys.stderr)
        return 2
    for text in built.failed:
        print(f"flag-gems: {text}", file=sys.stderr)
    if built.left:
        print(f"budget of {args.budget:.0f} s: {built.left} kernels are left out; run again to go on with them")
    guesses = [g for p in built.packs for g in p.guesses]
    pretune.write_guesses(output, guesses)
    pretune.write_manifest(output, None, len(entries), time.perf_counter() - begin)
    each = ", ".join(f"{p.arch} {len(p.kernels)}" for p in built.packs)
    print(f"written: {output}: kernels for {each}; {built.compiled} compiled now, {built.known} known from an earlier run")
    if guesses:
        print(f"the cost model chose otherwise than the heuristic for {len(guesses)} calls (each model of card counts)")
    return 1 if built.failed else 0
