"""Progress of long work: a bar with a time estimate on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time


class Progress:
    """with Progress("compiling", total) as p: p.at(n) moves it, p.say(text) prints a line above it.

    ``lines``: also where there is no terminal, one every ``every`` seconds. ``file``: where to (default: standard output).
    """

    def __init__(self, what: str, total: int, lines: bool = True, every: float = 5.0, file=None):
        self._what, self._total, self._lines, self._every = what, total, lines, every
        self._file = file or sys.stdout
        self._bar = None
        self._begin = self._said = time.perf_counter()

    def __enter__(self) -> Progress:
        if self._file.isatty():
            try:
                from rich.console import Console
                from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
                from rich.progress import Progress as Bar
            except ImportError:  # no reason not to work
                return self
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(file=self._file, markup=False, highlight=False), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total)
        return self

    def __exit__(self, *exc) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text)
        else:
            print(text, file=self._file, flush=True)

    def at(self, done: int, total: int | None = None) -> None:
        self._total = self._total if total is None else total
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self._total)
            return
        now = time.perf_counter()
        if self._lines and done and now - self._said >= self._every:
            self._said = now
            left = (now - self._begin) / done * (self._total - done)
            print(f"{self._what}: {done} of {self._total}, about {left:.0f} s left", file=self._file, flush=True)
