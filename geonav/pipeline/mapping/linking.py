"""Matching the chosen pairs, and keeping of each what one rigid scene explains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.data.features import LocalFeatures
from geonav.data.links import Link, LinkStore
from geonav.data.stamps import stamp
from geonav.pipeline.mapping.views import MapView
from geonav.pipeline.matching import keypoint_noise_px
from geonav.pipeline.stored import StoredFeatures
from geonav.vision.base import Matcher

REVISION = 4
# Half a picture's worth of a first look tells pairs that share nothing, at a quarter of the cost or less.
_LOOK_KEYPOINTS = 512
_MIN_LOOK_MATCHES = 8
# Pairs that share this much in it are tied well enough by half of their keypoints, at a third of the cost.
_EASY_LOOK_MATCHES, _EASY_KEYPOINTS = 100, 1024
_GATE_SIGMA = 10.0
_GUESSED_GATE_FACTOR = 1.5
# So many links of one reference are stored at a time: what an interruption may cost.
_STORE_EVERY = 4


Pair = tuple[str, str]


@dataclass(frozen=True)
class Group:
    """Pairs that share their first reference.

    Attributes:
        first: that reference.
        others: the second ones.
    """

    first: MapView
    others: tuple[MapView, ...]


@dataclass(frozen=True)
class Linker:
    """Matches references to each other.

    Attributes:
        store: where links are kept.
        features: of the references.
        matcher: the one that ``localize`` uses.
        max_side_px: to which pictures were shrunk to find keypoints.
        seed: of the draws of verification.
        on_link: called after each pair.
    """

    store: LinkStore
    features: StoredFeatures
    matcher: Matcher
    max_side_px: int
    seed: int
    on_link: Callable[[Pair], None] | None = None

    def work(self, items: Iterable[Group]) -> Iterator[int]:
        """Match what is not matched yet of some groups, and store it; how many pairs of each were matched now.

        Raises:
            DatabaseError: a reference has no features.
            StorageError: the disk is full, read-only or not permitted.
        """
        for group in items:
            yield self._linked(group)

    def known(self, pairs: Sequence[Pair], views: Mapping[str, MapView]) -> dict[Pair, Link]:
        """The links of these pairs that are stored and still fit."""
        found: dict[Pair, Link] = {}
        for group in groups_of(pairs, views):
            stored = self.store.read(group.first.uid)
            for second in group.others:
                link = stored.get(second.uid)
                if link is not None and link.stamp == self._stamp(group.first, second):
                    found[group.first.uid, second.uid] = link
        return found

    def _linked(self, group: Group) -> int:
        first = group.first
        stored, unsaved, own, matched = self.store.read(first.uid), 0, None, 0
        for second in group.others:
            wanted = self._stamp(first, second)
            link = stored.get(second.uid)
            if link is None or link.stamp != wanted:
                own = own if own is not None else self.features.read(first.uid)
                stored[second.uid] = self._match(wanted, own, first, second)
                unsaved, matched = unsaved + 1, matched + 1
                if unsaved >= _STORE_EVERY:
                    self.store.write(first.uid, stored)
                    unsaved = 0
            if self.on_link is not None:
                self.on_link((first.uid, second.uid))
        if unsaved:
            self.store.write(first.uid, stored)
        return matched

    def _stamp(self, first: MapView, second: MapView) -> str:
        return stamp(
            {
                "revision": REVISION,
                "matcher": self.matcher.settings(),
                "features": [self.features.stamp_of(first.uid), self.features.stamp_of(second.uid)],
                "views": [first.stamp, second.stamp],
                "seed": self.seed,
            }
        )

    def _match(self, wanted: str, own: LocalFeatures, first: MapView, second: MapView) -> Link:
        other = self.features.read(second.uid)
        size, other_size = (first.camera.width, first.camera.height), (second.camera.width, second.camera.height)
        nothing = np.zeros((0, 2), np.int32)
        look = self.matcher.match(_best(own, _LOOK_KEYPOINTS), size, _best(other, _LOOK_KEYPOINTS), other_size)
        if len(look) < _MIN_LOOK_MATCHES:
            return Link(wanted, len(look), nothing)
        if len(look) >= _EASY_LOOK_MATCHES:
            own, other = _best(own, _EASY_KEYPOINTS), _best(other, _EASY_KEYPOINTS)
        pairs = self.matcher.match(own, size, other, other_size).pairs
        pixels = own.keypoints[pairs[:, 0]].astype(float), other.keypoints[pairs[:, 1]].astype(float)
        noise = tuple(keypoint_noise_px(wh, self.max_side_px) for wh in (size, other_size))
        keep, rotation = verified(first, second, pixels, noise, self.seed)
        return Link(wanted, len(pairs), pairs[keep].astype(np.int32), rotation)


def groups_of(pairs: Sequence[Pair], views: Mapping[str, MapView]) -> list[Group]:
    """Pairs by their first reference, in their order."""
    firsts: dict[str, list[MapView]] = {}
    for first, second in pairs:
        firsts.setdefault(first, []).append(views[second])
    return [Group(views[first], tuple(others)) for first, others in firsts.items()]


def _best(features: LocalFeatures, count: int) -> LocalFeatures:
    """The strongest keypoints; features are stored by falling score, so that their numbers stay."""
    few = slice(count)
    return LocalFeatures(features.keypoints[few], features.scores[few], features.descriptors[few])


def verified(
    first: MapView,
    second: MapView,
    pixels: tuple[NDArray[np.float64], NDArray[np.float64]],
    noise_px: tuple[float, ...],
    seed: int,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which matches (M,) one rigid scene explains, and the turn second_from_first (3, 3) in it, NaN where not known.

    Args:
        first: the one reference.
        second: the other.
        pixels: matched keypoints (M, 2) of each.
        noise_px: standard deviation of each picture's keypoints.
        seed: of the random draws.
    """
    import pycolmap

    keep, rotation = np.zeros(len(pixels[0]), np.bool_), np.full((3, 3), np.nan)
    if len(keep) < 8:
        return keep, rotation
    # A guessed focal length bends what is seen; an essential matrix still tells the turn, a fundamental one does not.
    guessed = not (first.is_calibrated and second.is_calibrated)
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.max_error = _GATE_SIGMA * max(noise_px) * (_GUESSED_GATE_FACTOR if guessed else 1.0)
    options.ransac.random_seed = seed
    options.compute_relative_pose = True
    numbers = np.repeat(np.arange(len(keep), dtype=np.uint32)[:, None], 2, axis=1)
    found = pycolmap.estimate_calibrated_two_view_geometry(
        first.camera.to_pycolmap(), pixels[0], second.camera.to_pycolmap(), pixels[1], numbers, options
    )
    keep[np.asarray(found.inlier_matches, np.int64).reshape(-1, 2)[:, 0]] = True
    if found.cam2_from_cam1 is not None:
        rotation = np.array(found.cam2_from_cam1.matrix()[:, :3])
    return keep, rotation
