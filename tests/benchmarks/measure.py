"""Timing two ways of doing one thing in one run, turn by turn, so that a busy machine slows both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """How much faster than a baseline something is.

    Attributes:
        name: what was done.
        ours_s: median seconds of ours.
        baseline_s: median seconds of the baseline.
        must: least ratio that is asked for.
        noise: how far the baseline's middle half of times spreads, as a share of their median.
    """

    name: str
    ours_s: float
    baseline_s: float
    must: float
    noise: float = 0.0

    @property
    def ratio(self) -> float:
        """Baseline over ours: above 1 ours is faster."""
        return self.baseline_s / self.ours_s

    @property
    def holds(self) -> bool:
        """Whether it is as fast as asked for."""
        return self.ratio >= self.must


def compared(name: str, ours: Work, baseline: Work, *, must: float, turns: int) -> Figure:
    """Do both once to warm up, then by turns.

    Args:
        name: of the figure.
        ours: what geonav does.
        baseline: the same done in the usual way, or the bound.
        must: least ratio that is asked for.
        turns: how often each is timed.
    """
    ours()
    baseline()
    times = np.array([[seconds(ours), seconds(baseline)] for _ in range(turns)])
    low, middle, high = np.quantile(times[:, 1], [0.25, 0.5, 0.75])
    return Figure(name, float(np.median(times[:, 0])), float(middle), must, float((high - low) / middle))


def seconds(work: Work) -> float:
    """How long it takes once."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
