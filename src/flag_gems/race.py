"""Candidates in turns: what is clearly slower leaves early, so that the time goes to those that may win."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

CLEARLY = 1.5  # times the best median; one slow round on a shared machine is no proof, so a candidate's fastest round counts
RUNGS = (2, 4, 8)  # rounds after which the slower half leaves (successive halving: Jamieson and Talwalkar, 2016)
LONG = 0.1  # seconds of a call from which on its first run counts, two runs are enough, and one is proof of "clearly"
STAY = ("native", "own")  # the decision compares all others with these: they leave only if clearly slower


def race(
    seconds_of: Callable[[str], float],
    names: Iterable[str],
    rounds: int,
    seconds: float,
    halve: bool = True,
    seen: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, list[float]]:
    """Seconds of each round of each candidate, by its name. ``seconds``: three rounds are run in any case (two of long calls), no
    more after these. ``halve=False``: all run all rounds. ``seen``: what each took before, which for long calls is a round."""
    taken: dict[str, list[float]] = {n: [] for n in names}
    alive = list(taken)
    end = time.perf_counter() + seconds
    for i in range(rounds + 1):
        known = i == 0 and set(alive) <= seen.keys() and min(seen[n] for n in alive) >= LONG
        now = {n: seen[n] for n in alive} if known else {n: seconds_of(n) for n in alive}
        if i == 0 and min(now.values()) < LONG:
            continue  # it warmed up
        for name, t in now.items():
            taken[name].append(t)
        done = len(taken[alive[0]])
        long = min(now.values()) >= LONG
        if done >= (2 if long else 3) and (len(alive) == 1 or time.perf_counter() > end):
            break
        if halve and (long or done >= RUNGS[0]):
            median = {n: statistics.median(taken[n]) for n in alive}
            limit = CLEARLY * min(median.values())
            alive = [n for n in alive if min(taken[n]) <= limit]
            if done in RUNGS:
                better = sorted(alive, key=median.__getitem__)[: max(2, (len(alive) + 1) // 2)]
                alive = [n for n in alive if n in better or n in STAY]
    return taken
