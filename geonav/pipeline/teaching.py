"""What a global descriptor learns from a database, once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.locks import waiting
from geonav.data.stamps import stamp as stamp_of
from geonav.errors import DatabaseError, ImageError
from geonav.pipeline.extraction import read_entry
from geonav.pipeline.global_settings import base_settings, is_taken_over
from geonav.pipeline.kinship import hint_at_growth, spread
from geonav.pipeline.stored import FeatureSequence, LearnedArrays, PictureSequence, StoredFeatures
from geonav.vision.base import GlobalDescriptor

logger = logging.getLogger(__name__)

# Photos that a descriptor learns from at most, spread over the database.
_MAX_SAMPLES = 1000
_NUM_PHOTOS = "num_photos"
Arrays = dict[str, NDArray[Any]]


class Teacher:
    """Has a descriptor learn from a database what it needs, or load what it learned before."""

    def __init__(
        self, database: Database, features: StoredFeatures, descriptor: GlobalDescriptor, learned: LearnedArrays
    ) -> None:
        """``learned`` is where it is kept."""
        self._database = database
        self._features = features
        self._descriptor = descriptor
        self._learned = learned
        self._stamp = stamp_of(base_settings(descriptor, features))

    def taught(self, uids: Sequence[str], *, retrain: bool = False) -> Arrays:
        """What the descriptor has learned, now or earlier, and has loaded.

        Raises:
            DatabaseError: there is nothing to learn from.
            StorageError: the disk is full, read-only or not permitted.
        """
        arrays = None if retrain else self._before()
        if arrays is None:
            arrays = self._now(len(uids), spread(uids, _MAX_SAMPLES))
        if self._descriptor.needs_training:
            hint_at_growth(self._descriptor.name, int(arrays.get(_NUM_PHOTOS, len(uids))), len(uids))
        return arrays

    def taught_once(self, uids: Sequence[str]) -> Arrays:
        """The same where others may want to learn at the same time: the first does, the others wait for it.

        Raises:
            DatabaseError: photos to learn from have no local features yet.
            StorageError: the disk is full, read-only or not permitted.
        """
        arrays = self._before()
        if arrays is not None:
            return arrays
        path = self._database.index_dir(self._descriptor.name) / "lock-learning"
        with waiting(path, lambda: logger.warning("waiting for another share that learns what %s needs", path.parent)):
            arrays = self._before()
            return self._now(*self._sample(uids)) if arrays is None else arrays

    def _before(self) -> Arrays | None:
        arrays = self._learned.read(self._stamp)
        return arrays if arrays is not None and is_taken_over(self._descriptor, arrays) else None

    def _now(self, num_photos: int, some: Sequence[str]) -> Arrays:
        if self._descriptor.needs_training:
            logger.info("learning what %s needs from %s", self._descriptor.name, self._database.path)
            is_picture = self._descriptor.source == "pixels"
            pictures, features = PictureSequence(self._database, some), FeatureSequence(self._features, some)
            self._descriptor.train(pictures if is_picture else features)
        arrays = {**self._descriptor.learned(), _NUM_PHOTOS: np.array(num_photos)}
        self._learned.write(self._stamp, arrays)
        return arrays

    def _sample(self, uids: Sequence[str]) -> tuple[int, list[str]]:
        """How many photos there are, and those to learn from; what cannot be read has no features and is left out."""
        some = list(spread(uids, _MAX_SAMPLES))
        if not self._descriptor.needs_training:
            return len(uids), some
        found = []
        for uid in some:
            if not self._is_readable(uid):
                continue
            if self._descriptor.source == "features" and not self._features.has(uid):
                msg = (
                    f"{self._descriptor.name} learns from the local features of the whole database, and {uid} has none"
                    " yet: let all shards of `geonav index local` end first"
                )
                raise DatabaseError(msg)
            found.append(uid)
        return len(uids) - len(some) + len(found), found

    def _is_readable(self, uid: str) -> bool:
        if self._descriptor.source == "features" and self._features.has(uid):
            return True
        try:
            read_entry(self._database, uid, None)
        except ImageError:
            return False
        return True
