"""What was fetched into a database, what failed, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest, manifest_path
from geonav.data.manifest_rows import Status
from geonav.pipeline.pricing import estimate


@dataclass(frozen=True)
class Spend:
    """Paid calls of a month.

    Attributes:
        month: as in 2026-03.
        sku: what they are billed as.
        calls: their number.
        cost_usd: by the configured prices.
        prices_as_of: when those were read.
    """

    month: str
    sku: str
    calls: int
    cost_usd: float
    prices_as_of: str


@dataclass(frozen=True)
class Coverage:
    """What was fetched.

    Attributes:
        queries: number by provider and state.
        panoramas: number by provider: found, and gone since.
        heights: number of panoramas by provider and state of the ground's height; "own" needs none.
        views: number by provider and state.
        captured: first and last date by provider.
        failures: of queries, heights and views, each with the reason.
        spend: by month.
    """

    queries: dict[str, dict[str, int]]
    panoramas: dict[str, dict[str, int]]
    heights: dict[str, dict[str, int]]
    views: dict[str, dict[str, int]]
    captured: dict[str, tuple[str, str]]
    failures: list[tuple[str, str]]
    spend: list[Spend]


def coverage(database: Database, config: GeonavConfig) -> Coverage | None:
    """What was fetched into a database; None where nothing was.

    Raises:
        DatabaseError: the manifest is broken.
    """
    if not manifest_path(database).exists():
        return None
    with Manifest.open(database, read_only=True) as manifest:
        failures = [
            *manifest.searches.failures(),
            *manifest.heights.failures(),
            *manifest.views.failures(Status.FAILED),
            *manifest.views.failures(Status.MISSING),
        ]
        return Coverage(
            queries=manifest.searches.counts(),
            panoramas=manifest.searches.num_panoramas(),
            heights=manifest.heights.counts(),
            views=manifest.views.counts(),
            captured=manifest.searches.dates(),
            failures=failures,
            spend=[_spend(*row, config) for row in manifest.spend.rows()],
        )


def _spend(month: str, sku: str, calls: int, config: GeonavConfig) -> Spend:
    found = estimate(sku, calls, config.prices)
    return Spend(month, sku, calls, round(found.cost_usd, 2), found.as_of)
