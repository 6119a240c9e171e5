"""What paid calls cost, by the dated prices of the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from geonav.errors import UsageError
from geonav.settings.fetching import PricesConfig

Tiers = Sequence[tuple[float, float]]
"""Pairs of calls a month up to which a price holds, and that price in USD a thousand calls."""


@dataclass(frozen=True)
class Estimate:
    """What a job of paid calls comes to.

    Attributes:
        sku: what the calls are billed as, a name of ``[prices]``.
        calls: of this job.
        used: calls of this month that were made before it.
        cost_usd: of this job, the free and cheaper tiers counted for what is left of them.
        as_of: when the prices were read.
    """

    sku: str
    calls: int
    used: int
    cost_usd: float
    as_of: str

    @property
    def text(self) -> str:
        """One line for a person."""
        used = f" after {self.used:,} earlier this month" if self.used else ""
        return f"{self.calls:,} paid calls ({self.sku}){used}: USD {self.cost_usd:,.2f} (prices of {self.as_of})"


def price(calls: int, tiers: Tiers, used: int = 0) -> float:
    """Cost in USD of ``calls`` in a month in which ``used`` were made before; the last price holds beyond its tier."""
    return _total(used + calls, tiers) - _total(used, tiers)


def affordable(max_usd: float, tiers: Tiers, used: int = 0) -> int | None:
    """The most calls that cost no more than ``max_usd``; None where a billion do not."""
    low, high = 0, 1_000_000_000
    if price(high, tiers, used) <= max_usd:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if price(middle, tiers, used) <= max_usd else (low, middle)
    return low


def _total(calls: int, tiers: Tiers) -> float:
    cost, start, rate = 0.0, 0.0, 0.0
    for end, usd_per_thousand in sorted(tiers):
        rate = usd_per_thousand
        cost += max(min(calls, end) - start, 0.0) * rate / 1000
        start = end
    return cost + max(calls - start, 0.0) * rate / 1000


def estimate(sku: str, calls: int, prices: PricesConfig, used: int = 0) -> Estimate:
    """Price a job.

    Raises:
        UsageError: the configuration has no price for ``sku``.
    """
    tiers = getattr(prices, sku, None)
    if not isinstance(tiers, tuple):
        msg = f"there is no price for '{sku}' in [prices]: add it before making paid calls"
        raise UsageError(msg)
    return Estimate(sku, calls, used, price(calls, tiers, used), prices.as_of)


def total_usd(estimates: Iterable[Estimate]) -> float:
    """Cost of several jobs."""
    return sum(item.cost_usd for item in estimates)
