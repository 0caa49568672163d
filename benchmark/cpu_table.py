#!/usr/bin/env python3
"""The operators of everyday models on the CPU, native against ours, at 64x4096 and 4096x4096, with geometric means.

One process; native and ours by turns, medians. Native allocates as torch does by default (fresh memory for each large output,
which costs page faults; `--thp`: with THP_MEM_ALLOC_ENABLE=1), ours from the library's cache. Pooling, convolution and
interpolation aren't here.

usage: cpu_table.py [--only NAME ...] [--shape 64 4096] [--rounds 7] [--thp]
"""

import math
import os
import sys

if "--thp" in sys.argv:
    os.environ["THP_MEM_ALLOC_ENABLE"] = "1"

import torch
import torch.nn.functional as F

from common import arguments, header, interleaved, loop_time, median, show, write_json

f32, bf16, i64, i32, i8, u1 = torch.float32, torch.bfloat16, torch.int64, torch.int32, torch.int8, torch.bool
FLOATS = (f32, bf16)


def data(dtype, *shape):
    if dtype == u1:
        return torch.rand(*shape) > 0.5
    if dtype.is_floating_point:
        return torch.randn(*shape).to(dtype)
    return torch.randint(1, 100, shape, dtype=dtype)


def rotate(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


def rms(x, w):
    y = x.float()
    return w * (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + 1e-6)).to(x.dtype)


