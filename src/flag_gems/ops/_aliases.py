"""Pointwise operators that torch composes of ours: other names, and short formulas. See ``_composites.COMPOSITES``.

docs/coverage-pointwise.md says for every operator of these kinds which it is.
"""

from __future__ import annotations


def _variants(name: str, inner: str, out: bool = True) -> dict[str, tuple[str, str]]:
    """The functional, the in-place and the out= form of an operator with those of another one inside."""
    found = {name: (name, inner), f"{name}_": (f"{name}_", f"{inner}_")}
    if out:
        found[f"{name}_out"] = (f"{name}.out", f"{inner}_out")
    return found


def _comparison(name: str, inner: str) -> dict[str, tuple[str, str]]:
    return {
        name: (f"{name}.Tensor", inner),
        f"{name}_scalar": (f"{name}.Scalar", f"{inner}_scalar"),
        f"{name}_": (f"{name}_.Tensor", f"{inner}_"),
        f"{name}_scalar_": (f"{name}_.Scalar", f"{inner}_scalar_"),
        f"{name}_out": (f"{name}.Tensor_out", f"{inner}_out"),
        f"{name}_scalar_out": (f"{name}.Scalar_out", f"{inner}_scalar_out"),
    }


def _bits(name: str, inner: str, short: str, inplace: str) -> dict[str, tuple[str, str]]:
    return {
        f"{short}_tensor": (f"__{name}__.Tensor", f"{inner}_tensor"),
        f"{short}_scalar": (f"__{name}__.Scalar", f"{inner}_scalar {inner}_tensor"),
        f"{inplace}_tensor": (f"__i{name}__.Tensor", f"{inner}_tensor_"),
        f"{inplace}_scalar": (f"__i{name}__.Scalar", f"{inner}_scalar_ {inner}_tensor_"),
    }


_POW = "pow_tensor_tensor pow_tensor_scalar pow_scalar to_copy"
_DIV = "div_tensor div_scalar"

