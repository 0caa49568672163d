"""Rotary position embedding."""

from __future__ import annotations

import torch

from .. import fused


def gems_rope_forward(query, key, cos, sin, position_ids=None, rotary_interleaved=False, inplace=False):
    return fused.apply_rotary_pos_emb(query, key, cos, sin, position_ids, rotary_interleaved, inplace)


class GemsRope(torch.nn.Module):
    """Rotates queries and keys; the tables are made at the first call, on the query's device."""

    def __init__(self, rotary_dim, max_position_embeddings, base, rotary_interleaved, dtype, device):
        super().__init__()
        self.rotary_dim = rotary_dim
        self.max_position_embeddings = max_position_embeddings
        self.base = base
        self.rotary_interleaved = rotary_interleaved
        self.dtype = dtype
        self.device = device
        self._tables = None

    def _cos_sin(self, device):
        if self._tables is None or self._tables[0].device != device:
            steps = torch.arange(0, self.rotary_dim, 2, dtype=torch.float32, device=device) / self.rotary_dim
            angles = torch.outer(
                torch.arange(self.max_position_embeddings, dtype=torch.float32, device=device), self.base**-steps
            )
            self._tables = angles.cos().to(self.dtype), angles.sin().to(self.dtype)
        return self._tables

    def forward(self, query, key, position_ids=None, inplace=False):
        cos, sin = self._cos_sin(query.device)
        return gems_rope_forward(query, key, cos, sin, position_ids, self.rotary_interleaved, inplace)
