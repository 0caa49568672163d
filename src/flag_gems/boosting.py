"""Gradient-boosted regression trees for a few thousand rows: least squares on residuals (Friedman, "Greedy function
approximation", 2001), each tree from a random part of the rows (Friedman, "Stochastic gradient boosting", 2002), splits found in
histograms of binned features (Ke et al., "LightGBM", 2017). numpy only: a tree costs some bincounts, not a loop over rows."""

from __future__ import annotations

import numpy as np


class Trees:
    """Trees of one depth in flat arrays, so that a prediction is ``depth`` look-ups for all rows and trees at once."""

    def __init__(self, count: int = 100, depth: int = 5, rate: float = 0.15, bins: int = 32, least: float = 3.0,
                 shrink: float = 1.0, sample: float = 0.5, most: int = 4000, seed: int = 0):  # fmt: skip
        self.count, self.depth, self.rate, self.bins = count, depth, rate, bins
        self.least, self.shrink, self.sample, self.most, self.seed = least, shrink, sample, most, seed

    def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> Trees:
        rng, n = np.random.default_rng(self.seed), len(y)
        weight = np.ones(n) if weight is None else weight
        edges = [_edges(column, self.bins) for column in x.T]
        codes = np.stack([np.searchsorted(e, column) for e, column in zip(edges, x.T)], 1)
        self.base = float(np.average(y, weights=weight))
        inner, leaves = (1 << self.depth) - 1, 1 << self.depth
        self.feature = np.zeros((self.count, inner), np.intp)
        self.limit = np.full((self.count, inner), np.inf)
        self.leaf = np.zeros((self.count, leaves))
        residual = y - self.base
        for t in range(self.count):
            rows = np.flatnonzero(rng.random(n) < min(self.sample, self.most / n)) if n > 50 else np.arange(n)
            self._grow(t, codes[rows], residual[rows], weight[rows], edges)
            residual -= self.leaf[t, self._leaves(x, slice(t, t + 1))[:, 0]]
        return self

    def _grow(self, t: int, codes: np.ndarray, y: np.ndarray, w: np.ndarray, edges: list[np.ndarray]) -> None:
        n, features = codes.shape
        flat = codes + np.arange(features) * self.bins
        wy, span, every = w * y, features * self.bins, np.arange(n)
        weights, targets = np.repeat(w, features), np.repeat(wy, features)
        node = np.zeros(n, np.intp)
        for level in range(self.depth):
            first, width = (1 << level) - 1, 1 << level
            place = (flat + (node * span)[:, None]).ravel()
            shape = (width, features, self.bins)
            g = np.bincount(place, targets, width * span).reshape(shape).cumsum(-1)
            h = np.bincount(place, weights, width * span).reshape(shape).cumsum(-1)
            whole_g, whole_h = g[..., -1:], h[..., -1:]
            score = lambda g, h: g * g / (h + self.shrink)
            gain = score(g, h) + score(whole_g - g, whole_h - h) - score(whole_g, whole_h)
            gain[(h < self.least) | (whole_h - h < self.least)] = 0
            best = gain.reshape(width, -1).argmax(1)
            split = gain.reshape(width, -1)[np.arange(width), best] > 1e-9
            feature, at = np.where(split, best // self.bins, 0), np.where(split, best % self.bins, self.bins)
            self.feature[t, first : first + width] = feature
            self.limit[t, first : first + width] = [edges[f][b] if s else np.inf for f, b, s in zip(feature, at, split)]
            node = 2 * node + (codes[every, feature[node]] > at[node])
        leaves = 1 << self.depth
        self.leaf[t] = self.rate * np.bincount(node, wy, leaves) / (np.bincount(node, w, leaves) + self.shrink)

    def _leaves(self, x: np.ndarray, trees: slice) -> np.ndarray:
        feature, limit = self.feature[trees], self.limit[trees]
        rows, every = np.arange(len(x))[:, None], np.arange(len(feature))
        node = np.zeros((len(x), len(feature)), np.intp)
        for _ in range(self.depth):
            node = 2 * node + 1 + (x[rows, feature[every, node]] > limit[every, node])
        return node - feature.shape[1]

    def predict(self, x: np.ndarray) -> np.ndarray:
        return self.base + self.leaf[np.arange(self.count), self._leaves(x, slice(None))].sum(1)


def _edges(column: np.ndarray, bins: int) -> np.ndarray:
    """Upper limits of all bins but the last: between neighbouring values where these are few, quantiles otherwise."""
    values = np.unique(column)
    if len(values) > bins:
        return np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)[1:-1]))
    return (values[1:] + values[:-1]) / 2
