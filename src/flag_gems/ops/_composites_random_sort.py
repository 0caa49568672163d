"""Composites of the random and sort kinds; docs/coverage-random-sort.md says for every operator of these kinds which it is."""

from __future__ import annotations

import torch


def normed_cumsum(inp: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Running sums along a dimension as shares of its sum: the distribution function of multinomial's weights."""
    return inp.cumsum(dim) / inp.sum(dim, keepdim=True)


DROPOUT = "bernoulli_ div_scalar_ mul mul_"
RANDOM_SORT = {
    # a copy, and the generator's operator in place
    **{name: (name, f"clone {name}_") for name in ("cauchy", "exponential", "log_normal", "uniform")},
    "geometric": ("geometric", "clone geometric_"),
    "alpha_dropout": ("alpha_dropout", DROPOUT + " add add_"),
    "alpha_dropout_": ("alpha_dropout_", DROPOUT + " add add_"),
    "feature_dropout": ("feature_dropout", DROPOUT),
    "feature_dropout_": ("feature_dropout_", DROPOUT),
    "dropout": ("native_dropout", DROPOUT),
    "multinomial": (
        "multinomial",
        "exponential_ div_out topk_out argmax_out sum_dim any lt_scalar eq_scalar ge_scalar fill_scalar_",
    ),
    # sorted, and what is chosen from it
    "argsort": ("argsort", "sort sort_stable"),
    "msort": ("msort", "sort"),
    "quantile": ("quantile", "sort gather masked_fill sub mul ceil_ any_dim all isnan to_copy new_ones logical_and_"),
    "nanquantile": (
        "nanquantile",
        "sort gather masked_fill_ sub mul ceil_ all isnan to_copy new_ones logical_and_ logical_not_ sum_dim",
    ),
    "isin_tensor_scalar": ("isin.Tensor_Scalar", "eq_scalar_out ne_scalar_out"),
    "diff": ("diff", "sub logical_xor"),
    "normed_cumsum": (normed_cumsum, "cumsum sum_dim div_tensor"),
}
