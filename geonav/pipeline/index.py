"""``geonav index``: what matching and searching need, computed once; every run goes on where the last one stopped."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.images import Photo
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import DatabaseError, GeonavError, StorageError, WeightsError
from geonav.pipeline.extraction import in_full_size, least_side_px, read_entry
from geonav.pipeline.global_stage import GlobalStage
from geonav.pipeline.stages import load_extractor_for_writing
from geonav.pipeline.stored import StoredFeatures, with_recorded
from geonav.pipeline.threads import Behind, ahead
from geonav.retrieval.choose import Footprint
from geonav.vision.base import LocalExtractor, Mask
from geonav.vision.registries import DESCRIPTORS

logger = logging.getLogger(__name__)


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


def index_local(database: Database, config: GeonavConfig, on_progress: OnProgress | None = None) -> IndexReport:
    """Compute the local features of every photo that lacks them or has them of other settings.

    Settings that ``config`` does not set itself stay as the database was made with. A photo that cannot be read is
    reported and the rest goes on; what is stored stays stored when the run is interrupted.

    Raises:
        DatabaseError: the database is empty, or another process writes it.
        UsageError: an unknown model or device.
        WeightsError: the network's weights are missing or broken; NetworkError where they cannot be fetched.
        StorageError: the disk is full, read-only or not permitted.
    """
    with database.lock():
        report, _ = _index_local(database, with_recorded(config, database), on_progress)
    return report


def index_global(
    database: Database, config: GeonavConfig, on_progress: OnProgress | None = None, *, retrain: bool = False
) -> IndexReport:
    """Describe every photo as a whole and put the vectors in an index; missing local features are computed first.

    What the descriptor learns from the database (the vocabulary of vlad) is learned once and kept when photos are
    added, so that adding one photo costs one description; ``retrain`` learns it anew. Entries that are gone leave the
    index.

    Raises:
        GeonavError: as :func:`index_local`.
    """
    DESCRIPTORS.check(config.retrieval.descriptor)  # before anything is computed
    with database.lock():
        config = with_recorded(config, database)
        local, features = _index_local(database, config, on_progress)
        failed = {uid for uid, _ in local.failed}
        uids = [uid for uid in database.uids() if uid not in failed]
        stage = GlobalStage.for_writing(database, config, features, retrain=retrain, uids=uids)
        report = _describe_missing(stage, uids, on_progress)
        report.failed = local.failed + report.failed
    return report


def _index_local(
    database: Database, config: GeonavConfig, on_progress: OnProgress | None
) -> tuple[IndexReport, StoredFeatures]:
    uids = database.uids()
    if not uids:
        msg = f"{database.path} is empty: import photos first, `geonav import --help` says how"
        raise DatabaseError(msg)
    extractor = load_extractor_for_writing(database, config)
    stored = StoredFeatures(database, extractor.settings())
    missing = [uid for uid in uids if not stored.has(uid)]
    report = IndexReport(reused=len(uids) - len(missing))
    size, side = config.local.batch_size, least_side_px(config)
    read = ahead(lambda uid: _read(database, uid, side), missing, depth=2 * size)
    done = 0
    with closing(read), Behind(depth=2 * size) as writer:
        for batch in iter(lambda: list(islice(read, size)), []):
            report.failed += [(each.uid, each.failure) for each in batch if each.failure]
            _extract([each for each in batch if not each.failure], extractor, (stored, writer))
            report.computed += sum(not each.failure for each in batch)
            for each in batch:
                done += 1
                announce(on_progress, ProgressEvent("local", done, len(missing), each.uid))
    if 0 < config.local.packed_from <= len(uids):
        stored.pack(uids, on_progress)
    return report, stored


@dataclass(frozen=True)
class _Read:
    """A photo that is to be indexed, or why it cannot be."""

    uid: str
    photo: Photo | None = None
    mask: Mask | None = None
    failure: str = ""


def _read(database: Database, uid: str, side: int) -> _Read:
    try:
        return _Read(uid, *read_entry(database, uid, side))
    except (StorageError, WeightsError):
        raise
    except GeonavError as error:
        return _Read(uid, failure=str(error))


def _extract(read: Sequence[_Read], extractor: LocalExtractor, store: tuple[StoredFeatures, Behind]) -> None:
    """Compute the features of a few photos and have them stored."""
    stored, writer = store
    photos = [each.photo for each in read if each.photo is not None]
    features = extractor.extract([photo.pixels for photo in photos], [each.mask for each in read])
    for each, photo, found in zip(read, photos, features, strict=True):
        writer.do(stored.write, each.uid, in_full_size(found, photo))


def _describe_missing(stage: GlobalStage, uids: Sequence[str], on_progress: OnProgress | None) -> IndexReport:
    """Describe what the stage does not have, then bring its index up to date."""
    missing = [uid for uid in uids if not stage.has(uid)]
    report = IndexReport(reused=len(uids) - len(missing))
    stage.forget(missing)
    done = []
    for number, uid in enumerate(missing, start=1):
        try:
            stage.describe(uid)
            done.append(uid)
        except (StorageError, WeightsError):
            raise
        except GeonavError as error:
            report.failed.append((uid, str(error)))
        announce(on_progress, ProgressEvent(stage.name, number, len(missing), uid))
    report.computed = len(done)
    failed = {uid for uid, _ in report.failed}
    report.index = stage.update_index([uid for uid in uids if uid not in failed])
    return report
