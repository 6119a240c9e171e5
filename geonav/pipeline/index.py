"""``geonav index``: what matching and searching need, computed once; every run goes on where the last one stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.data.shards import Shard, share
from geonav.errors import DatabaseError
from geonav.pipeline.engines.base import Engine
from geonav.pipeline.engines.place import Place
from geonav.pipeline.engines.registry import engine_of
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.global_work import GlobalWork, GlobalWorker
from geonav.pipeline.local_work import LocalWork, LocalWorker
from geonav.pipeline.stages import load_extractor_for_writing
from geonav.pipeline.stored import StoredFeatures, with_recorded
from geonav.retrieval.choose import Footprint
from geonav.vision.registries import DESCRIPTORS


@dataclass
class IndexReport:
    """What an index run did.

    Attributes:
        computed: photos computed now.
        reused: photos that were there already.
        failed: uid and reason of each photo that could not be computed.
        index: the kind of index the vectors are in, and what it takes; None where only local features were computed.
    """

    computed: int = 0
    reused: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    index: Footprint | None = None


def index_local(
    database: Database, config: GeonavConfig, on_progress: OnProgress | None = None, *, shard: Shard | None = None
) -> IndexReport:
    """Compute the local features of every photo that lacks them or has them of other settings.

    Settings that ``config`` does not set itself stay as the database was made with. A photo that cannot be read is
    reported and the rest goes on; what is stored stays stored when the run is interrupted. With a ``shard``, only its
    photos are looked at; other shards may run at the same time, and a run without one at the end finishes the rest.

    Raises:
        DatabaseError: the database is empty, or another process writes it.
        UsageError: an unknown model or device.
        WeightsError: the network's weights are missing or broken; NetworkError where they cannot be fetched.
        StorageError: the disk is full, read-only or not permitted.
    """
    with database.lock(shard), engine_of(config) as engine:
        report, _ = _Indexing(database, with_recorded(config, database), on_progress, engine, shard).local()
    return report


def index_global(
    database: Database,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
    *,
    retrain: bool = False,
    shard: Shard | None = None,
) -> IndexReport:
    """Describe every photo as a whole and put the vectors in an index; missing local features are computed first.

    What the descriptor learns from the database (the vocabulary of vlad) is learned once and kept when photos are
    added, so that adding one photo costs one description; ``retrain`` learns it anew. Entries that are gone leave the
    index. With a ``shard``, its photos are described and nothing is indexed: a run without one takes all vectors as
    they are and makes the index.

    Raises:
        GeonavError: as :func:`index_local`.
    """
    with engine_of(config) as engine:
        return index_global_by(engine, database, config, on_progress, retrain=retrain, shard=shard)


def index_global_by(
    engine: Engine,
    database: Database,
    config: GeonavConfig,
    on_progress: OnProgress | None = None,
    *,
    retrain: bool = False,
    shard: Shard | None = None,
) -> IndexReport:
    """:func:`index_global` by an engine that is at work already."""
    DESCRIPTORS.check(config.retrieval.descriptor)  # before anything is computed
    with database.lock(shard):
        indexing = _Indexing(database, with_recorded(config, database), on_progress, engine, shard)
        local, features = indexing.local()
        failed = {uid for uid, _ in local.failed}
        report = indexing.described([uid for uid in database.uids() if uid not in failed], features, retrain=retrain)
        report.failed = local.failed + report.failed
    return report


@dataclass(frozen=True)
class _Indexing:
    """One run over a database, or over a share of it."""

    database: Database
    config: GeonavConfig
    on_progress: OnProgress | None
    engine: Engine
    shard: Shard | None

    def local(self) -> tuple[IndexReport, StoredFeatures]:
        """Local features of all photos that lack them."""
        if not self.database.uids():
            msg = f"{self.database.path} is empty: import photos first, `geonav import --help` says how"
            raise DatabaseError(msg)
        uids = self._share(self.database.uids())
        extractor = load_extractor_for_writing(self.database, self.engine.here(self.config))
        stored = StoredFeatures(self.database, extractor.settings())
        missing = [uid for uid in uids if not stored.has(uid)]
        report = IndexReport(reused=len(uids) - len(missing))
        own = LocalWorker(self.database, extractor, self.config)
        with (
            self._place() as place,
            closing(self.engine.run(LocalWork(place, extractor.settings()), missing, own)) as finished,
        ):
            for number, done in enumerate(finished, start=1):
                if failure := done.failure or done.result:
                    report.failed.append((done.item, failure))
                else:
                    report.computed += 1
                announce(self.on_progress, ProgressEvent("local", number, len(missing), done.item))
        report.failed.sort()
        if self.shard is None and 0 < self.config.local.packed_from <= len(uids):
            stored.pack(uids, self.on_progress)
        return report, stored

    def described(self, every: Sequence[str], features: StoredFeatures, *, retrain: bool) -> IndexReport:
        """Describe what of ``every`` photo has no vector, then bring the index up to date."""
        stage = GlobalStage.for_writing(
            self.database, self.engine.here(self.config), features, retrain=retrain, uids=every, shard=self.shard
        )
        uids = self._share(every)
        missing = [uid for uid in uids if not stage.has(uid)]
        report = IndexReport(reused=len(uids) - len(missing))
        if self.shard is None:
            stage.forget(missing)
            stage.take_over_shares()
        with (
            self._place() as place,
            closing(
                self.engine.run(GlobalWork(place, features.settings, stage.stamp), missing, GlobalWorker(stage))
            ) as finished,
        ):
            for number, done in enumerate(finished, start=1):
                if done.result is not None and not done.result.failure:
                    stage.note(done.item, done.result.made_of)
                    report.computed += 1
                else:
                    report.failed.append((done.item, done.failure or (done.result.failure if done.result else "")))
                announce(self.on_progress, ProgressEvent(stage.name, number, len(missing), done.item))
        report.failed.sort()
        failed = {uid for uid, _ in report.failed}
        if self.shard is None:
            report.index = stage.update_index([uid for uid in uids if uid not in failed])
        return report

    def _share(self, uids: Sequence[str]) -> list[str]:
        return share(self.shard, uids, str)

    @contextmanager
    def _place(self) -> Iterator[Place | None]:
        """Where workers elsewhere find the database; None where there are none."""
        if self.engine.is_local:
            yield None
            return
        with Place.of(self.database, self.config, writes=True) as place:
            yield place
