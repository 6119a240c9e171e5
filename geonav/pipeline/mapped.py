"""Localisation against the map: references stand where it puts them, and what one sees others see too.

A keypoint of the photo that was matched to a reference's shows, where that one has a point of the map, whatever all
other references of the point saw there. They join as silent views, so that a single reference already gives points with
distances, and five give tracks as long as the map knows them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from geonav.data.database import Database
from geonav.data.map_store import MapPart, MapStore
from geonav.data.metadata import ImageMetadata
from geonav.errors import DatabaseError
from geonav.pipeline.mapping.views import stamp_of
from geonav.pipeline.stored import StoredFeatures
from geonav.pose.tracks import Ints, View

# Silent views that are added, those that saw most; the rest would repeat them.
_MAX_SILENT = 6
_MIN_SILENT_POINTS = 12
# Parts kept in memory; a photo's references lie in one or two.
_MAX_PARTS = 8
# References better known than this lose nothing against a map, and may stand beside it.
_DOUBTFUL_M = 0.1


class Mapped:
    """The map of a database, as far as it still holds."""

    def __init__(self, database: Database, features: StoredFeatures) -> None:
        """Bind the database and the local features that its photos are matched by."""
        self._features = features
        store = MapStore(database)
        self._read = lru_cache(maxsize=_MAX_PARTS)(store.read)
        self._store = store

    def holds(self, uid: str, metadata: ImageMetadata) -> bool:
        """Whether the map has a pose of an entry as it is now."""
        return self._part(uid, metadata) is not None

    def placed(self, view: View, metadata: ImageMetadata) -> View:
        """A matched reference where the map puts it; as it is, where the map does not have it."""
        part = self._part(view.uid, metadata)
        if part is None:
            return view
        row = part.row_of[view.uid]
        return replace(view, camera=part.cameras[row], pose=part.poses[row], joint=part, row=row)

    def _part(self, uid: str, metadata: ImageMetadata) -> MapPart | None:
        """The part that holds an entry, unless its source, picture or features changed since."""
        name = metadata.map_version
        if name is None:
            return None
        try:
            part = self._read(name)
        except DatabaseError:
            return None
        row = part.row_of.get(uid)
        if row is None or part.stamps[row] != stamp_of(metadata):
            return None
        return part if part.feature_stamps[row] == self._features.stamp_of(uid) else None


def with_silent(views: Sequence[View]) -> list[View]:
    """Matched references and, of those on a map, what other references of the same points saw.

    References that are not on the map, and less certain than it, are left out beside those that are.
    """
    mapped = [view for view in views if view.joint is not None]
    if not mapped:
        return list(views)
    kept = [view for view in views if view.joint is not None or max(view.position_std_m) <= _DOUBTFUL_M]
    parts = {id(view.joint): view.joint for view in mapped}
    for key, part in parts.items():
        if isinstance(part, MapPart):
            kept = _with_silent_of(part, kept, [view for view in mapped if id(view.joint) == key])
    return kept


def _with_silent_of(part: MapPart, views: list[View], own: Sequence[View]) -> list[View]:
    shown, points = _shown(part, own)
    if not len(shown):
        return views
    observations, of = part.sightings(points)
    row, query = part.view[observations], shown[of]
    # A photo's keypoint has one observation in a reference at most: its own match, or else the first point's.
    known = np.unique(np.concatenate([view.row * (1 << 32) + view.query_index for view in own]))
    keys, first = np.unique(row * (1 << 32) + query, return_index=True)
    first = first[~np.isin(keys, known)]
    row, query, pixels = row[first], query[first], part.pixels[observations[first]].astype(float)
    matched = {view.row: index for index, view in enumerate(views) if view.joint is part}
    counts = np.bincount(row, minlength=len(part.uids))
    there = {view.uid for view in views}
    ranked = np.argsort(-counts, kind="stable").tolist()
    silent = [r for r in ranked if part.uids[r] not in there and counts[r] >= _MIN_SILENT_POINTS]
    found = list(views)
    for number in [*matched, *silent[:_MAX_SILENT]]:
        rows = np.flatnonzero(row == number)
        if number in matched and len(rows):
            found[matched[number]] = _longer(found[matched[number]], pixels[rows], query[rows])
        elif len(rows):
            model = own[0]
            found.append(
                View(
                    uid=part.uids[number],
                    camera=part.cameras[number],
                    pose=part.poses[number],
                    pixels=pixels[rows],
                    query_index=query[rows],
                    noise_px=model.noise_px * part.cameras[number].width / model.camera.width,
                    scale_std=model.scale_std,
                    joint=part,
                    row=number,
                )
            )
    return found


def _shown(part: MapPart, views: Sequence[View]) -> tuple[Ints, Ints]:
    """Keypoints (N,) of the photo and the points (N,) of the map that their matches show; each pair once."""
    queries, points = [], []
    for view in views:
        seen = part.points_at(view.row, view.keypoints)
        queries.append(view.query_index[seen >= 0])
        points.append(seen[seen >= 0])
    pairs = np.unique(np.stack([np.concatenate(queries), np.concatenate(points)], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _longer(view: View, pixels: np.ndarray, query_index: Ints) -> View:
    """A matched reference with what the map says that it saw besides."""
    return replace(
        view,
        pixels=np.concatenate([view.pixels, pixels]),
        query_index=np.concatenate([view.query_index, query_index]),
        keypoints=np.concatenate([view.keypoints, np.full(len(pixels), -1)]),
    )
