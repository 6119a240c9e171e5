"""One global descriptor of one database, from what it learned to the index over the vectors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.files import atomic_write_json, storage_errors
from geonav.data.images import read_image
from geonav.data.places import Places
from geonav.data.stamps import stamp as stamp_of
from geonav.errors import DatabaseError
from geonav.pipeline.kinship import hint_at_growth, sample, spread
from geonav.pipeline.projection import Projection
from geonav.pipeline.stored import (
    FeatureSequence,
    Journal,
    LearnedArrays,
    PictureSequence,
    StoredFeatures,
    filled,
    fingerprint,
)
from geonav.retrieval.base import VectorIndex, Vectors
from geonav.retrieval.choose import Footprint, choose_kind, footprint, new_index, open_index
from geonav.retrieval.milvus_link import remembered
from geonav.settings.stages import GlobalConfig
from geonav.vision.base import GlobalDescriptor, Vector
from geonav.vision.registries import DESCRIPTORS

logger = logging.getLogger(__name__)

_JOURNAL_FILE = "journal.jsonl"
_LEARNED_FILE = "learned.npz"
_SETTINGS_FILE = "settings.json"
# Photos that a descriptor learns from at most, spread over the database.
_MAX_SAMPLES = 1000
# Vectors that a PCA is learned from at most.
_MAX_VECTORS = 10_000
_MAX_NUMBERS = 1 << 28  # in all of them: 1 GiB of a temporary file
_VECTORS_AT_ONCE = 1000
_NUM_PHOTOS = "num_photos"


class GlobalStage:
    """One global descriptor of one database: what it learned, each entry's vector, and the index over them."""

    def __init__(
        self,
        database: Database,
        descriptor: GlobalDescriptor,
        features: StoredFeatures,
        config: GeonavConfig,
        learned: str,
    ) -> None:
        """Bind the parts; ``config`` says how to index, ``learned`` is the fingerprint of what was learned."""
        section = config.retrieval
        self._database = database
        self._features = features
        self._folder = database.index_dir(descriptor.name)
        self.name = descriptor.name
        self.descriptor = descriptor
        self.settings = {**_base_settings(descriptor, features), "learned": learned}
        self.stamp = stamp_of(self.settings)
        self._section = section
        self._milvus = remembered(config.milvus, self._folder)
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
        descriptor, learned, section = _descriptor(database, config)
        arrays = learned.read(stamp_of(_base_settings(descriptor, features)))
        if arrays is None:
            raise DatabaseError(_not_indexed(database, descriptor, config))
        if descriptor.needs_training:
            descriptor.load(arrays)
        stage = cls(database, descriptor, features, _with(config, section), fingerprint(arrays))
        if not stage._projection.load():
            raise DatabaseError(_not_indexed(database, descriptor, config))
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
    ) -> Self:
        """Open a stage to be completed; what the descriptor needs to learn is learned from ``uids`` if need be.

        Raises:
            DatabaseError: there is nothing to learn from.
            StorageError: the disk is full, read-only or not permitted.
        """
        descriptor, learned, section = _descriptor(database, config)
        choose_kind(section.index, len(uids))
        folder = database.index_dir(descriptor.name)
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        base = stamp_of(_base_settings(descriptor, features))
        arrays = None if retrain else learned.read(base)
        if arrays is None or not _is_taken_over(descriptor, arrays):
            if descriptor.needs_training:
                logger.info("learning what %s needs from %s", descriptor.name, database.path)
                some = spread(uids, _MAX_SAMPLES)
                is_picture = descriptor.source == "pixels"
                descriptor.train(PictureSequence(database, some) if is_picture else FeatureSequence(features, some))
            arrays = {**descriptor.learned(), _NUM_PHOTOS: np.array(len(uids))}
            learned.write(base, arrays)
        if descriptor.needs_training:
            hint_at_growth(descriptor.name, int(arrays.get(_NUM_PHOTOS, len(uids))), len(uids))
        stage = cls(database, descriptor, features, _with(config, section), fingerprint(arrays))
        stage._journal.start()
        atomic_write_json(folder / _SETTINGS_FILE, {**stage.settings, **_remembered(section)})
        try:
            if not retrain and stage._projection.load():
                stage._index = open_index(folder, stage._projection.stamp, milvus=config.milvus)
        except DatabaseError as error:
            logger.info("the index is made anew: %s", error)
        return stage

    @cached_property
    def _journal(self) -> Journal:
        return Journal(self._folder / _JOURNAL_FILE, self.stamp)

    def _some_vectors(self, uids: Sequence[str]) -> Iterator[Vectors]:
        """The entries' stored vectors, some at a time."""
        for start in range(0, len(uids), _VECTORS_AT_ONCE):
            yield np.stack([self._vector(uid) for uid in uids[start : start + _VECTORS_AT_ONCE]])

    def has(self, uid: str) -> bool:
        """Whether the entry's vector is stored and was made of what the entry holds now."""
        return self._journal.has(uid, self._made_of(uid)) and self._database.has_global(uid, self.name)

    def describe(self, uid: str) -> None:
        """Make and store an entry's vector.

        Raises:
            GeonavError: the entry's features or picture cannot be read, or nothing can be written.
        """
        made_of = self._made_of(uid)
        if self.descriptor.source == "features":
            vector = self.descriptor.describe(self._features.read(uid))
        else:
            vector = self.descriptor.describe(read_image(self._database.image_path(uid)).pixels)
        self._database.write_global(uid, self.name, vector)
        self._journal.add(uid, made_of)

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
        size = _file_size(self._database.image_path(uid))
        return f"{self._features.stamp_of(uid)}-{size}" if self.descriptor.source == "features" else str(size)


