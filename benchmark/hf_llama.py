#!/usr/bin/env python3
"""Whole models on the GPU: Llama of 1B and 7B shape with random weights, transformers' generate(), batch 1.

float32: do both sides give the same tokens? bfloat16: milliseconds a token, both sides in turns, minima (eager generation is
bound by the host, and on shared hosts its time wanders by factors; the minimum is the undisturbed one).
"""

import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM

import flag_gems
from common import arguments, header, show, write_json

# fmt: off
SHAPES = {
    "tiny": dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                 vocab_size=1024),
    "1B": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8,
               vocab_size=128256, head_dim=64),
    "7B": dict(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32,
               vocab_size=32000),
}
# fmt: on
SIDES = {"native": flag_gems.disable, "gems": flag_gems.enable}
PROMPT = 128


def sync(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def generate(model, ids, n: int) -> list[int]:
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, min_new_tokens=n, do_sample=False,
                         pad_token_id=0, eos_token_id=None)  # fmt: skip
    return out[0, ids.shape[1] :].tolist()


def seconds(model, ids, n: int, device: str) -> float:
    sync(device)
    t = time.perf_counter()
    generate(model, ids, n)
    sync(device)
    return time.perf_counter() - t


def same_tokens(model, ids, n: int) -> dict:
    got, calls = {}, {}
    for side, enter in SIDES.items():
        enter()
        before = flag_gems._debug_call_count()
        got[side] = generate(model, ids, n)
        calls[side] = flag_gems._debug_call_count() - before
    flag_gems.disable()
    agree = sum(a == b for a, b in zip(got["native"], got["gems"]))
    return {"float32_tokens": n, "float32_agree": agree, "own_calls": calls["gems"]}


def speed(model, ids, device: str, rounds: int) -> dict:
    short, long = 4, 36
    first = {}
    best = {side: {short: float("inf"), long: float("inf")} for side in SIDES}
    for side, enter in SIDES.items():
        enter()
        first[side] = seconds(model, ids, 2, device)
    for _ in range(rounds):
        for side, enter in SIDES.items():
            enter()
            for n in (short, long):
                best[side][n] = min(best[side][n], seconds(model, ids, n, device))
    flag_gems.disable()
    ms = {s: (b[long] - b[short]) / (long - short) * 1e3 for s, b in best.items()}
    return {
        "bf16_ms_per_token": {s: round(t, 3) for s, t in ms.items()},
        "bf16_prompt_and_4_tokens_ms": {s: round(b[short] * 1e3, 2) for s, b in best.items()},
        "first_generate_s": {s: round(t, 2) for s, t in first.items()},
        "speed": round(ms["native"] / ms["gems"], 3),
    }


def main() -> int:
    ap = arguments(__doc__, "hf_llama")
    ap.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    ap.add_argument("--shapes", nargs="+", default=["1B", "7B"], choices=list(SHAPES))
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--tokens", type=int, default=32, help="compared in float32")
    args = ap.parse_args()
    transformers.logging.set_verbosity_error()
    out, rows = {**header(), "device": args.device, "prompt": PROMPT, "models": {}}, []
    for name in args.shapes:
        torch.manual_seed(0)
        config = LlamaConfig(max_position_embeddings=4096, **SHAPES[name])
        with torch.device(args.device):
            model = LlamaForCausalLM(config).eval()
        ids = torch.randint(0, config.vocab_size, (1, PROMPT), device=args.device)
        with torch.inference_mode():
            r = same_tokens(model, ids, args.tokens)
            model = model.to(torch.bfloat16)
            r.update(speed(model, ids, args.device, args.rounds))
        r["weights_gb"] = round(sum(p.numel() * 2 for p in model.parameters()) / 1e9, 2)
        out["models"][name] = r
        rows.append([name, f"{r['float32_agree']}/{r['float32_tokens']}", r["own_calls"], r["bf16_ms_per_token"]["native"],
                     r["bf16_ms_per_token"]["gems"], r["speed"], r["first_generate_s"]["gems"]])  # fmt: skip
        del model
        if args.device == "cuda":
            torch.cuda.empty_cache()
        write_json(args.out, out)  # after each model: a session that is cut off keeps the first
    show(
        ["Llama shape", "same fp32 tokens", "own calls", "native ms/token", "ours ms/token", "speed (>= 1)", "first call s"], rows
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