ALIASES: dict[str, tuple[str, str]] = {
    **_variants("absolute", "abs"),
    **{k: v for a in ("cos", "cosh", "sin", "sinh", "tan", "tanh") for k, v in _variants(f"arc{a}", f"a{a}").items()},
    "arctan2": ("arctan2", "atan2"),
    "arctan2_": ("arctan2_", "atan2_"),
    **_variants("fix", "trunc"),
    **_variants("negative", "neg"),
    **{name: (overload, "mul_out") for a in ("deg2rad", "rad2deg") for name, (overload, _) in _variants(a, "").items()},
    "square": ("square", "pow_tensor_scalar"),
    "square_": ("square_", "pow_tensor_scalar_"),
    "square_out": ("square.out", "pow_tensor_scalar_out"),
    "isfinite": ("isfinite", "eq abs ne ne_scalar mul"),
    "isclose": ("isclose", "eq bitwise_or_tensor_ bitwise_and_tensor mul abs add sub isnan le sub_ mul_"),
    "celu": ("celu", "elu"),
    "celu_": ("celu_", "elu_"),
    "selu": ("selu", "elu"),
    "selu_": ("selu_", "elu_"),
    "hardtanh": ("hardtanh", "clamp clamp_out"),
    "hardtanh_": ("hardtanh_", "clamp_ clamp_out"),
    "relu6": ("relu6", "clamp clamp_out"),
    "relu6_": ("relu6_", "clamp_ clamp_out"),
    "glu_backward": ("glu_backward", "sigmoid_out mul_"),
    "log_sigmoid": ("log_sigmoid", "log_sigmoid_forward"),
    "prelu": ("prelu", "prelu_kernel"),
    **_comparison("greater", "gt"),
    **_comparison("greater_equal", "ge"),
    **_comparison("less", "lt"),
    **_comparison("less_equal", "le"),
    **_comparison("not_equal", "ne"),
    **_bits("and", "bitwise_and", "and", "dunder_iand"),
    **_bits("or", "bitwise_or", "dunder_or", "dunder_ior"),
    "xor": ("__xor__", "bitwise_xor_tensor bitwise_xor_scalar"),
    "xor_scalar": ("__xor__.Scalar", "bitwise_xor_tensor bitwise_xor_scalar"),
    "xor_": ("__ixor__", "bitwise_xor_tensor_ bitwise_xor_scalar_"),
    "xor_scalar_": ("__ixor__.Scalar", "bitwise_xor_tensor_ bitwise_xor_scalar_"),
    "ixor": ("__ixor__", "bitwise_xor_tensor_ bitwise_xor_scalar_"),
    "clip": ("clip", "clamp clamp_tensor"),
    "clip_": ("clip_", "clamp_ clamp_tensor_"),
    "multiply": ("multiply", "mul"),
    "multiply_": ("multiply_", "mul_"),
    "subtract": ("subtract", "sub"),
    "subtract_": ("subtract_", "sub_"),
    "true_divide": ("true_divide", _DIV),
    "true_divide_": ("true_divide_", "div_tensor_ div_scalar_"),
    "true_divide_tensor": ("true_divide.Tensor", _DIV),
    "true_divide_out": ("true_divide.out", "div_out"),
    "float_power": ("float_power", _POW),
    "float_power_": ("float_power_", "pow_tensor_tensor_ pow_tensor_scalar_"),
    "float_power_scalar_tensor": ("float_power.Scalar", _POW),
    "float_power_scalar_tensor_out": ("float_power.Scalar_out", "pow_scalar_out to_copy"),
    "float_power_tensor_scalar": ("float_power.Tensor_Scalar", _POW),
    "float_power_tensor_scalar_": ("float_power_.Scalar", "pow_tensor_scalar_"),
    "float_power_tensor_scalar_out": ("float_power.Tensor_Scalar_out", "pow_tensor_scalar_out to_copy"),
    "float_power_tensor_tensor": ("float_power.Tensor_Tensor", _POW),
    "float_power_tensor_tensor_": ("float_power_.Tensor", "pow_tensor_tensor_"),
    "float_power_tensor_tensor_out": ("float_power.Tensor_Tensor_out", "pow_tensor_tensor_out to_copy"),
    # the overloads of one operator under one name
    "gt_tensor_": ("gt_.Tensor", "gt_"),
    "fmod_": ("fmod_", "fmod_tensor_ fmod_scalar_"),
    "remainder": ("remainder", "remainder_tensor remainder_scalar remainder_scalar_tensor"),
    "remainder_": ("remainder_", "remainder_tensor_ remainder_scalar_"),
    "floor_divide": ("floor_divide", "floor_divide_tensor floor_divide_scalar"),
    "floor_divide_": ("floor_divide_", "floor_divide_tensor_ floor_divide_scalar_"),
    "xlogy_tensor_scalar_": ("xlogy_.Scalar_Other", "xlogy_"),
    "xor_scalar_tensor": ("bitwise_xor.Scalar_Tensor", "bitwise_xor_scalar_tensor"),
    # native, here for their names
    "conj_physical": ("conj_physical", ""),
    "frexp": ("frexp", ""),
    "polar": ("polar", ""),
    "binary_cross_entropy_with_logits": (
        "binary_cross_entropy_with_logits",
        "log_sigmoid_forward rsub_scalar rsub_tensor sub_ sub mul mul_ add add_ mean sum neg neg_",
    ),
    "margin_ranking_loss": ("margin_ranking_loss", "neg sub mul_ mul add add_ clamp_min clamp_min_ mean sum"),
}

# Losses take the reduction by name as well, and call their first argument input.
_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}
_LOSSES = ("mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy", "margin_ranking_loss")


def is_loss(name: str) -> bool:
    return name.startswith(_LOSSES)


def loss_call(call):
    """``call`` for arguments as torch.nn.functional has them."""

    def with_numbers(*args, **kwargs):
        if "input" in kwargs:
            kwargs["self"] = kwargs.pop("input")
        args = [_REDUCTIONS.get(a, a) if isinstance(a, str) else a for a in args]
        return call(*args, **{k: _REDUCTIONS.get(v, v) if isinstance(v, str) else v for k, v in kwargs.items()})

    return with_numbers
