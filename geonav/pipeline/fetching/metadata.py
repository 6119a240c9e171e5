"""``geonav fetch metadata``: which panoramas there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geonav.config import GeonavConfig
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status
from geonav.data.progress import OnProgress
from geonav.data.shards import share
from geonav.data.survey import Panorama, SearchQuery
from geonav.pipeline.fetching.report import FetchOptions, FetchReport
from geonav.pipeline.fetching.session import Operation, Step, carry_out
from geonav.pipeline.fetching.target import open_or_create, provider_of

if TYPE_CHECKING:
    from geonav.pipeline.sampling import Sampling

_USUAL = FetchOptions()


def fetch_metadata(
    database_path: Path | str,
    sampling: Sampling,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
    options: FetchOptions = _USUAL,
) -> FetchReport:
    """Ask the configured provider what it has of an area; the database is made if there is none.

    Raises:
        AuthError: the key is missing or refused.
        NetworkError: the service or its quota is at its end; what was found before is kept.
        DatabaseError: another process writes the database.
        StorageError: the database cannot be written.
    """
    provider = provider_of(config)
    asked = share(options.shard, provider.queries(sampling.area, sampling.points), lambda query: query.key)
    queries = {query.key: query for query in asked}
    database = open_or_create(database_path, sampling.center, config)
    with database.lock(options.shard), Manifest.open(database, shard=options.shard) as manifest:
        name = provider.name
        with manifest.transaction():
            manifest.searches.plan(name, queries.values())
            _restart(manifest, name, queries, options)
        states = manifest.searches.states(name)
        pending = [query for key, query in queries.items() if states[key] is Status.PENDING]

        def found(query: SearchQuery, panoramas: list[Panorama]) -> Operation:
            return lambda: manifest.searches.found(name, query.key, panoramas)

        def failed(query: SearchQuery, status: Status, reason: str) -> Operation:
            return lambda: manifest.searches.end(name, query.key, status, reason)

        step = Step("metadata", pending, len(pending), provider.search, found, failed, lambda query: query.key)
        done = carry_out(step, manifest, config, on_progress)
        return _report(manifest, name, done, is_whole=options.shard is None)


def _restart(manifest: Manifest, provider: str, queries: dict[str, SearchQuery], options: FetchOptions) -> None:
    if not (options.refresh or options.retry_failed):
        return
    states = manifest.searches.states(provider)
    # A refresh that was stopped goes on where it was.
    everything = options.refresh and not manifest.searches.is_refreshing(provider)
    again = [
        key for key in queries if states[key] is Status.FAILED or (everything and states[key] is not Status.PENDING)
    ]
    manifest.searches.restart(provider, again)


def _report(manifest: Manifest, provider: str, done: int, *, is_whole: bool) -> FetchReport:
    notes = []
    if is_whole and Status.PENDING not in manifest.searches.states(provider).values():
        with manifest.transaction():
            gone = manifest.searches.finish_refresh(provider)
        if gone:
            notes.append(f"{gone} panoramas are no longer found; their entries stay")
    panoramas = manifest.searches.num_panoramas().get(provider, {}).get("found", 0)
    notes.insert(0, f"{panoramas} panoramas")
    return FetchReport(
        "metadata",
        provider,
        done,
        manifest.searches.counts().get(provider, {}),
        failed=manifest.searches.failures(provider),
        notes=notes,
    )
