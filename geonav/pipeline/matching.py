"""The retrieved references of one photo, matched until more of them cannot help."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError
from geonav.geometry.pose import camera_center
from geonav.pipeline.candidates import MIN_PLACES, Candidates, num_places
from geonav.pipeline.mapped import Mapped
from geonav.pipeline.stored import StoredFeatures
from geonav.pipeline.trust import heading_std_deg, panorama_of, position_std_m, tilt_std_deg
from geonav.pose.grouping import GROUP_RADIUS_M, MIN_SHARED, group_views
from geonav.pose.tracks import View
from geonav.settings.stages import LocalizeConfig
from geonav.vision.base import Matcher, Matches

# A reference with this many matches is one that a pose can stand on.
STRONG_MATCHES = 80
# Once a few references have turned out weak, the next ones first get a look at the best keypoints alone, which costs
# a fraction of matching all; those with fewer than this many matches in it are passed over.
_LOOK_KEYPOINTS = 512
_WEAK_LOOK_MATCHES = 50
_MAX_WEAK = 3
# Keypoints of one reference move together by 0.13 pixels, the median on rendered streets with exact poses: a quarter of
# a thousandth at the edge of a picture of 1024 pixels, and calibrations are hardly better.
SCALE_STD = 2.5e-4
# DISK's keypoints, refined below the pixel, scatter by this much of a pixel of the picture they were found in.
KEYPOINT_NOISE_PX = 0.3
_MIN_PLACES_MAPPED = 2
Size = tuple[int, int]


@dataclass
class MatchedReferences:
    """What matching gave.

    Attributes:
        views: posed references with matches.
        num_matches: matches of each reference that was matched.
        excluded: references left out because they are the photo itself.
        unposed: references without pose or camera, which cannot help.
        broken: uid and reason of references that could not be read.
        num_weak: references with too few matches to carry a pose.
        tried: all references that were looked at.
    """

    views: list[View] = field(default_factory=list)
    num_matches: dict[str, int] = field(default_factory=dict)
    excluded: list[str] = field(default_factory=list)
    unposed: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    num_weak: int = 0
    tried: set[str] = field(default_factory=set)

    @property
    def strong(self) -> list[View]:
        """Those that a pose can stand on."""
        return [view for view in self.views if len(view.query_index) >= STRONG_MATCHES]


@dataclass(frozen=True)
class MatchedPhoto:
    """What matching needs of a photo.

    Attributes:
        features: its local features.
        size: its width and height in pixels.
        sha256: of its file, to recognise it among the references.
        check: called before each match; what it raises ends the matching.
    """

    features: LocalFeatures
    size: Size
    sha256: str
    check: Callable[[], None] = lambda: None

    @cached_property
    def best(self) -> LocalFeatures:
        """The features for a first look."""
        return _best(self.features)


@dataclass(frozen=True)
class ReferenceMatcher:
    """Matches a query to references of a database."""

    database: Database
    features: StoredFeatures
    matcher: Matcher
    settings: LocalizeConfig
    max_side_px: int
    mapped: Mapped | None = None

    def match(
        self,
        uids: Sequence[str],
        photo: MatchedPhoto,
        known: Mapping[str, Matches] | None = None,
        is_settled: Callable[[Sequence[View]], bool] = lambda _: False,
    ) -> MatchedReferences:
        """Match references until enough of them are strong, at places enough, or they settle the pose.

        Args:
            uids: hits, best first; see :class:`Candidates` for how many and why.
            photo: what they are matched to.
            known: matches of references that were matched already.
            is_settled: whether what was matched so far needs no more; asked once it could be.
        """
        known = known or {}
        matched = MatchedReferences()
        candidates = Candidates(self.database, uids, self.settings.top_k)
        for uid in candidates:
            before = len(candidates.strong)
            self._try_one(uid, photo, matched, known.get(uid))
            candidates.strong = matched.strong
            if len(candidates.strong) > before and self._is_enough(candidates.strong, matched.views, is_settled):
                break
        return matched

    def match_more(self, uids: Iterable[str], photo: MatchedPhoto, matched: MatchedReferences) -> None:
        """Match all of some references that were not tried yet, and add them to ``matched``."""
        for uid in uids:
            if uid not in matched.tried:
                self._try_one(uid, photo, matched, None)

    def _try_one(self, uid: str, photo: MatchedPhoto, matched: MatchedReferences, known: Matches | None) -> None:
        photo.check()
        matched.tried.add(uid)
        try:
            self._match_one(uid, photo, matched, known)
        except DatabaseError as error:
            matched.broken.append((uid, str(error)))

    def _match_one(
        self,
        uid: str,
        photo: MatchedPhoto,
        matched: MatchedReferences,
        known: Matches | None,
    ) -> None:
        query, size = photo.features, photo.size
        metadata = self.database.metadata(uid)
        if is_same_file(self.database, uid, metadata, photo.sha256):
            matched.excluded.append(uid)
            return
        if not self._has_pose(uid, metadata):
            matched.unposed.append(uid)
            return
        reference = self.features.read(uid)
        reference_size = metadata.w, metadata.h
        if known is None:
            if matched.num_weak >= _MAX_WEAK and self._is_weak(photo, reference, reference_size):
                return
            known = self.matcher.match(query, size, reference, reference_size)
        pairs = known.pairs
        if _is_same_picture(query, size, reference, reference_size, pairs):
            matched.excluded.append(uid)
            return
        matched.num_weak += len(pairs) < STRONG_MATCHES
        matched.num_matches[uid] = len(pairs)
        if len(pairs):
            matched.views.append(self._view(uid, metadata, reference, pairs))

    def _is_weak(self, photo: MatchedPhoto, reference: LocalFeatures, reference_size: Size) -> bool:
        """Whether the best keypoints of both pictures, a quarter of all, hardly match."""
        look = self.matcher.match(photo.best, photo.size, _best(reference), reference_size)
        return len(look) < _WEAK_LOOK_MATCHES

    def _view(self, uid: str, metadata: ImageMetadata, reference: LocalFeatures, pairs: np.ndarray) -> View:
        view = View(
            uid=uid,
            camera=metadata.camera,
            pose=np.array(metadata.E, float) if metadata.E is not None else np.eye(4),
            pixels=reference.keypoints[pairs[:, 1]].astype(float),
            query_index=pairs[:, 0].astype(np.int64),
            noise_px=keypoint_noise_px((metadata.w, metadata.h), self.max_side_px),
            scale_std=SCALE_STD,
            position_std_m=position_std_m(metadata),
            rotation_std_deg=(heading_std_deg(metadata), tilt_std_deg(metadata)),
            keypoints=pairs[:, 1].astype(np.int64),
            frame=panorama_of(metadata),
        )
        return view if self.mapped is None else self.mapped.placed(view, metadata)

    def _has_pose(self, uid: str, metadata: ImageMetadata) -> bool:
        if metadata.has_pose and metadata.has_camera:
            return True
        return self.mapped is not None and metadata.has_camera and self.mapped.holds(uid, metadata)

    def _is_enough(
        self, strong: Sequence[View], views: Sequence[View], is_settled: Callable[[Sequence[View]], bool]
    ) -> bool:
        """Whether enough references are strong, all of one neighbourhood and at places enough.

        Where references streets apart are strong, something repeats: only the neighbours of each tell which place
        shows all of what the photo shows.
        """
        wanted = self.settings.max_references
        # A map knows the points that a reference sees from others' views: fewer references are needed.
        is_mapped = all(view.joint is not None for view in strong)
        least = min(_MIN_PLACES_MAPPED if is_mapped else MIN_PLACES, wanted)
        if len(strong) < least or len(group_views(strong, GROUP_RADIUS_M, MIN_SHARED)) > 1:
            return False
        if num_places([camera_center(view.pose) for view in strong]) < least:
            return False
        return len(strong) >= wanted or is_settled(views)


def is_same_file(database: Database, uid: str, metadata: ImageMetadata, sha256: str) -> bool:
    """Whether an entry was made of the very file whose digest is given.

    Raises:
        DatabaseError: the entry does not say of which, and has no readable picture.
    """
    if metadata.source_sha256 is not None:
        return metadata.source_sha256 == sha256
    try:
        return hashlib.sha256(database.image_path(uid).read_bytes()).hexdigest() == sha256
    except OSError as error:
        msg = f"{uid} has no readable image: run `geonav database check`"
        raise DatabaseError(msg) from error


def _best(features: LocalFeatures) -> LocalFeatures:
    """The strongest keypoints; features are stored by falling score."""
    few = slice(_LOOK_KEYPOINTS)
    return LocalFeatures(features.keypoints[few], features.scores[few], features.descriptors[few])


def keypoint_noise_px(size: Size, max_side_px: int) -> float:
    """Standard deviation of keypoints in pixels of a picture that was shrunk to find them."""
    return KEYPOINT_NOISE_PX * max(1.0, max(size) / max_side_px)


def _is_same_picture(
    query: LocalFeatures,
    size: Size,
    reference: LocalFeatures,
    reference_size: Size,
    pairs: np.ndarray,
) -> bool:
    """Whether a reference is the photo itself in another file: the same keypoints at the same places.

    Two photos from one tripod differ by noise; a copy, even a re-compressed one, hardly does.
    """
    if size != reference_size or len(pairs) < 0.8 * min(len(query), len(reference)) or len(pairs) < STRONG_MATCHES:
        return False
    shift = np.abs(query.keypoints[pairs[:, 0]] - reference.keypoints[pairs[:, 1]]).max(axis=1)
    return bool(np.median(shift) < 0.05)