def _not_indexed(database: Database, descriptor: GlobalDescriptor, config: GeonavConfig) -> str:
    was_indexed = (database.index_dir(descriptor.name) / _SETTINGS_FILE).exists()
    state = "was indexed with other settings" if was_indexed else "is not indexed"
    model = config.local.model
    return (
        f"{database.path} {state} for {descriptor.name} over {model} features: run `geonav index global --model "
        f"{model}`, or give the settings it was indexed with, such as --model"
    )


def _remembered(section: GlobalConfig) -> dict[str, Any]:
    """What a later command needs and no vector depends on: where weights lie, and how vectors are indexed."""
    asked = {"pca": section.pca, "whitening": section.whitening, "index": section.index}
    return asked | ({"checkpoint": str(section.checkpoint.expanduser().resolve())} if section.checkpoint else {})


def _with(config: GeonavConfig, section: GlobalConfig) -> GeonavConfig:
    return config.model_copy(update={"retrieval": section})


def _descriptor(database: Database, config: GeonavConfig) -> tuple[GlobalDescriptor, LearnedArrays, GlobalConfig]:
    """The descriptor of ``config``, with the settings of the database's own where ``config`` does not set them."""
    name = config.retrieval.descriptor
    folder = database.index_dir(DESCRIPTORS.stem(name))
    try:
        recorded = dict(json.loads((folder / _SETTINGS_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        recorded = {}
    section = filled(config.retrieval, {key: value for key, value in recorded.items() if key != "descriptor"})
    descriptor = DESCRIPTORS.load(name).from_config(_with(config, section))
    return cast("GlobalDescriptor", descriptor), LearnedArrays(folder / _LEARNED_FILE), section


def _is_taken_over(descriptor: GlobalDescriptor, arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Load what was learned earlier; False where it is broken and must be learned again."""
    try:
        if descriptor.needs_training:
            descriptor.load(arrays)
    except DatabaseError as error:
        logger.info("learned again: %s", error)
        return False
    return True


def _base_settings(descriptor: GlobalDescriptor, features: StoredFeatures) -> dict[str, Any]:
    """The descriptor's settings and, where it uses them, those of the local features."""
    local = features.stamp if descriptor.source == "features" else None
    return {**descriptor.settings(), "local": local}


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
