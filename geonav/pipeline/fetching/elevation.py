"""``geonav fetch elevation``: the ground's height below panoramas that do not know their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Ground, Status
from geonav.data.manifest_shards import cell_of
from geonav.data.progress import OnProgress
from geonav.data.shards import share
from geonav.errors import NetworkError
from geonav.pipeline.fetching.datums import check_convertible
from geonav.pipeline.fetching.report import FetchOptions, FetchReport
from geonav.pipeline.fetching.session import Operation, Step, carry_out
from geonav.pipeline.fetching.target import check_max_cost, height_datum, height_source_of
from geonav.pipeline.pricing import estimate
from geonav.providers.base import HeightSource
from geonav.providers.heights.order import spatial_order

Place = tuple[str, str, float, float]
"""Provider, id, latitude and longitude of a panorama."""

_USUAL = FetchOptions()


def fetch_elevation(
    database: Database,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
    options: FetchOptions = _USUAL,
    *,
    provider: str | None = None,
) -> FetchReport:
    """Ask the configured source for every height that is not known yet, or for those of one provider's panoramas.

    Raises:
        UsageError: the source's datum cannot be taken to the database's, or the cost is more than allowed.
        AuthError: the key is missing or refused.
        NetworkError: the service or its quota is at its end; heights that came before are kept.
        DatabaseError: nothing was fetched yet, or another process writes the database.
        StorageError: the database cannot be written.
    """
    Manifest.open(database, read_only=True).close()
    check_convertible(height_datum(config), database.alt_datum)
    with database.lock(options.shard), Manifest.open(database, shard=options.shard) as manifest:
        with manifest.transaction():
            _restart(manifest, options, provider)
            if options.shard is not None:
                manifest.heights.unplan()  # what was planned may hold places of other shares
        own = share(options.shard, manifest.heights.unplanned(provider), lambda place: cell_of(*place[2:]))
        if not (own or manifest.heights.batches(provider)):
            return _report(manifest, config.elevation.source, provider)
        source = height_source_of(config)
        with manifest.transaction():
            manifest.heights.plan(_batches(own, source.batch_size))
        step = _step(manifest, source, manifest.heights.batches(provider))
        done, calls, cost_usd = _carry_out(step, manifest, source, config, on_progress)
        report = _report(manifest, source.name, provider)
        return replace(report, done=done, paid_calls=calls, cost_usd=cost_usd)


def _restart(manifest: Manifest, options: FetchOptions, provider: str | None) -> None:
    if options.retry_failed:
        manifest.heights.restart([Status.FAILED], provider)
    # A refresh that was stopped goes on where it was.
    if options.refresh and not manifest.heights.is_refreshing(provider):
        manifest.heights.restart([Status.DONE, Status.NOTHING, Status.FAILED, Status.MISSING], provider)


def _batches(places: Sequence[Place], size: int) -> list[list[tuple[str, str]]]:
    """Neighbours together, as sources may smooth the heights of one call over their spread."""
    order = spatial_order([place[2:] for place in places])
    names = [places[index][:2] for index in order]
    return [names[start : start + size] for start in range(0, len(names), size)]


def _step(
    manifest: Manifest, source: HeightSource, batches: list[list[Place]]
) -> Step[list[Place], list[float | None]]:
    def ask(batch: list[Place]) -> list[float | None]:
        heights = source.heights([place[2:] for place in batch])
        if len(heights) != len(batch):
            msg = f"{source.name} gave {len(heights)} heights for {len(batch)} points"
            raise NetworkError(msg)
        return heights

    def found(batch: list[Place], heights: list[float | None]) -> Operation:
        def write() -> None:
            for place, height in zip(batch, heights, strict=True):
                ground = None if height is None else Ground(height, source.datum, source.name)
                reason = None if ground else f"{source.name} has no height here"
                manifest.heights.end(place[:2], ground, Status.DONE if ground else Status.NOTHING, reason)
            if source.paid_as is not None:
                manifest.spend.add(source.paid_as)

        return write

    def failed(batch: list[Place], status: Status, reason: str) -> Operation:
        def write() -> None:
            for place in batch:
                manifest.heights.end(place[:2], None, status, reason)

        return write

    return Step(
        "elevation",
        batches,
        len(batches),
        ask,
        found,
        failed,
        lambda batch: f"{len(batch)} point{'s' * (len(batch) != 1)}",
    )


def _carry_out(
    step: Step[list[Place], list[float | None]],
    manifest: Manifest,
    source: HeightSource,
    config: GeonavConfig,
    on_progress: OnProgress | None,
) -> tuple[int, int, float]:
    """Calls that ended, those that are paid, and their cost in USD."""
    if source.paid_as is None:
        return carry_out(step, manifest, config, on_progress), 0, 0.0
    used = manifest.spend.this_month(source.paid_as)
    check_max_cost(estimate(source.paid_as, step.total, config.prices, used).cost_usd, config)
    done = carry_out(step, manifest, config, on_progress)
    calls = manifest.spend.this_month(source.paid_as) - used
    return done, calls, estimate(source.paid_as, calls, config.prices, used).cost_usd


def _report(manifest: Manifest, source: str, provider: str | None) -> FetchReport:
    counts: dict[str, int] = {}
    for name, states in manifest.heights.counts().items():
        if provider not in {None, name}:
            continue
        for status, count in states.items():
            counts[status] = counts.get(status, 0) + count
    notes = []
    if counts.get(Status.NOTHING):
        notes.append(f"{counts[Status.NOTHING]} panoramas lie where the source has no height; they will get no E")
    failed = manifest.heights.failures(provider)
    return FetchReport("elevation", source, counts=counts, failed=failed, notes=notes)
