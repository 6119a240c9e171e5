"""``geonav fetch panoramas``: pictures of panoramas become entries of the database.

An entry is on disk before the manifest says so. A run that finds the entry of a view that is still pending therefore
takes it as fetched, and paid, by a run that was killed in between.

What counts as paid is every call that was answered with status 200, also where its answer could not be used: whether
those are billed is not documented. Calls that were under way when a run was killed are in no count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status, StoredPanorama, StoredView
from geonav.data.manifest_shards import panorama_name
from geonav.data.metadata import ImageMetadata
from geonav.data.progress import OnProgress
from geonav.data.shards import Shard
from geonav.pipeline.fetching.pictures import PictureJob, download, jobs_of
from geonav.pipeline.fetching.planning import check_found, num_calls, pending_views, plan_views, with_known_provider
from geonav.pipeline.fetching.report import FetchOptions, FetchReport
from geonav.pipeline.fetching.session import Operation, Step, carry_out
from geonav.pipeline.fetching.spending import Spending
from geonav.pipeline.fetching.target import check_max_cost, provider_of
from geonav.pipeline.fetching.views import Describer
from geonav.pipeline.pricing import estimate
from geonav.providers.base import Provider

_USUAL = FetchOptions()
_COMMIT_EACH = 500


def fetch_panoramas(
    database: Database,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
    options: FetchOptions = _USUAL,
) -> FetchReport:
    """Fetch every view that is not there yet, and bring the metadata of those that are up to date.

    Where ``config`` chooses no provider, it is the only one that the database has panoramas of.

    Raises:
        UsageError: other views are there already, heights cannot be converted, or the cost is more than allowed.
        InputError: the provider has no panoramas where it was asked.
        AuthError: the key is missing or refused.
        NetworkError: the service or its quota is at its end; pictures that came before are kept.
        DatabaseError: no panoramas were found yet, or another process writes the database.
        StorageError: the database cannot be written.
    """
    with Manifest.open(database, read_only=True) as manifest:
        config = with_known_provider(manifest, config)
        check_found(manifest, config)
    provider = provider_of(config)
    describer = Describer.of(database, config)
    shard = options.shard
    with database.lock(shard), Manifest.open(database, shard=shard) as manifest:
        if shard is None:  # other shares are making entries
            database.remove_drafts()
        with manifest.transaction():
            _restart(manifest, provider.name, options)
            surplus = plan_views(manifest, provider, config.fetch, options)
        for uid in surplus if shard is None else ():
            if uid in database:
                database.remove_entry(uid)
        fetch = _Fetch(database, manifest, provider, describer, Spending.of(provider), shard)
        fetch.bring_up_to_date()
        calls = fetch.num_calls()
        used = 0 if provider.paid_as is None else manifest.spend.this_month(provider.paid_as)
        if provider.paid_as is not None:
            check_max_cost(estimate(provider.paid_as, calls, config.prices, used).cost_usd, config)
            fetch.spending.limit(config, used)
        step = Step(
            "panoramas",
            fetch.jobs(),
            calls,
            fetch.download,
            fetch.store,
            fetch.fail,
            lambda job: job.views[0].uid,
            is_paid=provider.paid_as is not None,
        )
        try:
            done = carry_out(step, manifest, config, on_progress)
        finally:
            fetch.settle()
        return fetch.report(done, used, config)


def _restart(manifest: Manifest, provider: str, options: FetchOptions) -> None:
    if options.retry_failed:
        manifest.views.restart(provider, [Status.FAILED])
    # A refresh that was stopped goes on where it was.
    if options.refresh and not manifest.views.is_refreshing(provider):
        manifest.views.restart(provider, [Status.FAILED, Status.MISSING])
        manifest.views.restart(provider, [Status.DONE], is_refresh=True)


@dataclass(frozen=True)
class _Fetch:
    """Stores pictures; only the main thread calls it."""

    database: Database
    manifest: Manifest
    provider: Provider
    describer: Describer
    spending: Spending
    shard: Shard | None = None

    def panoramas(self) -> Iterator[StoredPanorama]:
        """Those of the provider that belong to the share."""
        for stored in self.manifest.panoramas(self.provider.name):
            if self.shard is None or self.shard.holds(panorama_name(self.provider.name, stored.panorama.pano_id)):
                yield stored

    def download(self, job: PictureJob) -> list[bytes]:
        """Make a job's calls, in any thread, and remember what they cost however they end."""
        with self.spending.counted(job.views[0].uid):
            return download(self.provider, job)

    def settle(self) -> None:
        """Count the paid calls of jobs that were not stored, as the run was stopped."""
        if calls := self.spending.take_all():
            with self.manifest.transaction():
                self._pay(calls)

    def _pay(self, calls: int) -> None:
        if self.provider.paid_as is not None and calls:
            self.manifest.spend.add(self.provider.paid_as, calls)

    def jobs(self) -> Iterator[PictureJob]:
        """Downloads of what is pending, in the order of the manifest."""
        for stored in self.panoramas():
            yield from jobs_of(stored, pending_views(stored))

    def num_calls(self) -> int:
        """Number of those downloads, once it is sure that each can be placed in the database.

        Raises:
            UsageError: a height is in a datum that cannot be taken to the database's.
        """
        count = 0
        for stored in self.panoramas():
            if pending := pending_views(stored):
                self.describer.height_m(stored)
                count += num_calls(stored, len(pending))
        return count

    def bring_up_to_date(self) -> None:
        """Take what a killed run left as fetched, and describe entries anew about which more is known now."""
        operations: list[Operation] = []
        for stored in self.panoramas():
            for view in stored.views:
                operations += self._upkeep(stored, view)
            if len(operations) >= _COMMIT_EACH:
                self._write(operations)
        self._write(operations)

    def _write(self, operations: list[Operation]) -> None:
        if operations:
            with self.manifest.transaction():
                for operation in operations:
                    operation()
            operations.clear()

    def _upkeep(self, stored: StoredPanorama, view: StoredView) -> list[Operation]:
        if view.uid not in self.database:
            return []
        stamp = self.describer.stamp(stored, view.spec)
        if view.status is Status.PENDING and not view.is_refresh:
            there, wanted = self.database.metadata(view.uid), self.describer.metadata(stored, view.spec)
            if _pano_id(there) != stored.panorama.pano_id:
                reason = "the database has another entry of that name"
                return [lambda: self.manifest.views.end(view.uid, Status.FAILED, reason)]
            if _picture(there) != _picture(wanted):
                return []
            self._describe(stored, view)
            return [self._done(view, stamp), lambda: self._pay(1)]
        if view.stamp is not None and view.stamp != stamp and not view.is_refresh:
            self._describe(stored, view)
            return [lambda: self.manifest.views.restamp(view.uid, stamp)]
        return []

    def _describe(self, stored: StoredPanorama, view: StoredView) -> None:
        metadata = self.describer.metadata(stored, view.spec)
        if self.database.metadata(view.uid).to_json() != metadata.to_json():
            self.database.replace_metadata(view.uid, metadata)

    def store(self, job: PictureJob, pictures: list[bytes]) -> Operation:
        """Make the entries of a download; gives what to write of it."""
        operations = []
        for view, picture in zip(job.views, pictures, strict=True):
            metadata = self.describer.metadata(job.stored, view.spec)
            if view.uid in self.database:
                self.database.remove_entry(view.uid)
            self.database.add_entry(view.uid, picture, metadata)
            operations.append(self._done(view, self.describer.stamp(job.stored, view.spec)))

        def write() -> None:
            for operation in operations:
                operation()
            self._pay(self.spending.take(job.views[0].uid))

        return write

    def _done(self, view: StoredView, stamp: str) -> Operation:
        def write() -> None:
            self.manifest.views.end(view.uid, Status.DONE, stamp=stamp)

        return write

    def fail(self, job: PictureJob, status: Status, reason: str) -> Operation:
        """What to write of a download that failed."""

        def write() -> None:
            for view in job.views:
                self.manifest.views.end(view.uid, status, reason)
            self._pay(self.spending.take(job.views[0].uid))

        return write

    def report(self, done: int, used: int, config: GeonavConfig) -> FetchReport:
        """What this run did."""
        paid_as, name = self.provider.paid_as, self.provider.name
        calls = 0 if paid_as is None else self.manifest.spend.this_month(paid_as) - used
        cost_usd = 0.0 if paid_as is None else estimate(paid_as, calls, config.prices, used).cost_usd
        failed, missing = (self.manifest.views.failures(status, name) for status in (Status.FAILED, Status.MISSING))
        return FetchReport(
            "panoramas",
            name,
            done,
            self.manifest.views.counts().get(name, {}),
            calls,
            cost_usd,
            failed,
            missing,
            self._notes(),
        )

    def _notes(self) -> list[str]:
        unplaced = unseen = 0
        for stored in self.panoramas():
            if stored.is_gone:
                continue
            unplaced += self.describer.height_m(stored) is None
            unseen += not stored.views
        notes = []
        if pending := self.manifest.searches.counts().get(self.provider.name, {}).get(Status.PENDING):
            notes.append(f"{pending} queries were never asked: run the same 'geonav fetch metadata' again")
        if unplaced:
            notes.append(f"{unplaced} panoramas have no height, so their views have no E: run 'geonav fetch elevation'")
        if unseen:
            notes.append(f"{unseen} photos are left out, as their provider does not say their camera")
        return notes


def _pano_id(metadata: ImageMetadata) -> object:
    return (metadata.model_extra or {}).get("pano_id")


def _picture(metadata: ImageMetadata) -> tuple[object, ...]:
    """What of an entry's metadata its picture depends on."""
    return metadata.w, metadata.h, metadata.K, metadata.azn, metadata.pitch
