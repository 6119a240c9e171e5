"""Shares of small numbers of photos, and how far chance alone may have moved them."""

from __future__ import annotations

import math

_Z_95 = 1.959963984540054


def wilson_95(count: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson, JASA 22, 1927); (0, 1) where nothing was counted."""
    if not total:
        return 0.0, 1.0
    share, z2 = count / total, _Z_95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = _Z_95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def share(count: int, total: int) -> dict[str, float] | None:
    """A share with its 95 % interval as ``value``, ``low``, ``high``; None where nothing was counted."""
    if not total:
        return None
    low, high = wilson_95(count, total)
    return {"value": round(count / total, 6), "low": round(low, 6), "high": round(high, 6)}


def upper_bound_95(count: int, total: int) -> float:
    """What the true share does not exceed with 95 % (Clopper and Pearson, one-sided); 1 where nothing was counted."""
    if count >= total:
        return 1.0
    low, high = count / total, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, total, middle) > 0.05 else (low, middle)
    return high


def _at_most(count: int, total: int, chance: float) -> float:
    """Probability of at most ``count`` successes in ``total`` draws, ``chance`` in (0, 1)."""
    terms = (
        math.lgamma(total + 1) - math.lgamma(k + 1) - math.lgamma(total - k + 1)
        + k * math.log(chance) + (total - k) * math.log1p(-chance)
        for k in range(count + 1)
    )  # fmt: skip
    return math.fsum(math.exp(term) for term in terms)
