"""What is still to be fetched, and what that would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status, StoredPanorama, StoredView
from geonav.data.survey import ViewSpec
from geonav.errors import InputError, UsageError
from geonav.pipeline.fetching.report import FetchOptions
from geonav.pipeline.fetching.target import height_source_of, provider_of
from geonav.pipeline.fetching.views import planned_views, uid_of
from geonav.pipeline.pricing import Estimate, estimate, total_usd
from geonav.providers.base import Provider
from geonav.settings.fetching import FetchConfig


@dataclass(frozen=True)
class FetchPlan:
    """What a fetch of heights or pictures would do.

    Attributes:
        provider: whose pictures are to be fetched; None where only heights are, then those of all providers.
        panoramas: that are known, or may be found; None where only asking tells, as then for the calls.
        height_calls: for heights of the ground.
        views: to be fetched.
        picture_calls: that give them.
        estimates: of the calls that are paid; none where nothing is.
        known: of an area's plan, panoramas of the provider that are known.
        metadata_calls: of an area's plan, for finding panoramas; None where no area is named or only asking tells.
        answered: queries of the area that are not asked again.
        unknown: queries that are, each of which may find one panorama more, or in an area of boxes any number.
    """

    provider: str | None
    panoramas: int | None
    height_calls: int | None
    views: int | None
    picture_calls: int | None
    estimates: tuple[Estimate, ...]
    known: int = 0
    metadata_calls: int | None = None
    answered: int = 0
    unknown: int = 0

    @property
    def cost_usd(self) -> float:
        """Of all paid calls."""
        return total_usd(self.estimates)


def plan_fetch(
    database: Database, config: GeonavConfig, *, heights: FetchOptions | None, pictures: FetchOptions | None
) -> FetchPlan:
    """Count and price what is missing; calls nobody and changes nothing.

    With pictures, heights are counted for the panoramas alone whose pictures are to be fetched.

    Args:
        database: what is there.
        config: names the provider, the source of heights, the views and the prices.
        heights: how heights are to be fetched; None where they are not.
        pictures: how pictures are to be fetched; None where they are not.

    Raises:
        UsageError: the database holds other views of the provider, or the provider cannot give these.
        DatabaseError: no panoramas were found yet.
        AuthError: a key that is needed is missing.
    """
    estimates: list[Estimate] = []
    views = picture_calls = 0
    name: str | None = None
    with Manifest.open(database, read_only=True) as manifest:
        found = manifest.searches.num_panoramas()
        num_panoramas = sum(counts.get("found", 0) for counts in found.values())
        if pictures is not None:
            config = with_known_provider(manifest, config)
            num_panoramas, name = check_found(manifest, config), config.fetch.provider
        height_calls = 0 if heights is None else len(manifest.heights.batches(name))
        points = 0 if heights is None else _num_heights(manifest, heights, name)
        if height_calls or points:
            source = height_source_of(config)
            height_calls += -(-points // source.batch_size)
            estimates += _estimates(manifest, source.paid_as, height_calls, config)
        if pictures is not None:
            provider = provider_of(config)
            for stored in manifest.panoramas(provider.name):
                if stored.is_gone:
                    continue
                wanted = _wanted(provider, stored, config.fetch, pictures)
                missing = _missing(database, stored, wanted, pictures)
                views += len(missing)
                picture_calls += num_calls(stored, len(missing))
            estimates += _estimates(manifest, provider.paid_as, picture_calls, config)
    return FetchPlan(name, num_panoramas, height_calls, views, picture_calls, tuple(estimates))


def _estimates(manifest: Manifest, sku: str | None, calls: int, config: GeonavConfig) -> list[Estimate]:
    if sku is None or not calls:
        return []
    return [estimate(sku, calls, config.prices, manifest.spend.this_month(sku))]


def with_known_provider(manifest: Manifest, config: GeonavConfig) -> GeonavConfig:
    """``config`` with the only provider that the database has panoramas of, where none was chosen."""
    if "provider" in config.fetch.model_fields_set:
        return config
    known = [name for name, found in manifest.searches.num_panoramas().items() if found.get("found")]
    if len(known) != 1:
        return config
    return config.model_copy(update={"fetch": config.fetch.model_copy(update={"provider": known[0]})})


def check_found(manifest: Manifest, config: GeonavConfig) -> int:
    """Number of panoramas of the configured provider.

    Raises:
        UsageError: there are only those of others.
        InputError: there are none at all.
    """
    counts = {name: found.get("found", 0) for name, found in manifest.searches.num_panoramas().items()}
    name = config.fetch.provider
    if counts.get(name):
        return counts[name]
    others = sorted(other for other, count in counts.items() if count)
    if others:
        msg = f"the database has panoramas of {', '.join(others)}, none of {name}: add --provider {others[0]}"
        raise UsageError(msg)
    msg = f"{name} has no panorama where it was asked: fetch metadata of another area or with a larger search radius"
    raise InputError(msg)


def num_calls(stored: StoredPanorama, num_views: int) -> int:
    """Downloads that give views of one panorama."""
    return num_views if stored.panorama.projection == "cut_by_provider" else min(num_views, 1)


def pending_views(stored: StoredPanorama) -> list[StoredView]:
    """Views of a panorama that are to be fetched."""
    return [] if stored.is_gone else [view for view in stored.views if view.status is Status.PENDING]


def _num_heights(manifest: Manifest, options: FetchOptions, provider: str | None) -> int:
    """Panoramas that would be put into new batches."""
    again = [Status.FAILED] if options.retry_failed else []
    if options.refresh and not manifest.heights.is_refreshing(provider):
        again = [Status.DONE, Status.NOTHING, Status.FAILED, Status.MISSING]
    counts = manifest.heights.counts()
    named = [states for name, states in counts.items() if provider in {None, name}]
    counted = sum(states.get(status, 0) for states in named for status in again)
    return len(manifest.heights.unplanned(provider)) + counted


def _missing(
    database: Database, stored: StoredPanorama, wanted: Sequence[ViewSpec], options: FetchOptions
) -> list[ViewSpec]:
    known = {view.spec.index: view for view in stored.views}
    again = {Status.PENDING} | ({Status.FAILED} if options.retry_failed else set())

    def is_missing(spec: ViewSpec) -> bool:
        if options.refresh:
            return True
        view = known.get(spec.index)
        is_open = view is None or view.status in again
        return is_open and (uid_of(stored.panorama, spec) not in database or (view is not None and view.is_refresh))

    return [spec for spec in wanted if is_missing(spec)]


def plan_views(manifest: Manifest, provider: Provider, fetch: FetchConfig, options: FetchOptions) -> list[str]:
    """Lay down the views of all panoramas, in a transaction; uids of entries that a refresh leaves without a view.

    Raises:
        UsageError: the database holds other views of the provider, or the provider cannot give these.
    """
    left: list[str] = []
    for stored in manifest.panoramas(provider.name):
        if stored.is_gone:
            continue
        panorama, wanted = stored.panorama, _wanted(provider, stored, fetch, options)
        known = {view.spec.index: view.spec for view in stored.views}
        name = (panorama.provider, panorama.pano_id)
        changed = [spec for spec in wanted if known.get(spec.index) != spec]
        manifest.views.plan(name, ((spec, uid_of(panorama, spec)) for spec in changed))
        manifest.views.begin_refresh(view.uid for view in _replaced(stored, wanted))
        manifest.views.drop(name, len(wanted))
        left += [view.uid for view in stored.views if view.spec.index >= len(wanted)]
    return left


def _wanted(provider: Provider, stored: StoredPanorama, fetch: FetchConfig, options: FetchOptions) -> list[ViewSpec]:
    wanted = list(planned_views(stored.panorama, fetch))
    check = getattr(provider, "check_view", None)
    if check is not None:
        for spec in wanted:
            check(spec)
    if not options.refresh and _replaced(stored, wanted):
        raise UsageError(_conflict(provider.name, stored))
    return wanted


def _replaced(stored: StoredPanorama, wanted: Sequence[ViewSpec]) -> list[StoredView]:
    """Views that were fetched and are others than those wanted now."""
    if stored.panorama.projection == "camera":
        return []
    specs = {spec.index: spec for spec in wanted}
    return [view for view in stored.views if view.status is Status.DONE and specs.get(view.spec.index) != view.spec]


def _conflict(provider: str, stored: StoredPanorama) -> str:
    done = [view.spec for view in stored.views if view.status is Status.DONE]
    spec = done[0]
    there = (
        f"{len(stored.views)} views of {spec.fov_deg:g} degrees at pitch {spec.pitch_deg:g}, {spec.width} pixels wide"
    )
    return (
        f"the database holds {there}, of {provider}'s panoramas: give the same --fov, --n-directions and --pitch,"
        " fetch into another database, or fetch all of them anew with --refresh"
    )
