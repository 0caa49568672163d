#!/usr/bin/env python3
"""What compilation and pre-tuning cost the program that runs (GPU). Each part is a process of its own: it is about first calls.

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
    unary = "abs neg exp log sqrt rsqrt sin cos tanh sigmoid relu floor ceil round sign reciprocal erf isnan".split()
    calls = {name: (lambda f=getattr(torch, name): f(x)) for name in unary}
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


def lone_us(call, pause: float = 0.002) -> float:
    """Of a call after a pause, as a first call is one: caches of the processor are cold, the core may sleep. On an H100's host
    6.5 us in a loop are 55 us after 2 ms and 200 us after 0.1 s."""
    torch.cuda.synchronize()
    time.sleep(pause)
    return host_us(call)


def first(device: str) -> dict:
    calls = operators(device)
    for call in calls.values():
        call()  # loads the native kernel
    native = {name: median([lone_us(call) for _ in range(15)]) for name, call in calls.items()}
    rested = {name: median([lone_us(call, 0.1) for _ in range(5)]) for name, call in calls.items()}
    flag_gems.enable()
    attach = lone_us(lambda: torch.neg(torch.ones(3, device=device, dtype=torch.int64)))  # device and pool, once a process
    names = list(calls)
    alone, burst, behind = {}, {}, {}
    for name in names[::2]:  # one at a time, nothing else being compiled
        jit.wait(120)
        alone[name] = lone_us(calls[name], 0.1)
    jit.wait(120)
    for name in names[1::2]:  # one after the other, while threads compile those before
        burst[name] = lone_us(calls[name])
    flag_gems.disable()
    for name in names[:10]:
        behind[name] = lone_us(calls[name])  # native ones beside the same compilations
    left = jit.wait(120)
    flag_gems.enable()
    ran = {}
    for name, call in calls.items():
        before = flag_gems._debug_call_count()
        call()
        ran[name] = flag_gems._debug_call_count() > before
    base = {"alone_us": rested, "burst_us": native, "native_behind_us": native}
    return {"native_us": base, "alone_us": alone, "burst_us": burst, "native_behind_us": behind, "attach_us": attach,
            "ours_later": ran, "left": left}  # fmt: skip


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
    from hf_llama import SHAPES
    from transformers import LlamaConfig, LlamaForCausalLM

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


def tuned(device: str, shape: str, folder: str, cudnn: str) -> dict:
    torch.backends.cuda.enable_cudnn_sdp(cudnn == "cudnn")  # it makes a plan for every new length, 3.7 ms a layer and token
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
        net.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False,
                     pad_token_id=0, eos_token_id=None, streamer=Clock())  # fmt: skip
        return [(b - a) * 1e3 for a, b in zip([t, *times[1:]], times[1:])]

    with torch.inference_mode():
        if folder:
            flag_gems.enable(tune_cache_dir=folder)
        one = run(24)
        steady = [run(24) for _ in range(6)]
    per = [median([s[k] for s in steady]) for k in range(24)]
    return {"first_token_ms": one[0], "second_token_ms": one[1], "rest_ms": median(one[1:]), "steady_ms": median(per[1:]),
            "first_run_ms": one, "jit_left": jit.pending(), "cache": flag_gems.cache.stats()}  # fmt: skip


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
            rows, f["ratio"] = [], {}
            for kind in ("alone_us", "burst_us", "native_behind_us"):
                ratios = [us / f["native_us"][kind][n] for n, us in f[kind].items()]
                f["ratio"][kind] = {"median": median(ratios), "worst": max(ratios)}
                rows += [[f"{n} ({kind[:-3]})", f["native_us"][kind][n], us, us / f["native_us"][kind][n], f["ours_later"][n]]
                         for n, us in f[kind].items()]  # fmt: skip
            show(["first call, cold cache, async", "native us", "us", "ratio (<= 1.2)", "ours later"], rows)
            print("ratios:", json.dumps(f["ratio"]), f"first call of the process {f['attach_us']:.0f} us")
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
        for side in ("native cudnn", "tuned cudnn", "native flash", "tuned flash"):
            folder = f"{tmp}/llama" if side.startswith("tuned") else ""
            e = {**env, "GEMS_CACHE_DIR": f"{tmp}/empty-{side.replace(' ', '-')}"}
            r = out[f"generate {side}"] = part("tuned", args.shape, folder, side.split()[1], env=e)
            print(f"first generate, {side}:", json.dumps({k: v for k, v in r.items() if k not in ("cache", "first_run_ms")}))
    write_json(args.out, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
