#!/usr/bin/env python3
"""Operators on the CPU: native, native with huge pages (THP_MEM_ALLOC_ENABLE=1), ours with our allocator and without it.

Each variant is a process of its own, so that no allocator helps another; the parent asks them in turns, one at a time.
"""

import json
import os
import subprocess
import sys

from common import arguments, calibrate, header, loop_time, median, show, write_json

# variant -> (environment, flag_gems on?)
VARIANTS = {
    "native": ({}, False),
    "native, THP": ({"THP_MEM_ALLOC_ENABLE": "1"}, False),
    "ours": ({}, True),
    "ours, torch's allocator": ({"GEMS_CPU_ALLOCATOR": "0"}, True),
}
SHAPES = [(64, 4096), (4096, 4096)]


def cases():
    """name -> (make arguments, call)"""
    import torch
    import torch.nn.functional as F

    out = {}
    for dtype in (torch.float32, torch.bfloat16):
        for r, c in SHAPES:
            x = lambda r=r, c=c, d=dtype: torch.randn(r, c).to(d)
            w = lambda c=c, d=dtype: torch.randn(c).to(d)
            index = lambda r=r: torch.randint(0, r, (r,))
            tag = f"{r}x{c} {str(dtype).split('.')[1]}"
            # fmt: off
            for name, make, fn in (
                ("add", lambda x=x: (x(), x()), torch.add),
                ("add row", lambda x=x, w=w: (x(), w()), torch.add),
                ("add t()", lambda x=x, r=r, c=c: (x(), x().view(c, r).t()), torch.add),
                ("mul scalar", lambda x=x: (x(),), lambda a: a * 1.5),
                ("relu", lambda x=x: (x(),), torch.relu),
                ("exp", lambda x=x: (x(),), torch.exp),
                ("silu", lambda x=x: (x(),), F.silu),
                ("gelu", lambda x=x: (x(),), F.gelu),
                ("tanh", lambda x=x: (x(),), torch.tanh),
                ("gt", lambda x=x: (x(), x()), torch.gt),
                ("where", lambda x=x: (x() > 0, x(), x()), torch.where),
                ("to other float", lambda x=x: (x(),),
                 lambda a: a.to(torch.bfloat16 if a.dtype == torch.float32 else torch.float32)),
                ("t().contiguous()", lambda x=x: (x(),), lambda a: a.t().contiguous()),
                ("cat dim 1", lambda x=x: (x(), x()), lambda a, b: torch.cat((a, b), 1)),
                ("index_select", lambda x=x, i=index: (x(), i()), lambda a, i: a.index_select(0, i)),
                ("sum(-1)", lambda x=x: (x(),), lambda a: a.sum(-1)),
                ("sum(0)", lambda x=x: (x(),), lambda a: a.sum(0)),
                ("sum()", lambda x=x: (x(),), lambda a: a.sum()),
                ("argmax(-1)", lambda x=x: (x(),), lambda a: a.argmax(-1)),
                ("softmax", lambda x=x: (x(),), lambda a: torch.softmax(a, -1)),
                ("log_softmax", lambda x=x: (x(),), lambda a: torch.log_softmax(a, -1)),
                ("rms_norm", lambda x=x, w=w: (x(), w()), lambda a, s: F.rms_norm(a, s.shape, s, 1e-6)),
                ("layer_norm", lambda x=x, w=w: (x(), w(), w()), lambda a, s, b: F.layer_norm(a, s.shape, s, b)),
                ("cumsum(-1)", lambda x=x: (x(),), lambda a: a.cumsum(-1)),
            ):
                out[f"{name} {tag}"] = (make, fn)
            # fmt: on
        weight = lambda d=dtype: torch.randn(4096, 4096).to(d)
        for m in (1, 4, 16):
            out[f"linear {m}x4096x4096 {str(dtype).split('.')[1]}"] = (
                lambda m=m, d=dtype, weight=weight: (torch.randn(m, 4096).to(d), weight()),
                F.linear,
            )
    return out


def child(gems: bool) -> None:
    """Answers each case name on stdin with the seconds of a call, and whether it ran on our kernels."""
    import torch

    if gems:
        import flag_gems
    todo, current, fn, args, n = cases(), None, None, None, 0
    with torch.inference_mode():
        for line in sys.stdin:
            name = line.rstrip("\n")
            ours = False
            if name != current:
                torch.manual_seed(0)
                current, (make, fn) = name, todo[name]
                args = make()
                if gems:
                    flag_gems.enable()
                    before = flag_gems._debug_call_count()
                    fn(*args)
                    ours = flag_gems._debug_call_count() > before
                n = calibrate(lambda: fn(*args), 0.02)  # noqa: B023
            seconds = loop_time(lambda: fn(*args), n)  # noqa: B023
            print(json.dumps([seconds, ours]), flush=True)


def main() -> int:
    ap = arguments(__doc__, "cpu_ops")
    ap.add_argument("--child", choices=("native", "gems"), help="used by the benchmark itself")
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--only", default="", help="cases whose name contains this")
    args = ap.parse_args()
    if args.child:
        child(args.child == "gems")
        return 0
    import torch  # noqa: F401  (versions and machine of the header)

    import flag_gems  # noqa: F401

    workers = {
        name: subprocess.Popen(
            [sys.executable, __file__, "--child", "gems" if gems else "native"],
            env=dict(os.environ, **env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for name, (env, gems) in VARIANTS.items()
    }  # fmt: skip

    def ask(worker, name):
        worker.stdin.write(name + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended during {name!r}")
        return json.loads(line)

    out, rows = {**header(), "variants": {v: e for v, (e, _) in VARIANTS.items()}, "us": {}}, []
    heads = ["us, median", *VARIANTS, "native / ours", "native THP / ours", "ran on ours"]
    for name in (c for c in cases() if args.only in c):
        ours = ask(workers["ours"], name)[1]
        times = {v: [] for v in VARIANTS}
        for r in range(args.rounds + 1):
            for v, worker in workers.items():
                t = ask(worker, name)[0]
                if r:
                    times[v].append(t)
        us = {v: round(median(t) * 1e6, 2) for v, t in times.items()}
        out["us"][name] = {**us, "ran_on_ours": ours}
        rows.append([name, *us.values(), us["native"] / us["ours"], us["native, THP"] / us["ours"], "yes" if ours else "NO"])
        print(".", end="", flush=True)
    print()
    show(heads, rows)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
