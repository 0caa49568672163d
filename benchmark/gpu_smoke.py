"""First look at a GPU machine: does every kind of kernel compile, run and agree? A table of operator, dtype, error, own calls."""

import sys
import time

import torch

import flag_gems
from flag_gems import _C, jit

jit.set_mode("sync")
print(torch.__version__, torch.cuda.get_device_name(), _C.backends())
torch.manual_seed(0)
F = torch.nn.functional


def cases():
    for dt in (torch.float32, torch.bfloat16, torch.float16):
        x = torch.randn(256, 1000, device="cuda").to(dt)
        y = torch.randn(256, 1000, device="cuda").to(dt)
        w = torch.randn(1000, device="cuda").to(dt)
        yield "add", dt, lambda: x + y
        yield "add bcast", dt, lambda: x + w
        yield "add t", dt, lambda: x.t() + y.t().contiguous()
        yield "mul scalar", dt, lambda: x * 2.5
        yield "silu", dt, lambda: F.silu(x)
        yield "gelu", dt, lambda: F.gelu(x)
        yield "where", dt, lambda: torch.where(x > 0, x, y)
        yield "masked_fill", dt, lambda: x.masked_fill(y > 0, -1e4)
        yield "to f32", dt, lambda: x.to(torch.float64)
        yield "contiguous", dt, lambda: x.t().contiguous()
        yield "cat", dt, lambda: torch.cat([x, y], 1)
        yield "sum", dt, lambda: x.sum()
        yield "sum -1", dt, lambda: x.sum(-1)
        yield "sum 0", dt, lambda: x.sum(0)
        yield "mean", dt, lambda: x.mean(-1, keepdim=True)
        yield "amax", dt, lambda: x.amax(1)
        yield "argmax", dt, lambda: x.argmax(1)
        yield "max dim", dt, lambda: x.max(0)[1]
        yield "any", dt, lambda: (x > 3).any(1)
        yield "softmax", dt, lambda: x.softmax(-1)
        yield "softmax 0", dt, lambda: x.softmax(0)
        yield "log_softmax", dt, lambda: x.log_softmax(-1)
        yield "layer_norm", dt, lambda: F.layer_norm(x, (1000,), w, w)
        yield "rms_norm", dt, lambda: F.rms_norm(x, (1000,), w, 1e-5)
        yield "cumsum", dt, lambda: x.cumsum(-1)
        yield "embedding", dt, lambda: F.embedding(torch.arange(100, device="cuda") % 7, x)
        yield "gather", dt, lambda: x.gather(1, torch.arange(256 * 50, device="cuda").view(256, 50) % 1000)
        yield "index_select", dt, lambda: x.index_select(0, torch.tensor([3, 1, 2], device="cuda"))
        yield "tril", dt, lambda: x.tril(3)
        yield "mm", dt, lambda: x @ y.t()
        yield "mm m=1", dt, lambda: x[:1] @ y.t()
        yield "addmm", dt, lambda: torch.addmm(w[:256], x, y.t())
        yield "bmm", dt, lambda: torch.bmm(x.view(4, 64, 1000), y.view(4, 1000, 64))
        yield "mv", dt, lambda: torch.mv(x, w)
        yield "linear", dt, lambda: F.linear(x, y, w[:256])
    yield "arange", torch.int64, lambda: torch.arange(5, 1000, 3, device="cuda")
    yield "zeros", torch.int64, lambda: torch.zeros(5, 7, device="cuda")
    i = torch.randint(-9, 9, (77, 33), device="cuda")
    yield "int add", torch.int64, lambda: i + 3
    yield "int sum", torch.int64, lambda: i.sum(1)


bad = 0
for name, dtype, f in cases():
    try:
        ref = f()
        n = _C.call_count()
        t = time.perf_counter()
        with flag_gems.use_gems():
            out = f()
        torch.cuda.synchronize()
        t = time.perf_counter() - t
        n = _C.call_count() - n
        e = (out.double() - ref.double()).abs().max().item() / max(1e-9, ref.double().abs().max().item())
        tol = {torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}.get(dtype, 0)
        good = e <= tol and out.dtype == ref.dtype and out.shape == ref.shape and out.stride() == ref.stride()
        word = "ok" if good and n else "NATIVE " + _C.last_fallback() if good else "BAD"
        bad += not (good and n)
        if word != "ok" or "-v" in sys.argv:
            print(f"{name:14s} {str(dtype)[6:]:9s} err {e:9.2e} own {n} first {t * 1e3:7.1f} ms {word[:200]}", flush=True)
    except Exception as e:
        bad += 1
        print(f"{name:14s} {str(dtype)[6:]:9s} EXC {str(e)[:300]}", flush=True)
        if "illegal" in str(e) or "device-side" in str(e) or "unspecified" in str(e):
            break
print("bad", bad)
