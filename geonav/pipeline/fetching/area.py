"""What fetching an area would take, where part of it may have been asked for already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest, manifest_path
from geonav.data.manifest_rows import Status
from geonav.errors import AuthError, UsageError
from geonav.pipeline.fetching.planning import FetchPlan, plan_fetch
from geonav.pipeline.fetching.report import FetchOptions
from geonav.pipeline.fetching.target import provider_of
from geonav.pipeline.pricing import estimate
from geonav.providers.registry import HEIGHT_SOURCES, PROVIDERS

if TYPE_CHECKING:
    from geonav.pipeline.sampling import Sampling

_USUAL = FetchOptions()


@dataclass(frozen=True)
class _Known:
    """What a database has of a provider: nothing where it is not there yet."""

    states: Mapping[str, Status] = field(default_factory=dict)
    panoramas: int = 0
    used: Mapping[str, int] = field(default_factory=dict)


def plan_area(
    path: Path, sampling: Sampling, config: GeonavConfig, *, metadata: FetchOptions, pictures: FetchOptions = _USUAL
) -> FetchPlan:
    """Count and price what an area needs: what is known exactly, and one panorama at most for each point that is not.

    Calls nobody and changes nothing. What was answered is not asked again.

    Raises:
        AuthError: a key is missing, without which it cannot be told what was answered.
        UsageError: the provider's settings are off, or the database holds other views of it.
        DatabaseError: something else than a database is at ``path``.
    """
    provider = PROVIDERS.load(config.fetch.provider)
    # As if it had been chosen, so that no other that the database has takes its place.
    fetch = config.fetch.model_copy(update={"provider": config.fetch.provider})
    config = config.model_copy(update={"fetch": fetch})
    known = _known(path, provider.name)
    keys = _keys(sampling, config, is_needed=bool(known.states))
    if keys is None and provider.searches != "points":
        return FetchPlan(provider.name, None, None, None, None, ())
    num_queries = len(sampling.points) if keys is None else len(keys)
    calls = num_queries if keys is None else sum(_is_asked(known.states.get(key), metadata) for key in keys)
    plan = FetchPlan(provider.name, 0, 0, 0, 0, ())
    if known.panoramas:
        plan = plan_fetch(Database.open(path), config, heights=_USUAL, pictures=pictures)
    plan = replace(plan, known=known.panoramas, metadata_calls=calls, answered=num_queries - calls, unknown=calls)
    if not calls:
        return plan
    if provider.searches != "points":
        return replace(plan, panoramas=None, height_calls=None, views=None, picture_calls=None, estimates=())
    source = HEIGHT_SOURCES.load(config.elevation.source)
    heights, views = -(-calls // source.batch_size), calls * config.fetch.n_directions
    paid = {found.sku: found.calls for found in plan.estimates}
    for sku, more in ((source.paid_as, heights), (provider.paid_as, views)):
        if sku is not None:
            paid[sku] = paid.get(sku, 0) + more
    return replace(
        plan,
        panoramas=known.panoramas + calls,
        height_calls=(plan.height_calls or 0) + heights,
        views=(plan.views or 0) + views,
        picture_calls=(plan.picture_calls or 0) + views,
        estimates=tuple(estimate(sku, count, config.prices, known.used.get(sku, 0)) for sku, count in paid.items()),
    )


def _known(path: Path, provider: str) -> _Known:
    if not manifest_path(path).exists():
        return _Known()
    with Manifest.open(path, read_only=True) as manifest:
        num_panoramas = manifest.searches.num_panoramas().get(provider, {}).get("found", 0)
        used = {sku: manifest.spend.this_month(sku) for _, sku, _ in manifest.spend.rows()}
        return _Known(manifest.searches.states(provider), num_panoramas, used)


def _keys(sampling: Sampling, config: GeonavConfig, *, is_needed: bool) -> set[str] | None:
    """The queries of an area; None where a key is missing that only fetching needs."""
    try:
        provider = provider_of(config)
    except (AuthError, UsageError):
        if is_needed:
            raise
        return None
    return {query.key for query in provider.queries(sampling.area, sampling.points)}


def _is_asked(status: Status | None, options: FetchOptions) -> bool:
    """Whether a query would be asked, given how far it has come."""
    again = options.refresh or (options.retry_failed and status is Status.FAILED)
    return again or status in {None, Status.PENDING}
