"""One global descriptor of one database, from what it learned to the index over the vectors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Self

import numpy as np

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import atomic_write_json, storage_errors
from geonav.data.images import read_image
from geonav.data.places import Places
from geonav.data.shards import Shard
from geonav.data.stamps import stamp as stamp_of
from geonav.errors import DatabaseError
from geonav.pipeline.global_settings import (
    SETTINGS_FILE,
    base_settings,
    descriptor_of,
    file_size,
    not_indexed,
    remembered,
)
from geonav.pipeline.journal import Journal
from geonav.pipeline.kinship import sample
from geonav.pipeline.projection import Projection
from geonav.pipeline.stored import StoredFeatures, fingerprint
from geonav.pipeline.teaching import Teacher
from geonav.retrieval import milvus_link
from geonav.retrieval.base import VectorIndex, Vectors
from geonav.retrieval.choose import Footprint, choose_kind, footprint, new_index, open_index
from geonav.vision.base import GlobalDescriptor, Vector

logger = logging.getLogger(__name__)

# Vectors that a PCA is learned from at most.
_MAX_VECTORS = 10_000
_MAX_NUMBERS = 1 << 28  # in all of them: 1 GiB of a temporary file
_VECTORS_AT_ONCE = 1000


class GlobalStage:
    """One global descriptor of one database: what it learned, each entry's vector, and the index over them."""

    def __init__(
        self,
        database: Database,
        descriptor: GlobalDescriptor,
        features: StoredFeatures,
        config: GeonavConfig,
        learned: str,
        shard: Shard | None = None,
    ) -> None:
        """Bind the parts; ``config`` says how to index, ``learned`` is the fingerprint of what was learned."""
        section = config.retrieval
        self._shard = shard
        self._database = database
        self._features = features
        self._folder = database.index_dir(descriptor.name)
        self.name = descriptor.name
        self.descriptor = descriptor
        self.settings = {**base_settings(descriptor, features), "learned": learned}
        self.stamp = stamp_of(self.settings)
        self._section = section
        self._milvus = milvus_link.remembered(config.milvus, self._folder)
        self._projection = Projection(self._folder, section, self.stamp, descriptor.usual_pca)
        self._index: VectorIndex | None = None

    @property
    def index(self) -> VectorIndex:
        """The index over the entries' vectors.

        Raises:
            DatabaseError: it is not made yet.
        """
        if self._index is None:
            msg = f"there is no finished index at {self._folder}: run `geonav index global`"
            raise DatabaseError(msg)
        return self._index

    @property
    def asking(self) -> GlobalDescriptor:
        """The descriptor whose vectors the index is asked with."""
        return self._projection.asking(self.descriptor)

    @classmethod
    def for_reading(cls, database: Database, config: GeonavConfig, features: StoredFeatures) -> Self:
        """Open a finished stage.

        Raises:
            DatabaseError: there is none with these settings.
        """
        descriptor, learned, own = descriptor_of(database, config)
        arrays = learned.read(stamp_of(base_settings(descriptor, features)))
        if arrays is None:
            raise DatabaseError(not_indexed(database, descriptor, config))
        if descriptor.needs_training:
            descriptor.load(arrays)
        stage = cls(database, descriptor, features, own, fingerprint(arrays))
        if not stage._projection.load():
            raise DatabaseError(not_indexed(database, descriptor, config))
        stage._index = open_index(stage._folder, stage._projection.stamp, config.retrieval.index, config.milvus)
        return stage

    @classmethod
    def for_writing(
        cls,
        database: Database,
        config: GeonavConfig,
        features: StoredFeatures,
        *,
        retrain: bool,
        uids: Sequence[str],
        shard: Shard | None = None,
    ) -> Self:
        """Open a stage to be completed; what the descriptor needs to learn is learned from ``uids`` if need be.

        For a ``shard`` its index stays closed: another part of it may be described elsewhere at the same time.

        Raises:
            DatabaseError: there is nothing to learn from.
            StorageError: the disk is full, read-only or not permitted.
        """
        descriptor, learned, own = descriptor_of(database, config)
        choose_kind(own.retrieval.index, len(uids))
        folder = database.index_dir(descriptor.name)
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        teacher = Teacher(database, features, descriptor, learned)
        arrays = teacher.taught(uids, retrain=retrain) if shard is None else teacher.taught_once(uids)
        stage = cls(database, descriptor, features, own, fingerprint(arrays), shard)
        stage._journal.start()
        atomic_write_json(folder / SETTINGS_FILE, {**stage.settings, **remembered(own.retrieval)})
        try:
            if shard is None and not retrain and stage._projection.load():
                stage._index = open_index(folder, stage._projection.stamp, milvus=config.milvus)
        except DatabaseError as error:
            logger.info("the index is made anew: %s", error)
        return stage

    @classmethod
    def for_describing(cls, database: Database, config: GeonavConfig, features: StoredFeatures, stamp: str) -> Self:
        """Open a stage whose vectors are made here and noted elsewhere; ``stamp`` is the one they must be of.

        Raises:
            DatabaseError: this machine's weights or settings are others.
        """
        descriptor, learned, own = descriptor_of(database, config)
        arrays = learned.read(stamp_of(base_settings(descriptor, features))) or {}
        if arrays and descriptor.needs_training:
            descriptor.load(arrays)
        stage = cls(database, descriptor, features, own, fingerprint(arrays))
        if stage.stamp != stamp:
            msg = f"{descriptor.name} has other weights or settings here than where the work is given out: see to both"
            raise DatabaseError(msg)
        return stage

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._folder, self.stamp, self._shard)

    def _some_vectors(self, uids: Sequence[str]) -> Iterator[Vectors]:
        """The entries' stored vectors, some at a time."""
        for start in range(0, len(uids), _VECTORS_AT_ONCE):
            yield np.stack([self._vector(uid) for uid in uids[start : start + _VECTORS_AT_ONCE]])

    def has(self, uid: str) -> bool:
        """Whether the entry's vector is stored and was made of what the entry holds now."""
        return self._journal.has(uid, self._made_of(uid)) and self._database.has_global(uid, self.name)

    def describe(self, uid: str) -> None:
        """Make and store an entry's vector, and note it.

        Raises:
            GeonavError: as :meth:`make`.
        """
        self.note(uid, self.make(uid))

    def make(self, uid: str) -> str:
        """Make and store an entry's vector; what it was made of, to be noted.

        Raises:
            GeonavError: the entry's features or picture cannot be read, or nothing can be written.
        """
        made_of = self._made_of(uid)
        if self.descriptor.source == "features":
            vector = self.descriptor.describe(self._features.read(uid))
        else:
            vector = self.descriptor.describe(read_image(self._database.image_path(uid)).pixels)
        self._database.write_global(uid, self.name, vector)
        return made_of

    def note(self, uid: str, made_of: str) -> None:
        """Note that an entry's vector is stored."""
        self._journal.add(uid, made_of)

    def take_over_shares(self) -> None:
        """Take what shares described: out of the stored index, which may hold older vectors, and into the journal."""
        self.forget(self._journal.of_shares)
        self._journal.take_over()

    def forget(self, uids: Sequence[str]) -> None:
        """Take entries that will be described anew out of the stored index, lest a kill leave old vectors in it."""
        if self._index is not None and self._index.remove(uids):
            self._index.save(self._folder)

    def update_index(self, uids: Sequence[str]) -> Footprint:
        """Make the index hold exactly these entries, and store it if that changed it.

        Returns:
            The kind of index, and what it takes.

        Raises:
            DatabaseError: an entry's vector cannot be read.
            StorageError: the disk is full, read-only or not permitted.
        """
        if self._projection.is_due(len(uids)):
            most = min(_MAX_VECTORS, _MAX_NUMBERS // self.descriptor.dim)
            chosen = sample(Places.of(self._database), uids, most)
            self._projection.learn(self._some_vectors(chosen.uids), len(uids), chosen.kin)
            self._index = None  # its vectors were not shortened
        kind = choose_kind(self._section.index, len(uids))
        index = self._index
        is_new = index is None or index.kind != kind
        if index is None or is_new:
            index = new_index(kind, self.asking.dim, self._projection.stamp, self._milvus)
        takes = footprint(kind, len(uids), self.asking.dim, self._milvus)
        logger.info("%s: %s", self._folder, takes)
        wanted, present = set(uids), set(index.uids)
        index.remove(sorted(present - wanted))
        new = sorted(wanted - present)
        done = 0
        for rows in self._some_vectors(new):
            index.add(new[done : done + len(rows)], self._projection.apply(rows))
            done += len(rows)
        if wanted != present or is_new:
            index.save(self._folder)
        self._index = index
        return takes

    def _vector(self, uid: str) -> Vector:
        """An entry's stored vector, made again where somebody broke or replaced the file."""
        try:
            vector = self._database.read_global(uid, self.name)
            if vector.shape == (self.descriptor.dim,):
                return vector
        except DatabaseError as error:
            logger.info("%s is described again: %s", uid, error)
        self.describe(uid)
        return self._database.read_global(uid, self.name)

    def _made_of(self, uid: str) -> str:
        """What an entry's vector depends on besides the settings: its picture, and its features if those are used."""
        size = file_size(self._database.image_path(uid))
        return f"{self._features.stamp_of(uid)}-{size}" if self.descriptor.source == "features" else str(size)
