"""Candidates in turns: what is clearly slower leaves early, so that the time goes to those that may win."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

CLEARLY = 1.5  # times the best median; one slow round on a shared machine is no proof, so a candidate's fastest round counts
RUNGS = (2, 4, 8)  # rounds after which the slower half leaves (successive halving: Jamieson and Talwalkar, 2016)
STAY = ("native", "own")  # the decision compares all others with these: they leave only if clearly slower


def race(
    seconds_of: Callable[[str], float], names: Iterable[str], rounds: int, seconds: float, halve: bool = True
) -> dict[str, list[float]]:
    """Seconds of each round of each candidate, by its name. ``seconds``: three rounds are run in any case, no more after these.
    ``halve=False``: all run all rounds."""
    taken: dict[str, list[float]] = {n: [] for n in names}
    alive = list(taken)
    end = time.perf_counter() + seconds
    for i in range(rounds + 1):
        for name in alive:
            t = seconds_of(name)
            if i:  # the first round warms up
                taken[name].append(t)
        if i >= 3 and (len(alive) == 1 or time.perf_counter() > end):
            break
        if halve and i >= RUNGS[0]:
            median = {n: statistics.median(taken[n]) for n in alive}
            limit = CLEARLY * min(median.values())
            alive = [n for n in alive if min(taken[n]) <= limit]
            if i in RUNGS:
                better = sorted(alive, key=median.__getitem__)[: max(2, (len(alive) + 1) // 2)]
                alive = [n for n in alive if n in better or n in STAY]
    return taken
