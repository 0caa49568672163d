"""Modules built from the fused operators."""

from .activation import GemsSiluAndMul, gems_silu_and_mul
from .normalization import GemsRMSNorm, gems_rms_forward
from .rotary_embedding import GemsRope, gems_rope_forward

__all__ = ["GemsRMSNorm", "GemsRope", "GemsSiluAndMul", "gems_rms_forward", "gems_rope_forward", "gems_silu_and_mul"]
