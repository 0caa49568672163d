#!/usr/bin/env python3
"""What compilation and pre-tuning cost the program that runs (GPU). Each part is a process of its own, because it is about first calls.

first     cold cache, GEMS_JIT=async: host time of the first calls of about 40 operators beside native calls
model     cold cache, async: time until all kernels of a Llama's generate are there; its calls above 5 ms among the first 1000
disk      the same operators, sync, from the cache that the parts before left: time to load one kernel
handbook  flag-gems pretune of the handbook's shape file
tuned     flag-gems pretune of that Llama's recorded shapes, then a fresh process: enable(tune_cache_dir=...), first generate()
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import flag_gems
from common import ROOT, arguments, header, median, show, write_json
from flag_gems import jit

HANDBOOK = """
shapes:
  - op: mm
    args: [[1, 4096, 4096], [1, 4096, 4096]]
  - op: addmm
    args: [[1, 4096, 4096], [1, 4096, 4096], [1, 4096, 4096]]
  - op: fused_add_rms_norm
    args: [[1, 32, 4096], [1, 4096], [1, 4096], 1e-5]
"""


def operators(device: str) -> dict:
    x, y, w = torch.randn(64, 128, device=device), torch.randn(64, 128, device=device), torch.randn(128, device=device)
    i = torch.randint(0, 64, (32,), device=device)
    calls = {name: (lambda f=getattr(torch, name): f(x)) for name in
             "abs neg exp log sqrt rsqrt sin cos tanh sigmoid relu floor ceil round sign reciprocal erf isnan".split()}  # fmt: skip
    calls |= {name: (lambda f=getattr(torch, name): f(x, y)) for name in "add sub mul div maximum minimum eq lt ge".split()}
    calls |= {
        "silu": lambda: F.silu(x), "gelu": lambda: F.gelu(x), "softmax": lambda: torch.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, (128,), w, w), "rms_norm": lambda: F.rms_norm(x, (128,), w),
        "sum": lambda: x.sum(-1), "mean": lambda: x.mean(), "amax": lambda: x.amax(0), "cumsum": lambda: x.cumsum(-1),
        "index_select": lambda: x.index_select(0, i), "mm": lambda: torch.mm(x, y.t()), "where": lambda: torch.where(x > 0, x, y),
        "transposed copy": lambda: x.t().contiguous(),
    }  # fmt: skip
    return calls


def host_us(call) -> float:
    t = time.perf_counter()
    call()
    return (time.perf_counter() - t) * 1e6


def first(device: str) -> dict:
    calls = operators(device)
    native = {}
    for name, call in calls.items():
        call()  # loads the native kernel
        native[name] = median([host_us(call) for _ in range(50)])
    flag_gems.enable()
    torch.neg(torch.ones(3, device=device, dtype=torch.int64))  # attaches the device and starts the pool, once a process
    ours, ran = {}, {}
    for name, call in calls.items():
        torch.cuda.synchronize()
        time.sleep(0.002)
        ours[name] = host_us(call)
    left = jit.wait(120)
    for name, call in calls.items():
        before = flag_gems._debug_call_count()
        call()
        ran[name] = flag_gems._debug_call_count() > before
    return {"native_us": native, "first_us": ours, "ours_later": ran, "left": left}


def disk(device: str) -> dict:
    jit.set_mode("sync")
    calls = operators(device)
    flag_gems.enable()
    torch.neg(torch.ones(3, device=device, dtype=torch.int64))
    cold, warm = {}, {}
    for name, call in calls.items():
        cold[name] = host_us(call)
        warm[name] = median([host_us(call) for _ in range(20)])
    return {"load_us": {n: cold[n] - warm[n] for n in calls}, "stats": flag_gems.cache.stats()}


def llama(shape: str, device: str):
    from transformers import LlamaConfig, LlamaForCausalLM

    from hf_llama import SHAPES

    torch.manual_seed(0)
    config = LlamaConfig(max_position_embeddings=4096, **SHAPES[shape])
    with torch.device(device):
        net = LlamaForCausalLM(config).eval()
    return net.to(torch.bfloat16), torch.randint(0, config.vocab_size, (1, 128), device=device)


def model(device: str, shape: str) -> dict:
    from hf_llama import generate

    net, ids = llama(shape, device)
    with torch.inference_mode():
        generate(net, ids, 4)  # native, so that what its libraries load isn't ours
        flag_gems.enable()
        begin = time.perf_counter()
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as prof:
            generate(net, ids, 2)
        left = jit.wait(60)
        ready = time.perf_counter() - begin
        before = flag_gems._debug_call_count()
        generate(net, ids, 4)
        own = flag_gems._debug_call_count() - before
    calls = [e for e in prof.events() if e.cpu_parent is None or e.name.startswith("aten::")][:1000]
    slow = sorted(((e.cpu_time_total / 1e3, e.name) for e in calls if e.name.startswith("aten::")), reverse=True)
    return {"ready_s": ready, "left": left, "own_calls": own, "calls": len(calls), "above_5_ms": [s for s in slow if s[0] > 5],
            "slowest_ms": slow[:5], "kernels": flag_gems.cache.stats()}  # fmt: skip


def record(device: str, shape: str, path: str) -> dict:
    from hf_llama import generate

    net, ids = llama(shape, device)
    flag_gems.enable()
    with torch.inference_mode(), flag_gems.record_shapes(path):
        generate(net, ids, 2)
    return {}


def tuned(device: str, shape: str, folder: str) -> dict:
    from hf_llama import generate

    net, ids = llama(shape, device)
    torch.cuda.synchronize()
    times = []

    class Clock:  # a streamer of transformers: put() is called with the prompt and then with each token
        def put(self, _):
            torch.cuda.synchronize()
            times.append(time.perf_counter())

        def end(self):
            pass

    def run(n):
        times.clear()
        t = time.perf_counter()
        net.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False, pad_token_id=0,
                     eos_token_id=None, streamer=Clock())  # fmt: skip
        return [(b - a) * 1e3 for a, b in zip([t, *times[1:]], times[1:])]

    with torch.inference_mode():
        if folder:
            flag_gems.enable(tune_cache_dir=folder)
        one = run(24)
        steady = [run(24) for _ in range(6)]
    per = [median([s[k] for s in steady]) for k in range(24)]
    return {"first_token_ms": one[0], "second_token_ms": one[1], "rest_ms": median(one[1:]), "steady_ms": median(per[1:]),
            "worst_later_token": max(one[1:]), "jit_left": jit.pending(), "cache": flag_gems.cache.stats()}  # fmt: skip


PARTS = {"first": first, "disk": disk, "model": model, "record": record, "tuned": tuned}


def part(name: str, *args: str, env: dict) -> dict:
    done = subprocess.run([sys.executable, __file__, "--part", name, *args], env=env, capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip()[-2000:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def pretune(shapes: str, folder: str, env: dict, *more: str) -> dict:
    t = time.perf_counter()
    command = [sys.executable, str(ROOT / "examples/pretune.py"), "--shapes", shapes, "--output", folder, *more]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    return {"seconds": time.perf_counter() - t, "lines": (done.stdout + done.stderr).strip().splitlines()[-60:]}


def main() -> int:
    ap = arguments(__doc__, "jit_figures")
    ap.add_argument("--part", choices=list(PARTS))
    ap.add_argument("--shape", default="1B")
    ap.add_argument("rest", nargs="*")
    args = ap.parse_args()
    if args.part:
        print(json.dumps(PARTS[args.part]("cuda", *args.rest)))
        return 0
    out = {**header()}
    with tempfile.TemporaryDirectory() as tmp:
        env = {**os.environ, "GEMS_CACHE_DIR": f"{tmp}/cache", "GEMS_JIT": "async"}
        (Path(tmp) / "handbook.yaml").write_text(HANDBOOK)
        f = out["first"] = part("first", env=env)
        if "error" not in f:
            ratio = {n: f["first_us"][n] / f["native_us"][n] for n in f["first_us"]}
            f["ratio_median"], f["ratio_worst"] = median(list(ratio.values())), max((r, n) for n, r in ratio.items())
            rows = [[n, round(f["native_us"][n], 1), round(f["first_us"][n], 1), round(ratio[n], 2), f["ours_later"][n]]
                    for n in sorted(ratio, key=ratio.get, reverse=True)]  # fmt: skip
            show(["first call, cold cache, async", "native us", "first us", "ratio (<= 1.2)", "ours later"], rows)
            print(f"median of the ratios {f['ratio_median']:.2f}")
        else:
            print(f["error"])
        d = out["disk"] = part("disk", env=env)
        if "error" not in d:
            loads = sorted(d["load_us"].values())
            print(f"load from disk: median {median(loads):.0f} us, worst {loads[-1]:.0f} us of {len(loads)} (<= 2000)")
        else:
            print(d["error"])
        cold = {**env, "GEMS_CACHE_DIR": f"{tmp}/cache2"}
        m = out["model"] = part("model", args.shape, env=cold)
        print("model:", json.dumps({k: v for k, v in m.items() if k != "kernels"}))
        h = out["handbook"] = pretune(f"{tmp}/handbook.yaml", f"{tmp}/handbook", {**env, "GEMS_CACHE_DIR": f"{tmp}/cache3"})
        print(f"pre-tuning the handbook's file: {h['seconds']:.1f} s (<= 30)", *h["lines"][-5:], sep="\n  ")
        part("record", args.shape, f"{tmp}/llama.yaml", env=cold)
        t = out["pretune_llama"] = pretune(f"{tmp}/llama.yaml", f"{tmp}/llama", cold, "--budget", "60s")
        print(f"pre-tuning {args.shape}: {t['seconds']:.1f} s", *t["lines"][-3:], sep="\n  ")
        for side, folder, jit_mode in (("native", "", "async"), ("tuned", f"{tmp}/llama", "async")):
            e = {**env, "GEMS_CACHE_DIR": f"{tmp}/empty-{side}", "GEMS_JIT": jit_mode}
            r = out[f"generate_{side}"] = part("tuned", args.shape, folder, env=e)
            print(f"first generate, {side}:", json.dumps({k: v for k, v in r.items() if k != "cache"}))
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