def rows():
    """(name, dtypes, make(dtype, r, c) -> arguments, call)"""
    one = lambda d, r, c: (data(d, r, c),)
    two = lambda d, r, c: (data(d, r, c), data(d, r, c))
    positive = lambda d, r, c: (data(d, r, c).abs() + 0.1,)
    row = lambda d, r, c: (data(d, r, c), data(d, c))
    masked = lambda d, r, c: (data(d, r, c), data(u1, r, c))
    at_rows = lambda d, r, c: (data(d, r, c), torch.randint(0, r, (r,)))
    at_cols = lambda d, r, c: (data(d, r, c), torch.randint(0, c, (c,)))
    at_all = lambda d, r, c: (data(d, r, c), torch.randint(0, c, (r, c)))
    add_at_all = lambda d, r, c: (*at_all(d, r, c), data(d, r, c))
    add_at_rows = lambda d, r, c: (*at_rows(d, r, c), data(d, r, c))
    empty = lambda d, r, c: (torch.empty(r, c, dtype=d),)
    # fmt: off
    pointwise = [(n, one, getattr(torch, n)) for n in "tanh erf sin exp sigmoid relu abs isnan nan_to_num".split()]
    pointwise += [(n, positive, getattr(torch, n)) for n in ("log", "rsqrt")]
    pointwise += [(n, two, getattr(torch, n)) for n in ("add", "mul", "div", "lt", "eq", "isclose", "remainder", "floor_divide")]
    out = [(n, FLOATS, make, fn) for n, make, fn in pointwise]
    out += [
        ("gelu", FLOATS, one, F.gelu),
        ("gelu_tanh", FLOATS, one, lambda a: F.gelu(a, approximate="tanh")),
        ("silu", FLOATS, one, F.silu),
        ("silu_and_mul", FLOATS, two, lambda a, b: F.silu(a) * b),
        ("pow_scalar(2)", FLOATS, one, lambda a: a.pow(2)),
        ("pow_scalar(2.5)", FLOATS, positive, lambda a: a.pow(2.5)),
        ("pow_tensor", FLOATS, lambda d, r, c: (*positive(d, r, c), data(d, r, c)), torch.pow),
        ("add_scalar", FLOATS, one, lambda a: a + 1.5),
        ("add_row", FLOATS, row, torch.add),
        ("add_out", FLOATS, lambda d, r, c: (*two(d, r, c), *empty(d, r, c)), lambda a, b, o: torch.add(a, b, out=o)),
        ("clamp", FLOATS, one, lambda a: a.clamp(-1, 1)),
        ("where", FLOATS, lambda d, r, c: (data(u1, r, c), *two(d, r, c)), torch.where),
        ("masked_fill", FLOATS, masked, lambda a, m: a.masked_fill(m, 0.5)),
        ("bitwise_and", (i64,), two, torch.bitwise_and),
        ("fill_", FLOATS, one, lambda a: a.fill_(1.5)),
        ("to_other_dtype", FLOATS, one, lambda a: a.to(bf16 if a.dtype == f32 else f32)),
        ("to_int64", FLOATS, one, lambda a: a.to(i64)),
        ("to_fp32", (i64, i8), one, lambda a: a.to(f32)),
        ("clone", FLOATS, one, torch.clone),
        ("copy_(prealloc)", FLOATS, two, lambda a, b: a.copy_(b)),
        ("transpose_contig", FLOATS, one, lambda a: a.t().contiguous()),
        ("permute_0213", FLOATS, lambda d, r, c: (data(d, r // 32, 32, c // 128, 128),),
         lambda a: a.permute(0, 2, 1, 3).contiguous()),
        ("cat_dim0", FLOATS, two, lambda a, b: torch.cat((a, b))),
        ("cat_dim1", FLOATS, two, lambda a, b: torch.cat((a, b), 1)),
        ("stack_dim-1", FLOATS, two, lambda a, b: torch.stack((a, b), -1)),
        ("repeat(1,2)", FLOATS, one, lambda a: a.repeat(1, 2)),
        ("repeat_interleave2", FLOATS, one, lambda a: a.repeat_interleave(2, 0)),
        ("repeat_interleave2_d1", FLOATS, one, lambda a: a.repeat_interleave(2, 1)),
        ("flip_dim1", FLOATS, one, lambda a: a.flip(1)),
        ("roll_dim0", FLOATS, one, lambda a: a.roll(3, 0)),
        ("roll_dim1", FLOATS, one, lambda a: a.roll(3, 1)),
        ("pad_const", FLOATS, one, lambda a: F.pad(a, (1, 1, 1, 1))),
        ("tril", FLOATS, one, torch.tril),
        ("triu", FLOATS, one, torch.triu),
        ("arange_i64", (i64,), lambda d, r, c: (r * c,), torch.arange),
        ("index_select_rows", FLOATS, at_rows, lambda a, i: a.index_select(0, i)),
        ("index_select_cols", FLOATS, at_cols, lambda a, i: a.index_select(1, i)),
        ("index[rows]", FLOATS, at_rows, lambda a, i: a[i]),
        ("embedding", FLOATS, at_rows, lambda a, i: F.embedding(i, a)),
        ("gather_dim1", FLOATS, at_all, lambda a, i: a.gather(1, i)),
        ("scatter_dim1", FLOATS, add_at_all, lambda a, i, s: a.scatter(1, i, s)),
        ("scatter_add", FLOATS, add_at_all, lambda a, i, s: a.scatter_add(1, i, s)),
        ("index_add_rows", FLOATS, add_at_rows, lambda a, i, s: a.index_add(0, i, s)),
        ("index_put(rows)", FLOATS, add_at_rows, lambda a, i, s: a.index_put((i,), s)),
        ("masked_select", FLOATS, masked, torch.masked_select),
        ("nonzero", (f32, u1), one, torch.nonzero),
        ("sum_dim1", (*FLOATS, i8, i64), one, lambda a: a.sum(1)),
        ("sum_dim0", FLOATS, one, lambda a: a.sum(0)),
        ("sum_all", FLOATS, one, lambda a: a.sum()),
        ("mean_dim1", FLOATS, one, lambda a: a.mean(1)),
        ("prod_dim1", FLOATS, lambda d, r, c: (torch.ones(r, c, dtype=d),), lambda a: a.prod(1)),
        ("amax_dim1", FLOATS, one, lambda a: a.amax(1)),
        ("max_all", FLOATS, one, lambda a: a.max()),
        ("max_dim1(val,idx)", FLOATS, one, lambda a: a.max(1)),
        ("argmax_dim1", FLOATS, one, lambda a: a.argmax(1)),
        ("argmax_dim0", FLOATS, one, lambda a: a.argmax(0)),
        ("argmax_all", FLOATS, one, lambda a: a.argmax()),
        ("all_dim1", (u1,), lambda d, r, c: (torch.ones(r, c, dtype=u1),), lambda a: a.all(1)),
        ("any_dim1", (u1,), one, lambda a: a.any(1)),
        ("any_all_bool", (u1,), lambda d, r, c: (torch.zeros(r, c, dtype=u1),), lambda a: a.any()),
        ("count_nonzero", FLOATS, one, torch.count_nonzero),
        ("norm_all", FLOATS, one, lambda a: a.norm()),
        ("vector_norm_dim1", FLOATS, one, lambda a: torch.linalg.vector_norm(a, dim=1)),
        ("var_mean_dim1", FLOATS, one, lambda a: torch.var_mean(a, 1)),
        ("std_all", FLOATS, one, lambda a: a.std()),
        ("logsumexp", FLOATS, one, lambda a: a.logsumexp(1)),
        ("softmax_dim1", FLOATS, one, lambda a: torch.softmax(a, 1)),
        ("softmax_dim0", FLOATS, one, lambda a: torch.softmax(a, 0)),
        ("log_softmax", FLOATS, one, lambda a: torch.log_softmax(a, 1)),
        ("cross_entropy", FLOATS, lambda d, r, c: (data(d, r, c), torch.randint(0, c, (r,))), F.cross_entropy),
        ("rms_norm", FLOATS, row, lambda a, w: F.rms_norm(a, w.shape, w, 1e-6)),
        ("rms_norm(HF formula)", FLOATS, row, rms),
        ("layer_norm", FLOATS, lambda d, r, c: (*row(d, r, c), data(d, c)), lambda a, w, b: F.layer_norm(a, w.shape, w, b)),
        ("group_norm", FLOATS, lambda d, r, c: (data(d, max(1, r // 64), 64, c), data(d, 64), data(d, 64)),
         lambda a, w, b: F.group_norm(a, 8, w, b)),
        ("batch_norm_infer", FLOATS,
         lambda d, r, c: (data(d, max(1, r // 64), 64, c), data(d, 64), data(d, 64).abs() + 1, data(d, 64), data(d, 64)),
         lambda a, m, v, w, b: F.batch_norm(a, m, v, w, b)),
        ("cumsum_dim1", FLOATS, one, lambda a: a.cumsum(1)),
        ("cumsum_dim0", FLOATS, one, lambda a: a.cumsum(0)),
        ("cumprod_dim1", FLOATS, lambda d, r, c: (torch.ones(r, c, dtype=d),), lambda a: a.cumprod(1)),
        ("cummax_dim1", FLOATS, one, lambda a: a.cummax(1)),
        ("logcumsumexp", FLOATS, one, lambda a: a.logcumsumexp(1)),
        ("sort_dim1", (*FLOATS, i64), one, lambda a: a.sort(1)),
        ("topk64", FLOATS, one, lambda a: a.topk(64, 1)),
        ("topk1", FLOATS, one, lambda a: a.topk(1, 1)),
        ("median_dim1", FLOATS, one, lambda a: a.median(1)),
        ("unique", (i64,), lambda d, r, c: (torch.randint(0, 1 << 20, (r, c)),), torch.unique),
        ("isin", (i64,), lambda d, r, c: (torch.randint(0, 1 << 20, (r, c)), torch.randint(0, 1 << 20, (4096,))), torch.isin),
        ("bincount", (i64,), lambda d, r, c: (torch.randint(0, 4096, (r * c,)),), torch.bincount),
        ("rand", FLOATS, lambda d, r, c: (r, c, d), lambda r, c, d: torch.rand(r, c, dtype=d)),
        ("randn", FLOATS, lambda d, r, c: (r, c, d), lambda r, c, d: torch.randn(r, c, dtype=d)),
        ("dropout_train", FLOATS, one, lambda a: F.dropout(a, 0.5, True)),
        ("rotary(HF formula)", FLOATS, lambda d, r, c: (data(d, r, c // 128, 128), data(d, r, 1, 128), data(d, r, 1, 128)),
         lambda x, cos, sin: x * cos + rotate(x) * sin),
        ("dequant_scale", (i8,), lambda d, r, c: (data(d, r, c), data(f32, r, 1)), lambda a, s: a.to(f32) * s),
        ("quantize(round,clamp)", (f32,), lambda d, r, c: (data(d, r, c), data(f32, r, 1).abs() + 1),
         lambda a, s: (a / s).round().clamp(-127, 127).to(i8)),
    ]
    # fmt: on
    return out


def main() -> int:
    ap = arguments(__doc__, "cpu_table")
    ap.add_argument("--only", nargs="*", help="rows whose name starts with one of these")
    ap.add_argument("--shape", nargs=2, type=int, action="append", help="default: 64 4096 and 4096 4096")
    ap.add_argument("--rounds", type=int, default=7)
    ap.add_argument("--thp", action="store_true", help="THP_MEM_ALLOC_ENABLE=1 for the native side")
    args = ap.parse_args()

    import flag_gems

    native_on, ours_on = flag_gems.disable, flag_gems.enable
    result, table = [], []
    with torch.no_grad():
        for r, c in args.shape or [(64, 4096), (4096, 4096)]:
            for name, dtypes, make, fn in rows():
                if args.only and not any(name.startswith(o) for o in args.only):
                    continue
                for dtype in dtypes:
                    torch.manual_seed(1)
                    given = make(dtype, r, c)
                    call = lambda fn=fn, given=given: fn(*given)
                    ours_on()
                    before = flag_gems._debug_call_count()
                    call()
                    ran = flag_gems._debug_call_count() - before
                    native_on()
                    n = max(1, int(4e-3 / max(1e-7, loop_time(call, 1))))
                    times = interleaved(
                        {"native": native_on, "ours": ours_on}, lambda call=call, n=n: loop_time(call, n), args.rounds
                    )
                    native_on()
                    native, ours = median(times["native"]), median(times["ours"])
                    kind = str(dtype).removeprefix("torch.")
                    result.append(
                        {
                            "op": name,
                            "dtype": kind,
                            "shape": [r, c],
                            "native_us": native * 1e6,
                            "ours_us": ours * 1e6,
                            "own_calls": ran,
                        }
                    )
                    table.append([f"{name} {r}x{c} {kind}", native * 1e6, ours * 1e6, native / ours, "" if ran else "native"])
                    print(
                        f"{table[-1][0]:44} {native * 1e6:10.1f} {ours * 1e6:10.1f} {native / ours:8.2f} {table[-1][4]}",
                        flush=True,
                    )
    below = sorted((x for x in table if x[3] < 0.95), key=lambda x: x[3])
    print(f"\n{len(below)} of {len(table)} rows below 0.95 x native:")
    show(["row", "native us", "ours us", "x native", ""], below)
    for shape in sorted({tuple(x["shape"]) for x in result}):
        ratio = [x["native_us"] / x["ours_us"] for x in result if tuple(x["shape"]) == shape]
        mean = math.exp(sum(map(math.log, ratio)) / len(ratio))
        print(f"{shape[0]}x{shape[1]}: geometric mean {mean:.2f} x native over {len(ratio)} rows")
    write_json(args.out, header() | {"threads": torch.get_num_threads(), "thp": args.thp, "rows": result})
    return 0


if __name__ == "__main__":
    sys.exit(main())
