"""Random tuning records, and what a store of them does, as a dict does it."""

from __future__ import annotations

import math
import random
import time

from flag_gems.tune import TuneRecord

DAY = 86400
NOW = int(time.time())
TEXTS = ["a", "b", "Ab", "a b", "é", "日本", "\U0001f600", 'q"\\', "l\nf\t\x01", "a'b; --", "%_", ""]


def make(rng: random.Random, sound: bool = True) -> TuneRecord:
    pick = lambda: rng.choice(TEXTS)
    name = lambda: rng.choice(TEXTS[:-1])
    time_us = rng.choice([1.0, 2.5, rng.uniform(1e-3, 1e6), 5e-324, 1.7976931348623157e308, 0.1 + 0.2])
    spread = rng.choice([0.0, -0.0, rng.random(), 1e300])
    date = NOW - rng.randrange(40) * DAY - DAY // 2 if rng.random() < 0.95 else NOW + 9 * DAY
    r = TuneRecord(
        name(), pick(), name(), name(), pick(), rng.choice(["c1", "c2"]), pick(), rng.choice(["0.1.0", "0.2.0"]), time_us, spread,
        rng.choice([1, 2, 2**63 - 1]), date,
    )  # fmt: skip
    if sound:
        return r
    return r._replace(
        **rng.choice(
            [
                {"median_us": math.nan},
                {"median_us": math.inf},
                {"median_us": 0.0},
                {"spread": -1.0},
                {"spread": math.nan},
                {"count": 0},
            ]
            + [{"date": -5}, {"op": ""}, {"device": ""}, {"candidate": ""}, {"bucket": "a\0b"}, {"bucket": "x" * 2500}]
        )
    )


def rank(r: TuneRecord):
    return (r.date, r.count, -r.median_us, -r.spread, [-b for b in r.kernel_hash.encode()] + [1])


def is_sound(r: TuneRecord) -> bool:
    key = "".join(r.key)
    return (
        bool(r.op and r.candidate and r.device) and "\0" not in key and len(key.encode()) <= 2400 and math.isfinite(r.median_us)
        and r.median_us > 0 and math.isfinite(r.spread) and r.spread >= 0 and r.count >= 1 and r.date >= 0
    )  # fmt: skip


class Model:
    def __init__(self):
        self.records: dict[tuple, TuneRecord] = {}

    def put(self, batch):
        sound = [r for r in batch if is_sound(r)]
        for r in sound:
            old = self.records.get(r.key)
            if old is None or rank(r) > rank(old):
                self.records[r.key] = r
        return len(sound)

    def all(self, **wanted):
        keep = lambda r: all(getattr(r, k) == v for k, v in wanted.items())
        return [self.records[k] for k in sorted(self.records) if keep(self.records[k])]

    def winners(self, env, hashes=None):
        best = {}
        for r in self.all():
            now = (hashes or {}).get((r.op, r.candidate), "")
            if r.env == env and now in ("", r.kernel_hash):
                old = best.get((r.op, r.bucket))
                if old is None or r.median_us < old.median_us:
                    best[r.op, r.bucket] = r
        return [best[k] for k in sorted(best)]

    def remove(self, records):
        for r in records:
            del self.records[r.key]
        return len(records)

    def erase(self, **wanted):
        return self.remove(self.all(**wanted))

    def trim(self, max_records=None, max_age_days=None):
        now = time.time()
        old = lambda r: max_age_days is not None and r.date < now - max_age_days * DAY
        n = self.remove([r for r in self.all() if old(r) or r.date > now + DAY])
        if max_records is not None:
            n += self.remove(sorted(self.all(), key=lambda r: -r.date)[max_records:])
        return n


def model_of(records):
    model = Model()
    model.put(records)
    return model


def some(n: int, seed: int = 0, **fixed) -> list[TuneRecord]:
    """n records with keys of their own."""
    rng = random.Random(seed)
    made = [make(rng) for _ in range(n)]
    return [r._replace(date=NOW - i, bucket=f"{seed} {i}", spread=abs(r.spread), **fixed) for i, r in enumerate(made)]
