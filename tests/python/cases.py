"""One case object for every served overload, in four modes.

    case.test(sample)      result against the reference, exactness, aliasing, out= guard bands, errors; did our kernel run
    case.gradient(sample)  gradcheck in float64 with everything enabled
    case.benchmark(...)    time of the native kernel and of ours for the same call
    case.support(...)      served, native or error, by dtype

The reference is the native kernel in float64. A result passes when it is as near to the reference as the native kernel's own, or
within the tolerances of flag_gems.testing; operators in EXACT must equal the native result.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import math
import time
from collections.abc import Iterator

import samples
import samples_norms
import samples_pointwise
import samples_sort
import torch
from samples import FLOATS, Sample

import flag_gems
from flag_gems import _native
from flag_gems._api import gems
from flag_gems.testing import RESOLUTION

# Operators that are native on CUDA; of the sort family also the calls that _no_gpu_sort names.
NOT_ON_GPU = {
    "glu_backward",
    "prelu_backward",
    "mode",
    "unique",
    "isin",
    "bincount",
    "searchsorted",
    "histc",
    "nonzero",
    "masked_select",
}

# Of equal values torch takes any; what counts is that the index leads to the value.
TIES = {"topk", "kthvalue", "median_dim", "nanmedian_dim", "mode"}

# Results that must be equal to the native ones, NaN for NaN: no rounding is involved, or the same correctly rounded one.
EXACT = {
    "abs", "add", "sub", "rsub", "mul", "div", "neg", "ceil", "floor", "round", "trunc", "sign", "relu", "maximum", "minimum", "fmax",
    "fmin", "clamp", "clamp_min", "clamp_max", "where", "masked_fill", "threshold", "threshold_backward", "isnan", "isinf", "eq", "ne", "lt",
    "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not",
    "sgn", "signbit", "isposinf", "isneginf", "copysign", "nextafter", "heaviside", "bitwise_left_shift", "bitwise_right_shift", "gcd", "lcm",
    "nan_to_num", "hardshrink", "hardshrink_backward", "softshrink_backward", "hardtanh_backward", "prelu", "leaky_relu_backward", "add_relu",
    "amax", "amin", "aminmax", "count_nonzero", "equal", "max", "min", "max_dim", "min_dim", "argmax", "argmin", "any", "all", "cat", "stack", "clone", "copy_", "to_copy", "fill_",
    "full", "ones", "zeros", "zero_", "tril", "triu", "gather", "index_select", "embedding",
    "sort", "topk", "kthvalue", "median", "median_dim", "nanmedian", "nanmedian_dim", "mode", "cummax", "cummin", "unique", "isin",
    "searchsorted", "bincount", "histc",
    "index", "take", "index_copy", "index_fill", "nonzero", "masked_select", "masked_scatter", "flip", "roll", "eye", "full_like", "zeros_like", "ones_like", "new_full",
    "new_zeros", "new_ones", "repeat", "constant_pad_nd",
    "reflection_pad1d", "reflection_pad2d", "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d",
}  # fmt: skip

# The CPU's planner leaves some of their shapes to torch because it is faster there (backends/cpu/row.cpp): here ours runs in any case.
LEFT_BY_SPEED = ("softmax", "log_softmax")

# Calls that are left to the native kernel on purpose: (ATen name, sample, dtype, device) globs and the reason. A call listed here
# that our kernel serves fails the test, so that the list can't go stale.
EXPECTED_NATIVE: list[tuple[str, str, str, str, str]] = [
    ("a[ln][ly]*", "no rows", "*", "*", "nothing to compute"),
    ("a[ln][ly]*", "empty rows", "*", "*", "nothing to compute"),
    *[
        (op, rows, "*", "*", "nothing to compute")
        for op in (
            "sum*",
            "mean*",
            "prod*",
            "nansum*",
            "var*",
            "std*",
            "linalg_vector_norm*",
            "logsumexp*",
            "count_nonzero*",
            "trace",
        )
        for rows in ("no rows", "empty rows")
    ],
    *[("masked_fill.*[ar]", s, "*", "*", "self is broadcast by the mask") for s in ("broadcast both", "0-d first", "special")],
    ("cum*_", "() dim=0 *", "bool", "*", "torch takes a 0-d bool here and no other"),
    ("linear", "*", "*int*", "*", "a model's layer: floating point only"),
    ("native_layer_norm_backward", "(0, 8)*", "*", "*", "no rows"),
    *[
        ("linear", f"({m},* transposed/*", "*", "*", "input with gaps: torch decomposes it, and addmm is served")
        for m in (33, 5, 96, 128)
    ],
    ("linear", "(4, 0, 5)*", "*", "*", "nothing to multiply"),
    *[
        (
            op,
            "(4, 0, 5)*",
            "*int*",
            "cuda",
            "torch multiplies no integers on CUDA; it refuses only where there is something to multiply",
        )
        for op in ("mm*", "addmm*", "bmm*", "baddbmm*", "mv*")
    ],
    ("logsumexp*", "dim=[[][]]*", "*", "*", "over no dimensions"),
    ("logsumexp*", "0-d", "*", "*", "over no dimensions"),
    ("nll_loss*", "left*", "*", "*", "an error, or strides"),
    ("nll_loss*", "*", "*", "cuda", "torch's kernel is one launch, too"),
    ("*norm*", "left*", "*", "*", "as fast natively"),
    ("*batch_norm*", "*", "*float16", "*", "16 bits: as fast natively"),
    ("*batch_norm*out", "*train=False*", "*", "*", "nothing is saved"),
    ("native_group_norm_backward", "*", "*float16", "*", "16 bits: as fast natively"),
    ("_weight_norm*", "small last*", "*", "cpu", "as fast natively"),
    ("_weight_norm*", "small*", "*float16", "cpu", "16 bits: as fast natively"),
    *[(op, "[!l]*", "*float*", "cuda", "several launches: CPU only") for op in ("*batch_norm*", "native_group_norm*")],
    ("trace", "(0, 4)*", "*", "*", "nothing to compute"),
    ("equal", "(0, 4)*", "*", "*", "nothing to compute"),
    ("equal", "shapes differ", "*", "*", "nothing to compute"),
    ("m[ai][xn].unary_out", "no rows", "*", "*", "nothing to compute"),
    ("m[ai][xn].unary_out", "empty rows", "*", "*", "nothing to compute"),
    ("native_layer_norm_backward", "(*) (*) sliced *", "*", "*", "rows with gaps"),
    ("native_layer_norm_backward", "([!6]*) (*) transposed *", "*", "*", "rows with gaps"),
    ("div*_mode*", "rounding_mode=None*", "*", "*", "true division under another name; div.Tensor is served"),
    ("embedding_dense_backward", "transposed/*", "*", "*", "a gradient with gaps"),
    ("embedding_dense_backward", "sliced/*", "*", "*", "a gradient with gaps"),
    ("embedding_dense_backward", "*/transposed *", "*", "*", "indices with gaps"),
    ("embedding_dense_backward", "*/sliced *", "*", "*", "indices with gaps"),
    ("embedding_dense_backward", "*", "*int*", "*", "gradients are floating point"),
    ("embedding_dense_backward", "*", "bool", "*", "gradients are floating point"),
    ("addcmul*", "value=1.5", "*int*", "*", "a fraction for integers"),
    ("threshold*", "*=1.5", "*int*", "*", "a fraction for integers"),
    ("threshold*", "[!w]*", "bool", "cuda", "torch takes bool with an out= of another dtype, and refuses it elsewhere"),
    ("_fused_rms_norm_backward", "(0, 8)*", "*", "cuda", "no rows"),
    ("*rms_norm", "eps=None", "*float16", "*", "the default eps is that of the compute type, which torch decides"),
    ("*median*", "([04], [03])*", "*", "*", "the median of nothing: NaN or torch's error"),
    ("kthvalue*", "() *", "bool", "*", "torch takes a 0-d bool here and no other"),
    ("*median.dim*", "() *", "bool", "*", "torch takes a 0-d bool here and no other"),
    ("bucketize.Scalar", "*", "bool", "*", "a number among bools: torch compares in the number's dtype"),
    ("searchsorted.Scalar*", "*", "bool", "*", "a number among bools: torch compares in the number's dtype"),
    ("histc*", "*", "*float16", "*", "sums of 16 bits"),
    ("histc*", "(0,)*", "*", "*", "no elements: zeros"),
    ("linspace*", "*[.0-9] 1", "*", "*", "one number"),
    ("linspace", "*", "*int*", "*", "truncated in float"),
    ("linspace", "*", "bool", "*", "no range of bool"),
    *[
        (op, "*", "bool", "*", "no range of bool")
        for op in ("range", "range.step", "arange", "arange.start", "arange.start_step")
    ],
    ("range", "*", "*float16", "*", "torch counts in float"),
    ("range.step", "*", "*float16", "*", "torch counts in float"),
    ("repeat", "() * []", "*", "*", "one element"),
    ("flip", "() *", "*", "*", "one element"),
    ("unfold_backward", "*", "*int*", "*", "gradients are floating point"),
    ("unfold_backward", "*", "bool", "*", "gradients are floating point"),
    ("index_reduce*", "* True *", "bool", "*", "torch has it in part"),
    ("*index_put*", "*accumulate=True*", "*float*", "cuda", "torch sorts there: sums in a fixed order"),
    ("linear", "* sliced/*", "*", "*", "input with gaps: torch decomposes it, and addmm is served"),
    ("_prelu_kernel_backward", "*", "*", "cuda", "two results: torch's one kernel reads everything once"),
    ("native_dropout_backward*", "scale=0.5", "*int*", "*", "a fraction for integers"),
    ("native_dropout_backward*", "scale=0.5", "bool", "*", "a fraction for integers"),
    ("nan_to_num*", "*", "*int*", "*", "nothing to replace: a copy"),
    ("nan_to_num*", "*", "bool", "*", "nothing to replace: a copy"),
    ("nan_to_num*", "neginf=1000000000.0", "float16", "*", "a number that the dtype can't hold"),
    *[
        (f"*{loss}*", sample, "*", "*", reason)
        for loss in ("_loss", "binary_cross_entropy")
        for sample, reason in (
            ("*broadcast*", "operands of several shapes: torch broadcasts some and refuses some"),
            ("0-d [fs]*", "operands of several shapes: torch broadcasts some and refuses some"),
            ("mean empty", "nothing to compute"),
            ("sum empty", "nothing to compute"),
        )
    ],
]


# Of EXACT operators, where the native kernel's result isn't the one to have; ours must be near the float64 reference instead.
# A glob of the same form as in EXPECTED_NATIVE.
ROUNDED: list[tuple[str, str, str, str, str]] = [
    ("div*.Scalar*", "other=*", "*float*", "cuda", "native multiplies by the reciprocal, ours is the rounded quotient"),
    ("bincount*", "*float*", "*", "cuda", "sums in any order on both sides"),
]
# Calls whose native result is wrong; ours must differ from it, or the entry is stale.
NATIVE_WRONG: list[tuple[str, str, str, str, str]] = [
    (
        "clamp_m[ai][xn]_.Tensor",
        "with int8",
        "uint8",
        "cuda",
        "native computes in uint8 what promotes to int16 (on the CPU it does)",
    ),
    ("soft_margin_loss_backward*", "special", "*float*", "*", "native's e^z / (1 + e^z) is NaN where e^z is infinite"),
    *[
        (f"{op}_backward*", "special", "float64", "cpu", "native takes a NaN for 0 in double, and not in float")
        for op in ("hardtanh", "hardshrink", "softshrink")
    ],
]


# float32 tolerances (rel, abs) of pointwise operators whose formula cancels: the native kernels err as much.
TOLERANCE = {
    "addcmul": (1e-6, 1e-6),
    "addcdiv": (1e-6, 1e-6),
    "gelu": (1e-6, 1e-6),
    "gelu_backward": (1e-6, 1e-5),
    "silu_backward": (1e-6, 1e-6),
}

# Dtypes of out= that are further than the result's.
WIDER = {
    torch.uint8: torch.int64, torch.int8: torch.int32, torch.int16: torch.float32, torch.int32: torch.int64,
    torch.float16: torch.float32, torch.bfloat16: torch.float64, torch.float32: torch.float64,
}  # fmt: skip

# Functional results that are dense like the native ones, but with the first operand's layout where torch's formula has another
# operand first (rsub is sub with its operands swapped), or none.
OTHER_LAYOUT = {"soft_margin_loss_backward", "leaky_relu_backward", "log_sigmoid", "prelu_backward", "huber_loss_backward", "mse_loss_backward", "smooth_l1_loss_backward",
                "binary_cross_entropy_backward", "rsub", "pow", "threshold_backward", "cumsum", "cumprod", "isnan", "isinf", "masked_fill", "relu", "logcumsumexp", "sort", "topk",
                "kthvalue", "median_dim", "nanmedian_dim", "mode", "cummax", "cummin", "nonzero",
                "index", "index_put", "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_fill", "index_reduce",
                "roll", "reflection_pad1d", "replication_pad1d", "replication_pad2d", "replication_pad3d", "reflection_pad2d",
                "reflection_pad3d", "masked_scatter"}  # fmt: skip


@dataclasses.dataclass
class Operand:
    name: str
    tensor: bool
    index: int
    kwarg: bool
    optional: bool


class Case:
    def __init__(self, row):
        self.row = row
        self.key = row.key
        self.op = row.op
        self.family = row.family
        self.overload = row.find()
        schema = self.overload._schema
        self.arguments = [a for a in schema.arguments if not a.is_out]
        self.out_names = [a.name for a in schema.arguments if a.is_out]
        first = schema.arguments[0]
        self.inplace = bool(first.alias_info is not None and first.alias_info.is_write and not first.is_out)
        self.base = row.packet
        self.root = self.base[:-1] if self.base.endswith("_") else self.base
        self.operands = [self._operand(i, a) for i, a in enumerate(self.arguments)]
        self.operands = [o for o in self.operands if o is not None]
        self.numbers = [o.name for o in self.operands if not o.tensor]
        self.divides = self.op in ("div", "div_mode", "floor_divide", "remainder", "fmod", "addcdiv", "reciprocal")
        self.exact = self.op in EXACT
        self.custom = row.custom

    def __repr__(self):
        return self.key

    @staticmethod
    def _operand(i, a):
        kind = str(a.type)
        if a.name.endswith("is_result"):
            return Operand(a.name, False, i, a.kwarg_only, False)
        optional = kind.startswith("Optional")
        if "Tensor" in kind:
            return Operand(a.name, True, i, a.kwarg_only, optional)
        if any(w in kind for w in ("number", "Scalar", "float", "int", "str")) and "dtype" not in a.name:
            return Operand(a.name, False, i, a.kwarg_only, optional)
        return None

    # ---- numbers of pointwise operators
    def number(self, operand, dtype):
        """A plain value for a number of the schema."""
        if operand.name in ("alpha", "value") and self.op != "masked_fill":
            return 1
        if operand.name == "approximate":
            return "none"
        if operand.name == "rounding_mode":
            return "floor"
        if operand.name in ("min", "max"):
            return {"min": -1, "max": 2}[operand.name] if dtype != torch.uint8 else {"min": 1, "max": 2}[operand.name]
        if operand.name == "decimals":
            return 0
        if operand.name in ("nan", "posinf", "neginf"):
            return None
        if operand.name in ("min_val", "max_val", "eps", "reduction"):
            return {"min_val": -1, "max_val": 2, "eps": 0.1, "reduction": int("backward" in self.base)}[operand.name]
        if operand.name.endswith("is_result"):
            return False
        return 2

    def number_choices(self, name, dtype, device="cpu"):
        """Further values, each in a sample of its own."""
        real = dtype.is_floating_point
        far = samples.far_numbers(dtype)
        if name == "approximate":
            return ["none", "tanh"]
        if name == "rounding_mode":
            return ["floor", "trunc", None]
        if name == "alpha":
            return ([] if self.exact and real else [2]) + ([0.5] if real and not self.exact else [])
        if name in ("min", "max"):
            return [None] + ([0.5] if real else []) + far
        if name == "exponent":
            if dtype == torch.bool:
                return [0, 1, 2, True, False, 0.5]
            return [0, 1, 2, 3, -1, 0.5, -0.5, 1.5, True, False, *([0.3] if real else [5, 13, 70, 2.0, -1.0]), *far]
        if name == "negative_slope":
            return [0.01, 0.0]
        if name.endswith("is_result"):
            return [True]
        if name in ("eps", "nan", "posinf", "neginf"):
            return {"eps": [None, 0.0, 0.3], "nan": [1.5], "posinf": [2.0], "neginf": [-2.5, 1e9]}[name]
        if name == "lambd":
            return [0, 0.5, 1.5]
        if name in ("beta", "delta"):
            return [0.5, 1.0]
        if name in ("scale", "input_scale"):
            return [0.5]
        if name == "reduction":
            return [0, 2] if "backward" in self.base else []
        if name == "weight":
            return [0.25, 0.75]
        if name == "decimals":
            return [0]
        if name in ("other", "self", "value", "threshold"):
            if self.op.startswith("bitwise"):
                return [1, *far]
            # mul_.Scalar: torch's kernel gets the operands swapped and rounds the number to 16 bits, which ours doesn't
            fraction = [0.3] if real and self.key != "mul_.Scalar" else []
            divisors = [-3, *([0] if device == "cpu" else [])] if self.divides and not real else []
            return [1.5, True, 3, *divisors, *fraction, *far]
        return []

    # ---- samples
    def samples(self, dtype: torch.dtype, device: str) -> Iterator[Sample]:
        if self.family == "sort":
            return samples_sort.maker(self)(self, samples.Values(dtype, device))
        maker = samples_norms.MAKERS.get(self.base) or samples_pointwise.MAKERS.get(self.root)
        maker = maker or samples.MAKERS.get(self.root) or samples.MAKERS.get(self.base) or samples.FAMILY_MAKERS[self.family]
        return maker(self, samples.Values(dtype, device, *samples.sample_range(self.op)))

    # ---- running
    def call(self, args, kwargs, outs=None):
        if outs is not None:
            kwargs = {**kwargs, **dict(zip(self.out_names, outs))}
        result = self.overload(*args, **kwargs)
        return result

    def native(self, sample: Sample, outs=None):
        """Result of the native kernel on copies of the arguments; an exception is the result as well."""
        args, kwargs = samples.copy_args(sample.args), samples.copy_args(sample.kwargs)
        try:
            if self.base in _REFERENCES:
                return _REFERENCES[self.base](*args)
            return _results(self, self.call(args, kwargs, outs), args)
        except Exception as e:
            return e

    def ours(self, sample: Sample, outs=None):
        """(result, how often our kernel ran, reason of a native call) with only this overload enabled."""
        args, kwargs = samples.copy_args(sample.args), samples.copy_args(sample.kwargs)
        state, mask = gems().state, self._mask
        before = _native.native().call_count()
        overlay = state.push(mask)
        if self.op in LEFT_BY_SPEED:
            _native.native().tune_force("own")
        try:
            raw = self.call(args, kwargs, outs)
            result = _results(self, raw, args)
            if self.inplace and not self.custom:
                assert raw is args[0] or raw.data_ptr() == args[0].data_ptr(), "an in-place operator returns its first argument"
            if outs is not None and isinstance(raw, torch.Tensor):
                assert raw.data_ptr() == outs[0].data_ptr() or outs[0].numel() == 0, "an out= operator returns its out argument"
        except AssertionError:
            raise
        except Exception as e:
            result = e
        finally:
            _native.native().tune_force("auto")
            state.remove(overlay)
        return result, _native.native().call_count() - before, _native.native().last_fallback()

    @functools.cached_property
    def _mask(self) -> bytes:
        return gems().table.mask([] if self.custom else [self.row.row])

    # ---- mode 1: test
    def test(self, sample: Sample, dtype: torch.dtype, device: str) -> str:
        """ "own" or "native"; AssertionError says what is wrong."""
        if self.out_names:
            return self._test_out(sample, dtype, device)
        want = self.native(sample)
        got, calls, why = self.ours(sample)
        return self._compare(sample, dtype, device, got, want, calls, why)

    def _compare(self, sample, dtype, device, got, want, calls, why):
        if isinstance(want, Exception) or isinstance(got, Exception):
            assert type(got) is type(want), f"{_what(got)}, native: {_what(want)}"
            return "error"
        self._check_values(sample, got, want, dtype)
        expected = self._expected_native(sample, dtype, device)
        if calls == 0 and not all(t.numel() == 0 for t in want):
            assert expected, f"ran natively: {why}"
            return "native"
        assert not expected or calls == 0, f"our kernel runs, remove it from EXPECTED_NATIVE ({expected})"
        return "own"

    def _expected_native(self, sample, dtype, device):
        at = (self.key, sample.name, str(dtype)[6:], device)
        if not self._declared(sample, dtype):
            return "the declaration computes in other types"
        if self._far(sample, dtype):
            return "a number that the dtype can't hold: torch wraps it or raises"
        if (
            device == "cuda" and "Scalar" not in self.key and self._no_gpu_sort(sample)
        ):  # those natively call operators that are ours
            return "no kernel for GPUs yet"
        if self.op in ("var_mean", "std_mean") and self._no_freedom(sample):
            return "no degree of freedom: torch warns"
        return _listed(EXPECTED_NATIVE, at)

    @staticmethod
    def _no_freedom(sample) -> bool:
        x, dims, correction = sample.args[0], sample.args[1] if len(sample.args) > 1 else None, sample.kwargs.get("correction")
        count = x.numel() if not dims else math.prod(x.shape[d] for d in dims if x.dim())
        return count <= (1 if correction is None else correction)

    def _no_gpu_sort(self, sample) -> bool:
        if self.family != "sort" or self.op in NOT_ON_GPU:
            return self.family == "sort"
        x = sample.args[0]
        longer = max(x.shape, default=1) > 4096  # than one block sorts; only the line is that long in the samples
        if x.dtype == torch.bool and self.op in ("median", "nanmedian"):
            return True  # of all elements: torch's error, or counted in 64 bits
        return x.element_size() == 8 or (longer and (self.op == "sort" or (self.op == "topk" and sample.args[1] > 4096)))

    def _far(self, sample, dtype) -> bool:
        text = samples.declaration(self.op)
        if self.family != "pointwise" or "rule::boolean" in text or ("rule::to_float" in text and not dtype.is_floating_point):
            return False
        far = samples.far_numbers(dtype)
        if dtype == torch.uint8:
            far = [x for x in far if x != -1]  # which wraps everywhere
        numbers = [*sample.args, *sample.kwargs.values()]
        return any(type(x) in (int, float) and x in far for x in numbers)

    def _declared(self, sample, dtype) -> bool:
        """Whether the compute type of the sample is among those of the declaration."""
        if self.family not in ("pointwise", "reduce", "scan", "matmul"):
            return True
        text = samples.declaration(self.op)
        if self.family == "pointwise":
            operands = [v for v in [*sample.args, *sample.kwargs.values()] if isinstance(v, (torch.Tensor, int, float))]
            operands = [
                v for v, o in zip(operands, self.operands) if o.name not in ("condition", "mask", "alpha", "rounding_mode")
            ]
            for operand in operands:
                dtype = torch.result_type(operand, torch.zeros(1, dtype=dtype))
        if isinstance(sample.kwargs.get("dtype"), torch.dtype):
            dtype = sample.kwargs["dtype"]
        types = samples.compute_types(self.op)
        if "=" in types and len({t.dtype for t in sample.args if isinstance(t, torch.Tensor)}) > 1:
            return False
        if self.family == "pointwise" and dtype == torch.float64 and "d" not in types:
            return False
        if "-" in types and dtype in (torch.float16, torch.bfloat16):
            return False
        if self.family == "matmul":
            return dtype != torch.bool
        if dtype.is_floating_point or "rule::to_float" in text:
            return True
        if dtype == torch.bool and self.family == "pointwise":
            return "b" in types
        return "l" in types or "i" in types

    def _check_values(self, sample, got, want, dtype):
        assert len(got) == len(want)
        reference = None
        for i, (g, w) in enumerate(zip(got, want)):
            assert g.dtype == w.dtype, f"dtype {g.dtype}, native {w.dtype}"
            assert g.shape == w.shape, f"shape {tuple(g.shape)}, native {tuple(w.shape)}"
            same = [(a, b) for a, b, s in zip(g.stride(), w.stride(), g.shape) if s > 1]
            # out= overloads that torch generates copy into an output that is resized row-major
            dense = (self.op in OTHER_LAYOUT or self.out_names) and _dense(g)
            assert g.numel() == 0 or dense or all(a == b for a, b in same), f"strides {g.stride()}, native {w.stride()}"
            if g.numel() == 0:
                continue
            at = (self.key, sample.name, str(dtype)[6:], g.device.type)
            if i == 1 and (self.op in TIES or (self.op == "sort" and "stable" not in sample.kwargs)):
                _assert_leads_to(sample.args[0], sample.args[[a.name for a in self.arguments].index("dim")], got)
                continue
            if _listed(NATIVE_WRONG, at):
                assert not torch.equal(g, w), "equal to the native result, remove it from NATIVE_WRONG"
                continue
            if (self.exact or not g.dtype.is_floating_point) and not _listed(ROUNDED, at):
                _assert_equal(g, w)
                continue
            if reference is None:
                reference = self._reference(_in_double(sample), got[0].device)
            if isinstance(reference, Exception):
                raise AssertionError(f"no reference: {reference!r}")
            # A 0-d tensor of another dtype is rounded to the common one first, which the reference in double doesn't do.
            rounded = " 0-d " in sample.name and g.dtype in (torch.float16, torch.bfloat16)
            # Atomic sums on a GPU, ours and native, come in any order: in 16 bits each run rounds otherwise.
            atomic = (
                g.device.type == "cuda" and g.element_size() == 2 and self.op in ("index_add", "scatter_add", "scatter_reduce")
            )
            _assert_near(g, w, w if rounded else reference[i], self._tolerance(g.dtype, sample), 2.0 if atomic else 1.0)

    def _tolerance(self, dtype, sample):
        """(rel, abs) where the native kernel isn't worse. The absolute one of sums grows with the root of their length, which
        is stricter than flag_gems.testing with reduce_dim."""
        length = 1
        if self.family != "pointwise":
            length = max([1, *(max(t.shape) for t in sample.args if isinstance(t, torch.Tensor) and t.dim() and t.numel())])
        if dtype == torch.float64:
            return 1e-12, 1e-12 * length
        if dtype == torch.float32 and self.family == "pointwise":
            return TOLERANCE.get(self.op, (1e-6, 1e-7))
        rel = RESOLUTION[dtype]
        if self.op in ("prod", "cumprod"):
            rel = max(rel, length * torch.finfo(dtype).eps / 2)  # a rounding for each factor
        return rel, 1e-4 * length**0.5

    def _reference(self, sample, device):
        if not self.out_names:
            return self.native(sample)
        try:
            return self._functional(sample, strict=True, device=device)
        except Exception as e:
            # Some kernels take integers only with an out= of a floating dtype, whose values they then compute in.
            outs = [torch.empty(0, dtype=torch.float64, device=device) for _ in self.out_names]
            result = self.native(sample, outs)
            return e if isinstance(result, Exception) else result

    # ---- out=
    def _test_out(self, sample, dtype, device):
        like = self._functional(sample)
        assert like is not None, "no functional overload is known: name it in _FUNCTIONAL"
        ends = []
        for style in ("guarded", "transposed", "resized", "wider"):
            if style == "transposed" and any(t.dim() < 2 for t in like):
                continue
            if style == "wider":  # torch refuses it, or converts the result of the common dtype
                if self.family == "pointwise" and self.exact and sample.name in ("contiguous", "special"):
                    self._test_wider(sample, like, device)
                continue
            if (
                style != "guarded"
                and sample.name not in ("contiguous", "transposed", "0-d", "empty", "broadcast row")
                and sample.args
            ):
                if not sample.name.startswith(("dim=", "(5, 33)")):
                    continue
            ours, check = _outs(like, style, device)
            theirs, _ = _outs(like, style, device)
            want = self.native(sample, theirs)
            got, calls, why = self.ours(sample, ours)
            ends.append(self._compare(sample, dtype, device, got, want, calls, f"{why} (out: {style})"))
            if calls and not isinstance(got, Exception):  # the native losses use an output of one element as memory for all
                check()
        return ends[-1]

    def _test_wider(self, sample, like, device):
        if _listed(NATIVE_WRONG, (self.key, sample.name, str(like[0].dtype)[6:], device)):
            return
        wider = [t.to(WIDER.get(t.dtype, t.dtype)) for t in like]
        want = self.native(sample, _outs(wider, "guarded", device)[0])
        got, _, _ = self.ours(sample, _outs(wider, "guarded", device)[0])
        if isinstance(want, Exception) or isinstance(got, Exception):
            assert type(got) is type(want), f"{_what(got)}, native: {_what(want)} (out: wider)"
            return
        for g, w in zip(got, want):
            _assert_equal(g, w)

    def _functional(self, sample, strict=False, device=None):
        """What the functional overload of the same arguments returns: the outs are made like it, whatever it says."""
        packet = getattr(torch.ops.aten, self.base)
        names = [a.name for a in self.arguments]
        for name in packet.overloads():
            overload = getattr(packet, name)
            args = overload._schema.arguments
            if [a.name for a in args] == names and [str(a.type) for a in args] == [str(a.type) for a in self.arguments]:
                break
        else:
            overload = _FUNCTIONAL.get(self.key)
            if overload is None:
                return None
        try:
            result = overload(*samples.copy_args(sample.args), **samples.copy_args(sample.kwargs))
        except Exception:
            if strict:
                raise
            return [torch.empty(0, dtype=torch.float32) for _ in self.out_names]
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        return results if device is None else [t.to(device) for t in results]  # arange has no input that names the device

    # ---- mode 2: gradient
    def differentiable(self) -> bool:
        """Functional, and torch has a derivative: found by asking for it."""
        if self.inplace or self.out_names:
            return False
        try:
            return self._gradients(self._gradient_sample("cpu")) is not None
        except Exception:
            return False

    def _gradient_sample(self, device):
        return next(s for s in self.samples(torch.float64, device) if s.kwargs.get("dtype", torch.float64) == torch.float64)

    def _gradients(self, sample):
        """In one direction; None when no result depends on an input."""
        args = [a.detach().requires_grad_() if _real(a) else a for a in samples.copy_args(sample.args)]
        outs = [t for t in _tensors(self.overload(*args, **sample.kwargs)) if t.requires_grad]
        if not outs:
            return None
        directions = [torch.ones_like(t).cumsum(-1).cos() if t.dim() else torch.ones_like(t) for t in outs]
        return torch.autograd.grad(outs, [a for a in args if _real(a)], directions, allow_unused=True)

    def gradient(self, device: str) -> None:
        """Gradients with everything enabled against the native ones, in float64; the backward formulas call our kernels too."""
        sample = self._gradient_sample(device)
        want = self._gradients(sample)
        with flag_gems.use_gems():
            got = self._gradients(sample)
        assert len(got) == len(want)
        for g, w in zip(got, want):
            assert (g is None) == (w is None)
            if g is not None:
                torch.testing.assert_close(g, w, rtol=1e-9, atol=1e-9, equal_nan=True)

    # ---- mode 3: benchmark
    def benchmark(self, sample: Sample, seconds: float = 0.05) -> tuple[float, float]:
        """Seconds a call: (native, ours), each the least of several rounds."""
        args, kwargs = samples.copy_args(sample.args), samples.copy_args(sample.kwargs)
        if self.out_names:
            like = self._functional(sample)
            kwargs.update(zip(self.out_names, [torch.empty_like(t) for t in like]))
        sync = torch.cuda.synchronize if any(isinstance(a, torch.Tensor) and a.is_cuda for a in args) else (lambda: None)

        def least():
            best, end = float("inf"), time.perf_counter() + seconds
            while time.perf_counter() < end:
                sync()
                t0 = time.perf_counter()
                self.overload(*args, **kwargs)
                sync()
                best = min(best, time.perf_counter() - t0)
            return best

        native = least()
        overlay = gems().state.push(self._mask)
        try:
            return native, least()
        finally:
            gems().state.remove(overlay)

    # ---- mode 4: support
    def support(self, dtype: torch.dtype, device: str) -> str:
        """ "own", "native" or "error", for the first sample of this dtype that has elements."""
        for sample in self.samples(dtype, device):
            outs = None
            if self.out_names:
                like = self._functional(sample)
                outs = None if like is None else _outs(like, "guarded", device)[0]
            got, calls, _ = self.ours(sample, outs)
            if not isinstance(got, Exception) and all(t.numel() == 0 for t in got):
                continue
            return "error" if isinstance(got, Exception) else "own" if calls else "native"
        return "error"


# ---- helpers


def _listed(rows, at):
    """The reason of the first row whose globs match, or None."""
    return next((reason for *globs, reason in rows if all(fnmatch.fnmatchcase(a, g) for a, g in zip(at, globs))), None)


def _results(case, raw, args) -> list[torch.Tensor]:
    if case.custom and case.inplace:
        return [args[0], args[1]]
    if isinstance(raw, torch.Tensor):
        return [raw]
    if isinstance(raw, bool):
        return [torch.tensor(raw)]
    if raw is None:  # _cummax_helper
        return [args[1], args[2]]
    more = []  # what batch norm leaves in its running statistics
    if (
        case.op == "batch_stats"
        and not case.out_names
        and "running_mean" in [a.name for a in case.arguments]
        and "backward" not in case.base
    ):
        more = [t for t in args[3:5] if t is not None]
    return [t for t in [*raw, *more] if t is not None]


def _in_double(sample: Sample) -> Sample:
    def convert(v):
        if isinstance(v, torch.Tensor):
            return v.double() if v.dtype.is_floating_point else v
        if isinstance(v, (list, tuple)):
            return type(v)(convert(x) for x in v)
        return torch.float64 if isinstance(v, torch.dtype) and v.is_floating_point else v

    return Sample(sample.name, convert(sample.args), {k: convert(v) for k, v in sample.kwargs.items()}, sample.special)


def _what(result) -> str:
    if isinstance(result, Exception):
        return f"{type(result).__name__}: {str(result).splitlines()[0][:160] if str(result) else ''}"
    return f"result {[tuple(t.shape) for t in result]}"


def _assert_equal(got, want):
    if got.dtype.is_floating_point:
        same = (got == want) | (got.isnan() & want.isnan())
    else:
        same = got == want
    if not bool(same.all()):
        at = (~same).nonzero()[0].tolist()
        raise AssertionError(
            f"{int((~same).sum())} of {same.numel()} differ, first at {at}: {got[tuple(at)].item()!r}, native {want[tuple(at)].item()!r}"
        )


def _assert_leads_to(x, dim, got):
    """The indices are different ones along the dimension, and the values are there."""
    values, indices = (t.reshape(1) if x.dim() == 0 else t for t in got)
    x = x.reshape(1) if x.dim() == 0 else x
    if values.dim() < x.dim():
        values, indices = values.unsqueeze(dim), indices.unsqueeze(dim)
    _assert_equal(x.gather(dim, indices), values)
    if indices.shape[dim] > 1:
        assert bool((indices.sort(dim).values.diff(dim=dim) > 0).all()), "an index twice"


def _assert_near(got, native, reference, tolerance, slack=1.0):
    """Nearer to the reference than the native result, or within tolerance. NaN and infinities are where the native or the
    reference has them."""
    rel, absolute = tolerance
    nan = (got.isnan() != native.isnan()) & (got.isnan() != reference.isnan())
    if bool(nan.any()):
        at = tuple(nan.nonzero()[0].tolist())
        raise AssertionError(f"NaN at {at}: {got[at].item()!r}, native {native[at].item()!r}, reference {reference[at].item()!r}")
    g, n, r = got.double(), native.double(), reference.double()
    # Where a result is near the largest number of its dtype, rounding decides between it and infinity.
    limit = torch.finfo(got.dtype).max
    edge = (r.abs() > limit * 0.99) & (r.abs() < limit * 1.01)
    # Only ours: torch's CUDA kernels overflow in 16-bit steps of a formula (tanh_backward) where the result is finite.
    inf = (g.isinf() & (g != n) & (g != r) | ~g.isinf() & n.isinf() & r.isinf()) & ~edge & ~(g.isnan() | n.isnan())
    if bool(inf.any()):
        at = tuple(inf.nonzero()[0].tolist())
        raise AssertionError(
            f"infinity at {at}: {got[at].item()!r}, native {native[at].item()!r}, reference {reference[at].item()!r}"
        )
    use = g.isfinite() & n.isfinite() & r.isfinite()
    if not bool(use.any()):
        return
    g, n, r = g[use], n[use], r[use]
    allowed = absolute + rel * r.abs()
    ours, theirs = (g - r).abs() / allowed, (n - r).abs() / allowed
    worst = ours.max()
    if bool(worst > max(1.0, slack * float(theirs.max()))):
        i = int(ours.argmax())
        raise AssertionError(
            f"error {float(worst):.3g} x tolerance (native {float(theirs.max()):.3g}): {g[i].item()!r}, native {n[i].item()!r}, reference {r[i].item()!r}"
        )


def _dense(t) -> bool:
    """No gaps and no overlap: the strides are those of a permuted row-major tensor."""
    step = 1
    for stride, size in sorted((st, n) for st, n in zip(t.stride(), t.shape) if n > 1):
        if stride != step:
            return False
        step *= size
    return True


GUARD = 64  # elements before and after an output


def _outs(like, style, device):
    """Output tensors like the given ones, and a check that nothing beside them was written."""
    outs, checks = [], []
    for t in like:
        if style == "resized" or tuple(t.shape) == (0,):  # an operator may resize an empty output
            outs.append(torch.empty(0, dtype=t.dtype, device=device))
            continue
        n = t.numel()
        buffer = torch.empty(n + 2 * GUARD, dtype=t.dtype, device=device)
        raw = buffer.view(torch.uint8)
        raw.fill_(0xA5 if t.dtype != torch.bool else 1)
        shape = tuple(t.shape)
        middle = buffer[GUARD : GUARD + n]
        if style == "transposed":
            outs.append(middle.view(tuple(reversed(shape))).permute(tuple(reversed(range(len(shape))))))
        else:
            outs.append(middle.view(shape))
        edge = GUARD * t.element_size()
        before = raw.clone()

        def check(raw=raw, before=before, edge=edge):
            assert torch.equal(raw[:edge], before[:edge]), "written before the output"
            assert torch.equal(raw[len(raw) - edge :], before[len(raw) - edge :]), "written behind the output"

        checks.append(check)
    return outs, lambda: [c() for c in checks]


def _real(a):
    return isinstance(a, torch.Tensor) and a.dtype == torch.float64


def _tensors(result):
    return [t for t in ([result] if isinstance(result, torch.Tensor) else list(result)) if isinstance(t, torch.Tensor)]


def _rms(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def _fused_add_rms_norm(x, residual, weight, eps):
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    total = x.to(wide) + residual.to(wide)
    residual.copy_(total)
    x.copy_(_rms(total, weight.to(wide), eps))
    return [x, residual]


def _fused_rms_norm_backward(grad, x, shape, rstd, weight, mask):
    """By autograd through the forward formula, in double; torch has no CPU kernel of this operator."""
    xd = x.double().requires_grad_(True)
    wd = None if weight is None else weight.double().requires_grad_(True)
    with torch.enable_grad():
        y = torch.nn.functional.rms_norm(xd, tuple(shape), wd, 1e-5)
    inputs = [xd] + ([wd] if mask[1] else [])
    return [g.to(x.dtype) for g in torch.autograd.grad(y, inputs, grad.double())]


# What operators without a native kernel compute, by ATen operators.
_REFERENCES = {
    "_fused_rms_norm_backward": _fused_rms_norm_backward,
    "_masked_scale": lambda x, mask, scale: [x * mask * scale],
    "silu_and_mul": lambda x, y: [torch.nn.functional.silu(x) * y],
    "fused_add_rms_norm": _fused_add_rms_norm,
}

# Overloads whose functional form has other argument types.
_FUNCTIONAL = {
    "sum.IntList_out": torch.ops.aten.sum.dim_IntList,
    "arange.out": torch.ops.aten.arange.default,
    "arange.start_out": torch.ops.aten.arange.start_step,
    "eye.out": lambda n: torch.eye(n),
    "eye.m_out": lambda n, m: torch.eye(n, m),
    "range.out": torch.ops.aten.range.step,
    "linspace.out": torch.ops.aten.linspace.default,
    "mean.dtype_out": torch.ops.aten.mean.default,
}


def all_cases() -> list[Case]:
    return [Case(r) for r in gems().table.rows if r.family != "random"]  # test_random.py has those


def dtypes_of(case: Case, device: str) -> tuple[torch.dtype, ...]:
    if case.base in ("_fused_rms_norm_backward", "_masked_scale") and device == "cpu":
        return ()  # torch has it on GPUs only: on the CPU rms_norm decomposes, and the operator's own error is kept
    if case.root in ("smooth_l1_loss", "smooth_l1_loss_backward"):
        return FLOATS  # native divides integers by a beta of 0 there, and the process ends
    if case.base.startswith("_add_relu") and device == "cuda":
        return ()  # torch has it on the CPU only
    if case.base == "range" and device == "cuda":
        return ()  # native there: torch counts in float, also how many numbers there are
    return FLOATS if case.base in _REFERENCES else samples.DTYPES
