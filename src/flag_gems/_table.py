"""The served operators as Python sees them, and how the names that users write select rows of the table.

A row is one ATen overload. Names may be, in ``include``, ``unused`` and ``exclude`` alike:

* a function name, as in ``flag_gems.ops``: ``"mm"``, ``"sum_dim"``, ``"masked_fill_"``. It selects that function and its
  ``out=`` form (``mm`` and ``mm_out``: ``torch.mm(..., out=)`` and compiled models call the latter), nothing else: ``"sum"``
  isn't ``sum_dim`` and ``"masked_fill"`` isn't ``masked_fill_``;
* an ATen name, exactly that overload: ``"mm.out"``, ``"add.Tensor"``, ``"_softmax"``; ``aten::`` in front is allowed;
* an operator's bare name that isn't a function name: all its overloads, again without the in-place operator: ``"div"`` is
  ``div.Tensor``, ``div.Scalar``, ``div.out``, ..., and ``"layer_norm"`` is ``native_layer_norm``;
* a glob over both: ``"add*"``, ``"*_out"``, ``"*.out"``.
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable
from typing import NamedTuple

import torch

# Modules of the public operator namespace whose name isn't the operator's.
_MODULES = {"layer_norm": "layernorm", "native_layer_norm": "layernorm", "_to_copy": "to", "to_copy": "to"}


class Row(NamedTuple):
    row: int
    op: str  # "add": name of the declaration
    key: str  # "add.Tensor"
    function: str  # "add"
    family: str
    doc: str

    @property
    def custom(self) -> bool:
        """One of our own operators (torch.ops.flag_gems): always on, as there is no native kernel to give way to."""
        return "::" in self.key

    @property
    def packet(self) -> str:
        return self.key.rpartition("::")[2].partition(".")[0]

    @property
    def overload(self) -> str:
        return self.key.partition(".")[2] or "default"

    @property
    def module(self) -> str:
        """Module of the operator namespace, which is in the log's lines: flag_gems.ops.<module>.<function>."""
        return _MODULES.get(self.op, self.op)

    def find(self):
        """The torch.ops overload."""
        space = torch.ops.flag_gems if self.custom else torch.ops.aten
        return getattr(getattr(space, self.packet), self.overload)


class Table:
    def __init__(self, rows: Iterable[tuple]):
        self.rows = [Row(*r) for r in rows]
        self.by_function: dict[str, list[int]] = {}
        self.by_key: dict[str, int] = {}
        for r in self.rows:
            self.by_function.setdefault(r.function, []).append(r.row)
            self.by_key[r.key] = r.row
        self.all = frozenset(r.row for r in self.rows)
        self.none_mask = bytes(len(self.rows))
        self.all_mask = self.mask(self.all)

    def mask(self, rows: Iterable[int]) -> bytes:
        m = bytearray(len(self.rows))
        for r in rows:
            m[r] = 1
        return bytes(m)

    def match(self, name: str) -> set[int]:
        """Rows that one name selects; empty when it is unknown."""
        name = name.strip().removeprefix("aten::").removeprefix("torch.ops.").removeprefix("aten.")
        if any(c in name for c in "*?["):
            fit = lambda s: fnmatch.fnmatchcase(s, name)
            return {r.row for r in self.rows if fit(r.function) or fit(r.key)}
        found = set(self.by_function.get(name, ()))
        if found:
            found.update(self.by_function.get(name + "_out", ()))
        if name in self.by_key:
            found.add(self.by_key[name])
        return found or self._bare(name)

    def _bare(self, name: str) -> set[int]:
        found = {r.row for r in self.rows if r.packet == name}
        return found or {r.row for r in self.rows if r.op == name and not r.packet.endswith("_")}

    def resolve(self, names: Iterable[str]) -> tuple[frozenset[int], list[str]]:
        """(rows, names that select nothing)."""
        rows: set[int] = set()
        unknown = []
        for name in names:
            found = self.match(name)
            rows |= found
            if not found:
                unknown.append(name)
        return frozenset(rows), unknown

    def near(self, name: str) -> list[str]:
        return difflib.get_close_matches(
            name, {**self.by_function, **self.by_key, **dict.fromkeys(r.op for r in self.rows)}, n=4, cutoff=0.6
        )
